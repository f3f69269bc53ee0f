"""The heads of trails, kept in the state database, where who edits a trail does not reach."""

from sqlalchemy import Row, delete, or_, select, update

from alchemiser_cli.state import StateDatabase, audit_anchor
from alchemiser_cli.state.statements import insert_if_absent
from alchemiser_cli.trading.audit.chain import AuditHead

__all__ = ["AnchorStore"]


class AnchorStore:
    """One head a trail: the newest that was ever saved."""

    def __init__(self, database: StateDatabase) -> None:
        """Keep the database; it is opened by the first call."""
        self._database = database

    def save(self, head: AuditHead) -> bool:
        """Anchor ``head``, unless a later one, or another one of its number, is anchored already.

        What stays then proves that the trail was cut or rewritten: False is returned.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        table = audit_anchor.c
        values = {"sequence": head.sequence, "hash": head.hash, "at_ns": head.at_ns}
        newer = update(audit_anchor).where(
            table.trail == head.trail,
            or_(
                table.sequence < head.sequence,
                (table.sequence == head.sequence) & (table.hash == head.hash),
            ),
        )
        with self._database.begin() as connection:
            if connection.execute(newer.values(**values)).rowcount:
                return True
            return insert_if_absent(connection, audit_anchor, {"trail": head.trail, **values})

    def load(self, trail: str) -> AuditHead | None:
        """Return the anchored head of a trail, or None.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        found = select(audit_anchor).where(audit_anchor.c.trail == trail)
        with self._database.begin() as connection:
            row = connection.execute(found).one_or_none()
        return None if row is None else _head(row)

    def all(self) -> list[AuditHead]:
        """Return every anchored head, by the name of its trail.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        ordered = select(audit_anchor).order_by(audit_anchor.c.trail)
        with self._database.begin() as connection:
            return [_head(row) for row in connection.execute(ordered)]

    def forget(self, trail: str) -> None:
        """Remove a trail's anchor, after its loss was looked into.

        Raises:
            DatabaseError: as ``StateDatabase.begin``.
        """
        with self._database.begin() as connection:
            connection.execute(delete(audit_anchor).where(audit_anchor.c.trail == trail))


def _head(row: Row[tuple[str, int, str, int]]) -> AuditHead:
    return AuditHead(row.trail, row.sequence, row.hash, row.at_ns)
