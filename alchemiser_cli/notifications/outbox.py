"""The outbox: an alert is stored before anybody knows whom it is for."""

from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore

__all__ = ["Outbox"]


class Outbox:
    """Where an alert goes that somebody raises; no channel, policy or courier needs to be there.

    A failure needs none: it goes into the journal, which costs its caller some microseconds, and a
    courier reads it there. This is for what is no failure, and waits for the database.
    """

    def __init__(self, store: IncidentStore) -> None:
        """Keep the store; nothing is opened yet."""
        self._store = store

    def raise_alert(self, alert: Alert) -> str:
        """Store an alert and return its incident's id; it is in the database then.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        return self._store.take(alert)
