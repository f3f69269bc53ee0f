"""Settings: one frozen object of all sections."""

from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alchemiser_cli.settings import sections
from alchemiser_cli.settings import trading as trading_sections
from alchemiser_cli.settings.chaos import ChaosSettings
from alchemiser_cli.settings.layers import Layer

__all__ = ["Settings", "settings_from_layers"]

_LAYERS: ContextVar[tuple[Layer, ...]] = ContextVar("settings_layers", default=())


def _default_home() -> Path:
    import platformdirs

    return platformdirs.user_state_path("alchemiser", appauthor=False)


def _plain_path(home: Path) -> Path:
    # The state database's URL holds the home, and in a URL these have another meaning.
    if set("?#%") & set(str(home)):
        raise PydanticCustomError("home", "the folder's name holds one of ? # %", {})
    return home


# A name stands in variables too, which are read in lower case.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]


class _LayerSource(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  pydantic's signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        return self._layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer.values


class Settings(BaseSettings):
    """All settings, resolved once and never changed."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    environment: sections.Environment = Field(
        sections.Environment.DEVELOPMENT, description="Policy that applies to a start."
    )
    home: Annotated[Path, AfterValidator(_plain_path)] = Field(
        default_factory=_default_home, description="Folder of everything written at run time."
    )
    plugins: sections.Names = Field((), description="Names of the plugins that may be loaded.")
    logs: sections.LogSettings = sections.LogSettings()
    state: sections.StateSettings = sections.StateSettings()
    kafka: sections.KafkaSettings = sections.KafkaSettings()
    topics: sections.TopicSettings = sections.TopicSettings()
    registry: sections.RegistrySettings = sections.RegistrySettings()
    consumer: sections.ConsumerSettings = sections.ConsumerSettings()
    dead_letters: sections.DeadLetterSettings = sections.DeadLetterSettings()
    quality: sections.QualitySettings = sections.QualitySettings()
    tracking: sections.TrackingSettings = sections.TrackingSettings()
    market: sections.MarketSettings = sections.MarketSettings()
    options: sections.OptionsSettings = sections.OptionsSettings()
    training: sections.TrainingSettings = sections.TrainingSettings()
    shm: sections.ShmSettings = sections.ShmSettings()
    trading: trading_sections.TradingSettings = trading_sections.TradingSettings()
    risk: trading_sections.RiskSettings = trading_sections.RiskSettings()
    paper: trading_sections.PaperSettings = trading_sections.PaperSettings()
    audit: trading_sections.AuditSettings = trading_sections.AuditSettings()
    preflight: sections.PreflightSettings = sections.PreflightSettings()
    chaos: ChaosSettings = ChaosSettings()
    alerts: sections.AlertSettings = sections.AlertSettings()
    heartbeat: sections.HeartbeatSettings = sections.HeartbeatSettings()
    signing: sections.SigningSettings = sections.SigningSettings()
    telemetry: sections.TelemetrySettings = sections.TelemetrySettings()
    health: sections.HealthSettings = sections.HealthSettings()
    feeds: dict[Name, sections.FeedSettings] = Field(
        default_factory=dict, description="Live feeds by name."
    )
    brokers: dict[Name, sections.BrokerAccount] = Field(
        default_factory=dict, description="Trading brokers by name."
    )
    strategies: dict[Name, trading_sections.StrategySettings] = Field(
        default_factory=dict, description="Strategies by name."
    )
    notifications: dict[Name, sections.NotificationChannel] = Field(
        default_factory=dict, description="Notification channels by name."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take keyword arguments, then the layers that are being resolved; nothing ambient."""
        layers = (_LayerSource(settings_cls, layer) for layer in _LAYERS.get())
        return (init_settings, *layers)

    @property
    def logs_folder(self) -> Path:
        """Where log files and summaries go."""
        return self.home / "logs"

    @property
    def run_folder(self) -> Path:
        """Where running processes leave their run files."""
        return self.home / "run"

    @property
    def models_folder(self) -> Path:
        """Where model artefacts live."""
        return self.home / "models"

    @property
    def runs_folder(self) -> Path:
        """Where training runs keep their checkpoints and metrics."""
        return self.home / "runs"

    @property
    def audit_folder(self) -> Path:
        """Where the audit trails live, a folder each."""
        return self.home / "audit"

    @property
    def trading_folder(self) -> Path:
        """Where trading runs keep their records."""
        return self.home / "trading"

    @property
    def kill_switch_file(self) -> Path:
        """The file behind the kill switch's flag in shared memory."""
        return self.home / "run" / "kill_switch.json"

    @property
    def state_url(self) -> str:
        """SQLAlchemy URL of the state database."""
        url = self.state.url
        return url.get_secret_value() if url else f"sqlite:///{self.home / 'state.db'}"

    @property
    def registry_url(self) -> str:
        """URL of the schema registry."""
        url = self.registry.url
        return url.get_secret_value() if url else f"file:{self.home / 'schemas'}"

    @property
    def tracking_uri(self) -> str:
        """URI of the experiment-tracking store."""
        uri = self.tracking.uri
        return uri.get_secret_value() if uri else f"sqlite:///{self.home / 'mlflow.db'}"

    def with_consumer_group(self, group: str) -> "Settings":
        """Return a copy whose consumer is a member of ``group``."""
        consumer = self.consumer.model_copy(update={"group": group})
        return self.model_copy(update={"consumer": consumer})


def settings_from_layers(layers: tuple[Layer, ...]) -> Settings:
    """Build settings from layers, the strongest first; raises pydantic's ValidationError."""
    token = _LAYERS.set(layers)
    try:
        return Settings()
    finally:
        _LAYERS.reset(token)
