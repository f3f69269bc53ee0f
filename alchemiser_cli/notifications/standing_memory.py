"""What stands and was reported, kept for the courier that comes next."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import select, update

from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.state import StateDatabase, alert_cursor
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["StandingMemory"]

_row = alert_cursor.c


class StandingMemory:
    """What a source reported and is not gone yet, in the state database: for whoever comes next.

    A cron job is a new process each minute, and must know what the last one reported to say that
    it is over.
    """

    def __init__(self, database: StateDatabase, name: str) -> None:
        """Keep it under ``name``, which couriers that look at the same thing share."""
        self._database = database
        self._name = name

    def load(self) -> dict[str, Alert]:
        """Return the alerts by fingerprint; none where they cannot be read.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        query = select(_row.position).where(_row.source == self._name)
        with self._database.begin() as connection:
            position = connection.execute(query).scalar_one_or_none()
        try:
            told = msgspec.json.decode(position or "[]", type=list[Alert])
        except msgspec.MsgspecError:
            return {}
        return {alert.fingerprint: alert for alert in told}

    def keep(self, told: Mapping[str, Alert], now_ns: int) -> None:
        """Replace what is kept.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        position = msgspec.json.encode(list(told.values())).decode()
        values = {"position": position, "at_ns": now_ns}
        moved = update(alert_cursor).where(_row.source == self._name).values(**values)
        with self._database.begin() as connection:
            if not connection.execute(moved).rowcount:
                insert_if_absent(connection, alert_cursor, {"source": self._name, **values})
