"""The settings as frozen sections: names, types, defaults and what each is for."""

import ipaddress
import math
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from alchemiser_cli.settings.urls import bootstrap_servers, registry_url, state_url, tracking_url

__all__ = [
    "AlertSettings",
    "BrokerAccount",
    "BucketSettings",
    "ConsumerSettings",
    "DeadLetterSettings",
    "Environment",
    "FeedSettings",
    "HealthSettings",
    "HeartbeatSettings",
    "KafkaSettings",
    "LogSettings",
    "MarketSettings",
    "NotificationChannel",
    "OptionsSettings",
    "PreflightSettings",
    "QualityRule",
    "QualitySettings",
    "RegistrySettings",
    "ShmSettings",
    "SigningSettings",
    "StateSettings",
    "TelemetrySettings",
    "TopicSettings",
    "TrackingSettings",
    "TrainingSettings",
]


class Environment(StrEnum):
    """Where the system runs; each has its own policy of what may pass."""

    DEVELOPMENT = "development"
    PAPER = "paper"
    PRODUCTION = "production"


class Section(BaseModel):
    """Base of all sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def split_names(value: Any) -> Any:
    """Take names as one text with commas, as variables and flags have them."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]


class LogSettings(Section):
    """Log files and their rotation."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe record that is kept."
    )
    max_megabytes: int = Field(20, ge=1, description="Size at which a log file is rotated.")
    keep_files: int = Field(5, ge=1, description="Rotated files kept a channel.")


class StateSettings(Section):
    """The one state database."""

    url: Annotated[SecretStr | None, AfterValidator(state_url)] = Field(
        None,
        description="SQLAlchemy URL (sqlite:///PATH or postgresql+psycopg://...); "
        "unset: state.db in the home.",
    )
    connect_timeout_s: Seconds = Field(5.0, description="Longest wait for a connection or lock.")
    pool_size: int = Field(5, ge=1, le=100, description="Most connections of one process.")


class KafkaSettings(Section):
    """How to reach Kafka."""

    mode: Literal["embedded", "external"] = Field(
        "embedded", description="embedded: librdkafka's own cluster, in this process or served."
    )
    bootstrap: Annotated[str, AfterValidator(bootstrap_servers)] = Field(
        "127.0.0.1:9092", description="HOST:PORT list of the external cluster."
    )
    client_id: str = Field("alchemiser", min_length=1, description="Name shown to the broker.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Protocol between client and broker."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism where the protocol uses SASL."
    )
    username: str | None = Field(None, description="SASL user name.")
    password: SecretStr | None = Field(None, description="SASL password.")
    ca_file: Path | None = Field(None, description="CA certificates for TLS; unset: the system's.")
    request_timeout_s: Seconds = Field(5.0, description="Longest wait for a broker's answer.")
    embedded_brokers: int = Field(1, ge=1, le=9, description="Brokers of the embedded cluster.")


class TopicSettings(Section):
    """Names and shapes of the topics."""

    ticks: str = Field("market.ticks", pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Ticks.")
    partitions: int = Field(4, ge=1, le=1000, description="Partitions of a topic that we make.")
    replication: int = Field(1, ge=1, le=9, description="Replicas of a topic that we make.")


class RegistrySettings(Section):
    """The schema registry."""

    url: Annotated[SecretStr | None, AfterValidator(registry_url)] = Field(
        None,
        description="http(s)://HOST:PORT, file:FOLDER or memory:NAME (this process only); "
        "unset: the folder registry in the home.",
    )
    username: str | None = Field(None, description="Basic-auth user name.")
    password: SecretStr | None = Field(None, description="Basic-auth password.")
    timeout_s: Seconds = Field(5.0, description="Longest wait for the registry's answer.")


class ConsumerSettings(Section):
    """The market-data consumer."""

    group: str = Field("alchemiser", min_length=1, max_length=249, description="Consumer group.")
    protocol: Literal["classic", "consumer"] = Field(
        "classic", description="Group protocol; consumer is KIP-848, for brokers from 4.0 on."
    )
    batch_size: int = Field(500, ge=1, le=10_000, description="Most messages of one batch.")
    concurrency: int = Field(64, ge=1, le=10_000, description="Most callbacks that run at once.")
    callback_timeout_s: Seconds = Field(30.0, description="Longest run of one message's callback.")
    callback_attempts: int = Field(
        3, ge=1, le=100, description="Most tries of a callback whose error may be retried."
    )
    fetch_wait_ms: int = Field(10, ge=0, le=5_000, description="How long a fetch waits for data.")
    max_buffered: int = Field(
        5_000, ge=1, description="Messages not yet worked off at which partitions are paused."
    )
    prefetch_kilobytes: int = Field(
        16_384, ge=64, le=2_097_151, description="Most memory of messages fetched ahead."
    )
    commit_interval_s: Seconds = Field(1.0, description="Time between commits.")
    drain_timeout_s: Seconds = Field(
        10.0,
        description="How long a rebalance (at most half of max_poll_interval_s) or a stop waits "
        "for running callbacks.",
    )
    max_poll_interval_s: float = Field(
        300.0, ge=1, le=86_400, description="Silence after which the group drops this consumer."
    )
    session_timeout_s: float | None = Field(
        None,
        ge=1,
        le=3_600,
        description="Silence of heartbeats after which the group drops this consumer; "
        "unset: 10, with the embedded Kafka 2.",
    )
    max_outage_s: Seconds = Field(
        600.0, description="How long a refusing broker or schema registry is waited for."
    )
    latest_only: bool = Field(
        False,
        description="Under load, skip all but the newest waiting quote and bar of a symbol.",
    )


class DeadLetterSettings(Section):
    """Messages that cannot be read or handled."""

    enabled: bool = Field(
        True,
        description="Set them aside in TOPIC.dlq; otherwise only count and journal them.",
    )
    max_consecutive: int = Field(
        100, ge=1, description="Failures in a row at which the consumer stops."
    )
    max_ratio: float = Field(
        0.5, gt=0, le=1, description="Share of failures at which the consumer stops."
    )
    ratio_window: int = Field(
        1_000, ge=1, description="Last messages of which the share is taken, once so many came."
    )
    max_redrives: int = Field(3, ge=1, description="Redrives of one message before it is refused.")


QualityRule = Literal[
    "unknown-symbol",
    "non-finite",
    "non-positive",
    "crossed-book",
    "inconsistent-bar",
    "clock-ahead",
    "price-jump",
]


class QualitySettings(Section):
    """What is plausible in market data."""

    quarantine: bool = Field(
        True,
        description="Set implausible ticks aside in TOPIC.quarantine.",
    )
    rules_off: Annotated[tuple[QualityRule, ...], BeforeValidator(split_names)] = Field(
        (), description="Rules that are not applied."
    )
    symbols: Names = Field((), description="Known symbols; empty: any.")
    jump_sigmas: float = Field(
        12.0, gt=0, description="Robust deviations that a price may jump from its recent median."
    )
    jump_floor: float = Field(
        0.02, gt=0, description="Jump, as a fraction of the price, that is never implausible."
    )
    jump_window: int = Field(64, ge=8, le=4_096, description="Ticks of a symbol that are recent.")
    jump_believed_after: int = Field(
        5, ge=2, le=64, description="Consistent jumps in a row after which a new level is believed."
    )
    max_ahead_s: Seconds = Field(5.0, description="How far a tick's time may be ahead of ours.")
    reorder_window: int = Field(
        64, ge=0, le=65_536, description="Sequences that a late tick may come after."
    )
    stale_factor: float = Field(
        10.0, gt=1, description="Multiple of its usual pace after which a symbol is stale."
    )
    stale_floor_s: Seconds = Field(5.0, description="Silence that is never called stale.")


class FeedSettings(Section):
    """One live feed of market data."""

    plugin: str = Field("binance", description="Plugin that speaks the venue's protocol.")
    url: str | None = Field(
        None, pattern=r"^wss?://[^\s/?#]+", description="WebSocket URL; unset: the plugin's own."
    )
    rest_url: str | None = Field(
        None, pattern=r"^https?://[^\s/?#]+", description="REST URL; unset: the plugin's own."
    )
    symbols: Names = Field((), description="Symbols to subscribe to.")
    kinds: Annotated[tuple[Literal["trade", "quote", "bar"], ...], BeforeValidator(split_names)] = (
        Field(("trade",), min_length=1, description="Kinds of ticks to subscribe to.")
    )
    max_buffered: int = Field(
        10_000, ge=1, description="Ticks that may wait for Kafka; beyond it they are dropped."
    )
    silence_s: Seconds = Field(10.0, description="Silence after which the connection is renewed.")
    connect_timeout_s: Seconds = Field(10.0, description="Longest wait for a connection.")
    max_backoff_s: Seconds = Field(60.0, description="Longest wait between two attempts.")
    max_attempts: int = Field(
        300, ge=1, description="Attempts to reconnect within attempt_window_s; then the feed ends."
    )
    attempt_window_s: Seconds = Field(300.0, description="Time in which attempts are counted.")
    poll_interval_s: Seconds = Field(2.0, description="Time between REST polls while disconnected.")


class TrackingSettings(Section):
    """The experiment-tracking store (MLflow)."""

    uri: Annotated[SecretStr | None, AfterValidator(tracking_url)] = Field(
        None, description="sqlite:///PATH or http(s)://HOST:PORT; unset: mlflow.db in the home."
    )
    timeout_s: Seconds = Field(5.0, description="Longest wait for the server's answer.")


class MarketSettings(Section):
    """Market data and the exchange."""

    dataset: str = Field("sp500", description="Dataset used where none is named.")
    calendar: str = Field("XNYS", description="Exchange calendar (ISO 10383 code).")


class OptionsSettings(Section):
    """The options that are traded, their prices and costs, and the account that trades them."""

    initial_balance: float = Field(1_000_000.0, gt=0, description="Cash at an episode's start.")
    max_contracts: int = Field(10, ge=1, description="Contracts that an action of 1 asks for.")
    multiplier: int = Field(100, ge=1, description="Units of the underlying in one contract.")
    commission: float = Field(0.65, ge=0, description="Commission of one contract, a side.")
    spread: float = Field(
        0.01, ge=0, lt=1, description="Half the bid-ask spread at the money, as a share of mid."
    )
    min_spread: float = Field(0.05, ge=0, description="Least half spread of one unit.")
    strike_step: float = Field(
        0.025, gt=0, le=0.2, description="Distance of strikes, as a share of spot at listing."
    )
    risk_free_rate: float = Field(0.02, ge=-0.1, le=0.5, description="Continuous rate a year.")
    dividend_yield: float = Field(0.015, ge=0, le=0.5, description="Continuous yield a year.")
    skew: float = Field(
        -0.18, ge=-1, le=1, description="Slope of the smile: share of volatility by a deviation."
    )
    curvature: float = Field(
        0.04, ge=0, le=1, description="Curvature of the smile: share by its square."
    )
    term_slope: float = Field(
        1.0, ge=0, le=2, description="How much the tenors revert to the mean; 0: all are alike."
    )
    mean_volatility: float = Field(
        0.19, gt=0, le=5, description="Volatility to which that of longer tenors reverts."
    )
    episode_steps: int = Field(252, ge=1, description="Steps of a training episode.")


class TrainingSettings(Section):
    """How a policy is trained."""

    preset: Literal["small", "base"] = Field("small", description="Size of the network.")
    timesteps: int = Field(100_000, ge=1, description="Environment steps of a run.")
    seed: int = Field(1, ge=0, lt=2**32, description="Seed of everything random.")
    environments: int = Field(
        16, ge=1, le=4_096, description="Environments that step side by side; one update a step."
    )
    learning_rate: float = Field(
        1e-4, gt=0, lt=1, description="Learning rate of Adam, for the critics and the encoder."
    )
    actor_share: float = Field(
        0.1, gt=0, le=1, description="The actor's learning rate, as a share of learning_rate."
    )
    buffer_size: int = Field(200_000, ge=1_000, description="Transitions that are kept.")
    batch_size: int = Field(256, ge=1, description="Transitions of one update.")
    learning_starts: int = Field(
        1_000, ge=0, description="Steps of random actions before the first update."
    )
    tau: float = Field(0.005, gt=0, le=1, description="Polyak coefficient of the targets.")
    gamma: float = Field(0.99, ge=0, le=1, description="Discount of a step.")
    action_noise: float = Field(0.1, ge=0, description="Deviation of the exploration's noise.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU, if any.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the encoder's matrices; auto: what is faster on this machine."
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of PyTorch; unset: one for each core."
    )
    holdout: float = Field(
        0.25, gt=0, lt=1, description="Share of the data, at its end, that is never trained on."
    )
    purge_steps: int = Field(
        64, ge=0, description="Steps left out between training and held-out data."
    )
    evaluate_every: int = Field(
        25_000, ge=1, description="Environment steps between evaluations during a run."
    )
    checkpoint_every: int = Field(
        25_000, ge=1, description="Environment steps between checkpoints."
    )


class ShmSettings(Section):
    """Shared memory for weights."""

    directory: Path = Field(
        Path("/dev/shm"),  # noqa: S108  segments are created with O_EXCL and mode 0600
        description="Where segments live.",
    )
    min_free_megabytes: int = Field(64, ge=0, description="Room that preflight asks for.")
    max_age_s: Seconds = Field(
        3_600.0, description="Age from which weights are expired and must not be acted on."
    )
    when_expired: Literal["hold", "flat"] = Field(
        "flat", description="On expired weights: keep the positions, or go flat."
    )
    read_attempts: int = Field(
        8, ge=1, le=1_000, description="Attempts of one read; then the last good weights stay."
    )
    hung_after_s: Seconds = Field(
        900.0, description="Silence from which a living writer is reported as hung."
    )


class PreflightSettings(Section):
    """What the checks before a start ask for."""

    min_disk_free_megabytes: int = Field(512, ge=0, description="Free disk space of the home.")
    min_open_files: int = Field(1024, ge=64, description="Soft limit of open files.")
    max_clock_skew_s: Seconds = Field(5.0, description="Largest difference to the broker's clock.")


class BrokerAccount(Section):
    """One trading broker's account."""

    enabled: bool = Field(False, description="Whether orders may go there.")
    plugin: str | None = Field(
        None, description="Plugin that speaks its protocol; the broker `paper` needs none."
    )
    url: str | None = Field(
        None, pattern=r"^https?://[^\s/?#]+", description="URL of its API; unset: the plugin's own."
    )
    api_key: SecretStr | None = Field(None, description="API key.")
    api_secret: SecretStr | None = Field(None, description="API secret.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for one of its answers.")
    poll_interval_s: Seconds = Field(
        1.0, description="Least time between two questions after open orders."
    )


