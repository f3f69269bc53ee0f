"""Whose turn it is to read the sources: one courier at a time, so that nothing is counted twice."""

import uuid

from sqlalchemy import or_, update

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.state import StateDatabase, alert_cursor
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["Turn"]

LEASE_S = 30  # after this, the turn of a courier that died goes to another

_row = alert_cursor.c


class Turn:
    """A lease in the state database, which ends by itself where its holder dies."""

    def __init__(self, database: StateDatabase, name: str) -> None:
        """Prepare to ask for the turn ``name``."""
        self._database = database
        self._name = name
        self._me = uuid.uuid4().hex

    def take(self, now_ns: int) -> bool:
        """Take or lengthen the turn; False while another has it.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        until_ns = now_ns + LEASE_S * NS_PER_SECOND
        mine = {"position": self._me, "at_ns": until_ns}
        # One that ends later than any turn may was taken while the clock was wrong.
        over = or_(_row.at_ns <= now_ns, _row.at_ns > until_ns)
        free = update(alert_cursor).where(
            _row.source == self._name, or_(over, _row.position == self._me)
        )
        with self._database.begin() as connection:
            if connection.execute(free.values(**mine)).rowcount:
                return True
            return insert_if_absent(connection, alert_cursor, {"source": self._name, **mine})

    def give_back(self, now_ns: int) -> None:
        """End the turn, if it is still this one's.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        held = update(alert_cursor).where(_row.source == self._name, _row.position == self._me)
        with self._database.begin() as connection:
            connection.execute(held.values(at_ns=now_ns))
