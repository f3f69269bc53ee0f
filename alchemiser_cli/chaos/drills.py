"""Drills: for their time, people are told of what was caused on purpose, marked as a drill."""

from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import Clock
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.sources import JournalSource
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

__all__ = ["AFTER_S", "DrillJournal"]

AFTER_S = 600.0
"""For how long after a drill the errors of injected faults are still told, in seconds."""


class DrillJournal:
    """Failures of the journal, as ``JournalSource`` has them.

    Those that were caused on purpose are among them with ``injected``, and while the lease of a
    drill is in force or was within the last ``AFTER_S`` seconds.
    """

    def __init__(
        self,
        database: StateDatabase,
        settings: AlertSettings,
        clock: Clock,
        *,
        injected: bool = False,
    ) -> None:
        """Read from ``database``; nothing is opened before the first read."""
        self._every = JournalSource(database, settings, clock, injected=True)
        self._genuine = JournalSource(database, settings, clock)
        self._leases = LeaseStore(database, clock)
        self._injected = injected
        self._source = self._genuine

    def read(self, limit: int) -> list[Alert]:
        """Return what up to ``limit`` failures come to, the first one first.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        drill = self._injected or self._leases.drill_within(AFTER_S)
        self._source = self._every if drill else self._genuine
        return self._source.read(limit)

    def taken(self) -> None:
        """Go on behind what was read last.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        self._source.taken()