class NotificationChannel(Section):
    """One way to tell people."""

    enabled: bool = Field(True, description="Whether messages go there.")
    url: SecretStr | None = Field(None, description="Apprise URL of the channel.")
    severities: Annotated[
        tuple[Literal["low", "medium", "high", "critical"], ...], BeforeValidator(split_names)
    ] = Field(("high", "critical"), description="Severities that it takes.")


class AlertSettings(Section):
    """When people are told, how often at most, and when it is over."""

    severity: Literal["low", "medium", "high", "critical"] = Field(
        "high", description="Least severity of an error that people are told of."
    )
    hold_down_s: float = Field(
        30.0,
        ge=0,
        description="How long a trouble lasts before anybody is told; not for criticals.",
    )
    keep_firing_s: float = Field(
        300.0, ge=0, description="How long a trouble must be quiet before it counts as over."
    )
    group_wait_s: float = Field(
        10.0, ge=0, description="How long related troubles are gathered; not for criticals."
    )
    critical_limit: int = Field(5, ge=1, description="Most critical messages of one code.")
    critical_window_s: Seconds = Field(300.0, description="The time that critical_limit is for.")
    error_limit: int = Field(10, ge=1, description="Most messages of high severity of one code.")
    error_window_s: Seconds = Field(900.0, description="The time that error_limit is for.")
    warning_limit: int = Field(20, ge=1, description="Most messages of lower severity of one code.")
    warning_window_s: Seconds = Field(3_600.0, description="The time that warning_limit is for.")
    recipient_limit: int = Field(30, ge=1, description="Most messages through one channel.")
    recipient_reserved: int = Field(
        10, ge=0, description="How many of recipient_limit only criticals may use."
    )
    recipient_window_s: Seconds = Field(
        3_600.0, description="The time that recipient_limit is for."
    )
    digest_every_s: Seconds = Field(
        900.0, description="Time after which held messages are told of in one digest."
    )
    attempts: int = Field(30, ge=1, description="Most attempts to send one message.")
    max_backoff_s: Seconds = Field(300.0, description="Longest wait between two attempts.")
    timeout_s: Seconds = Field(10.0, description="Longest wait for a channel's answer.")
    proof_max_age_s: Seconds = Field(
        604_800.0, description="Age of a channel's last success at which health warns."
    )
    keep_days: int = Field(
        90, ge=1, description="Days for which incidents and messages that are over are kept."
    )
    exposure_raises: float = Field(
        0.0,
        ge=0,
        description="Open exposure, as a share of equity, from which troubles of trading count one "
        "severity higher; 0: never.",
    )


