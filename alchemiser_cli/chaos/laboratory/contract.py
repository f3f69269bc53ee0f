"""What a workload may use of its laboratory."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from alchemiser_cli.clock import SystemClock

if TYPE_CHECKING:
    from alchemiser_cli.chaos.laboratory.receiver import Receiver
    from alchemiser_cli.errors.journal import ErrorJournal
    from alchemiser_cli.settings import Settings
    from alchemiser_cli.settings.resolve import Resolved
    from alchemiser_cli.state import StateDatabase
    from alchemiser_cli.streaming import EmbeddedKafka

__all__ = ["Laboratory"]


class Laboratory(Protocol):
    """A scratch home: own settings, state database, journal, embedded Kafka, and people to tell.

    Faults reach it as they reach any process of ours: by leases in its state database, which a
    thread of the laboratory looks up ten times a second. What is journalled is told through a
    real notification channel to a receiver on the loopback.
    """

    clock: SystemClock

    @property
    def home(self) -> Path:
        """The scratch home; it is removed at the end."""
        ...

    @property
    def resolved(self) -> "Resolved":
        """The settings of the scratch home, as the experiment changes them."""
        ...

    @property
    def settings(self) -> "Settings":
        """The same, without where each value came from."""
        ...

    @property
    def state(self) -> "StateDatabase":
        """The state database of the scratch home."""
        ...

    @property
    def journal(self) -> "ErrorJournal":
        """The journal; what a workload's parts fail with goes there, as in production."""
        ...

    @property
    def people(self) -> "Receiver":
        """Who is told: the other end of the laboratory's notification channel."""
        ...

    @property
    def kafka(self) -> "EmbeddedKafka":
        """An embedded Kafka, started by its first use; broker faults reach it."""
        ...

    def child_environment(self) -> dict[str, str]:
        """Return the environment for a child process of ours that works on the scratch home.

        A child started as ``python -m alchemiser_cli ...`` (or which calls
        ``alchemiser_cli.chaos.suffering``) suffers the faults of the laboratory too.
        """
        ...
