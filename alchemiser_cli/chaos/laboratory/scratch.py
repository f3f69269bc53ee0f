"""A laboratory: a scratch home with everything that a workload needs, removed at the end."""

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from alchemiser_cli.chaos.laboratory.people import CHANNEL, telling
from alchemiser_cli.chaos.laboratory.receiver import Receiver
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.suffering import suffering
from alchemiser_cli.clock import SystemClock, TrueClock
from alchemiser_cli.errors.journal import ErrorJournal, JournalStore
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.layers import ENVIRONMENT_PREFIX
from alchemiser_cli.settings.resolve import Request, Resolved, resolve
from alchemiser_cli.state import StateDatabase

if TYPE_CHECKING:
    from alchemiser_cli.streaming import EmbeddedKafka

__all__ = ["PREFIX", "ScratchLaboratory", "scratch_environment", "scratch_folder"]

PREFIX = "alchemiser-chaos-"

_PROFILE = "laboratory.toml"
_DEFAULTS: Mapping[str, Any] = {
    "environment": "development",
    "chaos.poll_s": 0.1,
    # People are told at once; who is told of what is the product's own policy.
    "alerts.hold_down_s": 0,
    "alerts.group_wait_s": 0,
    "alerts.max_backoff_s": 1,
    f"notifications.{CHANNEL}.severities": "low,medium,high,critical",
}


class ScratchLaboratory:
    """A ``Laboratory``: inside the block its home exists and the faults of its leases strike.

    ``overrides`` are settings by their dotted names, as an experiment gives them. ``leases`` are
    those of its state database; they are written past the faults that hurt everybody else.
    ``folder`` is the home to be made; without it one with a random name is.
    """

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        """Keep the settings; nothing is made before the block is entered.

        ``environ`` is what children get of this process's environment.
        """
        self.clock = SystemClock()
        self.true_clock = TrueClock()
        self._overrides = dict(overrides or {})
        self._environ = environ or {}
        self._folder = folder
        self._home: Path | None = None
        self._environment: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Make the home, and let faults reach this process.

        Raises:
            ConfigurationError: as ``resolve``, where the experiment's settings are no settings.
        """
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every fault, close everything, and remove the home."""
        self._stack.close()

    @property
    def home(self) -> Path:
        """The scratch home; it is removed at the end."""
        if self._home is None:
            raise RuntimeError("the laboratory is not open")
        return self._home

    @cached_property
    def resolved(self) -> Resolved:
        """The settings of the scratch home, as the experiment changes them."""
        return resolve(
            Request(environ=self._environment, dotenv=self.home / ".env")  # which does not exist
        )

    @property
    def settings(self) -> Settings:
        """The same, without where each value came from."""
        return self.resolved.settings

    @cached_property
    def state(self) -> StateDatabase:
        """The state database as the workload sees it: faults reach it."""
        database = StateDatabase.of(self.settings, self.clock)
        self._stack.callback(database.close)
        return database

    @cached_property
    def evidence(self) -> StateDatabase:
        """The same database as the runner sees it: by the true time, and past every fault."""
        database = StateDatabase.of(self.settings, self.true_clock, suffers=False)
        self._stack.callback(database.close)
        return database

    @cached_property
    def leases(self) -> LeaseStore:
        """The leases of the laboratory."""
        return LeaseStore(self.evidence, self.true_clock)

    @cached_property
    def journal(self) -> ErrorJournal:
        """The journal; what a workload's parts fail with goes there, as in production."""
        journal = ErrorJournal(
            JournalStore(self.state),
            self.clock,
            run_id="laboratory",
            component="chaos",
            spill_folder=self.settings.logs_folder,
            database=self.state,
        )
        return self._stack.enter_context(journal)

    @cached_property
    def kafka(self) -> "EmbeddedKafka":
        """An embedded Kafka, started by its first use; broker faults reach it."""
        from alchemiser_cli.streaming import EmbeddedKafka
        from alchemiser_cli.streaming.broker_faults import broker_faults_reach

        cluster = self._stack.enter_context(EmbeddedKafka(self.settings.kafka.embedded_brokers))
        self._stack.enter_context(broker_faults_reach(cluster))
        return cluster

    @cached_property
    def people(self) -> Receiver:
        """Who is told; ``taken`` holds the messages."""
        return self._stack.enter_context(Receiver())

    def child_environment(self) -> dict[str, str]:
        """Return the environment for a child process of ours that works on the scratch home."""
        kept = {
            name: value
            for name, value in self._environ.items()
            if not name.startswith(ENVIRONMENT_PREFIX)
        }
        return kept | self._environment

    def _open(self) -> None:
        self._home = self._folder or scratch_folder(secrets.token_hex(8))
        self._home.mkdir(mode=0o700)  # which nobody made before
        self._stack.callback(shutil.rmtree, self._home, ignore_errors=True)
        for folder in ("logs", "run", "shm"):
            (self._home / folder).mkdir(mode=0o700)
        self._environment = scratch_environment(self._home, self.people.url, self._overrides)
        _ = self.evidence, self.state  # the tables are made before anything strikes
        with self.evidence.begin():
            pass
        journal = self.journal
        self._stack.enter_context(telling(self.resolved, self.state, self.clock, journal))
        self._stack.enter_context(suffering(self.settings, self.evidence, self.true_clock))


def scratch_folder(run: str) -> Path:
    """Return where the scratch home of the run ``run`` is made."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{run}"


def scratch_environment(
    home: Path, channel_url: str, overrides: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return the variables by which a process of ours works on the scratch home ``home``.

    ``overrides`` are settings by their dotted names. The profile is an empty file in the home, so
    that no profile of whoever runs the experiment takes part.
    """
    profile = home / _PROFILE
    profile.touch(mode=0o600)
    values = {
        **_DEFAULTS,
        "home": str(home),
        "shm.directory": str(home / "shm"),
        "signing.key": secrets.token_hex(32),  # one for all processes of the laboratory
        f"notifications.{CHANNEL}.url": channel_url,
        **(overrides or {}),
    }
    variables = {
        f"{ENVIRONMENT_PREFIX}{key.replace('.', '__').upper()}": _text(value)
        for key, value in values.items()
    }
    return {**variables, f"{ENVIRONMENT_PREFIX}PROFILE": str(profile)}


def _text(value: Any) -> str:
    """Write a setting's value as a variable holds it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