def _http_url(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("https://", "http://")):
        raise PydanticCustomError("url", "a URL that is pinged begins with https:// or http://", {})
    return url


class HeartbeatSettings(Section):
    """The dead man's switch: a URL that is pinged while all goes well (Healthchecks protocol)."""

    url: Annotated[SecretStr | None, AfterValidator(_http_url)] = Field(
        None, description="URL to ping at start, now and again, and at the end; unset: none."
    )
    interval_s: Seconds = Field(
        60.0, description="Time between the pings of a long-running command."
    )
    timeout_s: Seconds = Field(5.0, description="Longest wait for its answer.")


class SigningSettings(Section):
    """Signatures of the audit trail and of links."""

    key: SecretStr | None = Field(
        None, description="Signing key, 32 characters or more; unset: a transient one is made."
    )


def _rising(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if not all(math.isfinite(bound) and bound > 0 for bound in bounds):
        raise PydanticCustomError("buckets", "a bucket's bound is a finite number above zero", {})
    if any(low >= high for low, high in pairwise(bounds)):
        raise PydanticCustomError("buckets", "each bucket's bound is greater than the last", {})
    return bounds


def _text_file(file: Path | None) -> Path | None:
    if file is not None and (file.suffix != ".prom" or not file.is_absolute()):
        raise PydanticCustomError(
            "textfile", "node_exporter reads absolute paths that end in .prom", {}
        )
    return file


Buckets = Annotated[tuple[float, ...], AfterValidator(_rising)]


class BucketSettings(Section):
    """Bounds of the histograms' buckets, in seconds; empty: the metric's own."""

    consumer_handler_seconds: Buckets = Field(
        (), description="Buckets of the time that the handling of one message takes."
    )
    market_tick_enqueue_delay_seconds: Buckets = Field(
        (), description="Buckets of the time from a tick's event to its producer."
    )
    market_tick_emit_latency_seconds: Buckets = Field(
        (), description="Buckets of the time from the producer to the broker's acknowledgement."
    )
    market_tick_transit_seconds: Buckets = Field(
        (), description="Buckets of the time from a message's timestamp to its consumer."
    )
    ml_inference_latency_seconds: Buckets = Field(
        (), description="Buckets of the time that a strategy with a model takes for a signal."
    )
    notification_delay_seconds: Buckets = Field(
        (), description="Buckets of the time from an incident's beginning to its first message."
    )


def _traces_url(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is read
    except ValueError:
        raise PydanticCustomError("traces", "the collector's URL cannot be read", {}) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PydanticCustomError("traces", "a collector is http(s)://HOST:PORT", {})
    if parts.username or parts.password or parts.query or parts.fragment:
        raise PydanticCustomError(
            "traces", "credentials go into OTEL_EXPORTER_OTLP_HEADERS, not into the URL", {}
        )
    return url


class TelemetrySettings(Section):
    """Metrics for Prometheus, and traces."""

    textfile: Annotated[Path | None, AfterValidator(_text_file)] = Field(
        None, description="File (*.prom) for node_exporter's textfile collector; unset: none."
    )
    buckets: BucketSettings = Field(
        BucketSettings(), description="Buckets of the histograms, by metric."
    )
    traces: Annotated[str | None, AfterValidator(_traces_url)] = Field(
        None, description="Collector of traces (OTLP over HTTP), http://HOST:4318; unset: none."
    )


def _public_url(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only when it is read
    except ValueError:
        raise PydanticCustomError("public_url", "the URL for links cannot be read", {}) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise PydanticCustomError("public_url", "links lead to http(s)://HOST, with a path", {})
    if (
        parts.username
        or parts.password
        or parts.query
        or parts.fragment
        or set(url) & set(" <>\"'")
    ):
        raise PydanticCustomError("public_url", "links lead to http(s)://HOST/PATH alone", {})
    return url


class HealthSettings(Section):
    """The HTTP server of `health serve`."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that it listens on; beyond loopback only with a token.",
    )
    port: Port = Field(8000, description="Port that it listens on; 0: any free one.")
    token: SecretStr | None = Field(
        None, description="Bearer token that everything but /healthz asks for."
    )
    public_url: Annotated[str | None, AfterValidator(_public_url)] = Field(
        None,
        description="http(s)://HOST under which others reach it, for the links in messages; "
        "unset: its own address.",
    )
    max_silence_s: Seconds = Field(
        60.0, description="How long a connected feed may bring nothing new in market hours."
    )

    @property
    def base_url(self) -> str | None:
        """The beginning of links to its pages; None where nobody knows it."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        if self.port == 0 or self.host in ("0.0.0.0", "::"):  # noqa: S104  no place to go to
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the server."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return self.host != "localhost"
