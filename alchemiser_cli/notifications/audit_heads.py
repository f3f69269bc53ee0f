"""Once a day the heads of the audit trails go to people: a copy that nobody here can change.

Who rewrites a trail and its anchor cannot rewrite what stands in somebody's mailbox.
"""

import uuid
from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.notifications.html_body import Row, document
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.settings import NotificationChannel
from alchemiser_cli.state import StateDatabase, alert_cursor, audit_anchor
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["queue_audit_heads"]

_SOURCE = "audit-heads"
_FOOTER = "Sent by alchemiser once a day. Times are UTC."


def queue_audit_heads(
    database: StateDatabase,
    ledger: Ledger,
    channels: Mapping[str, NotificationChannel],
    clock: Clock,
) -> int:
    """Queue the heads for each enabled channel that takes ``low``; returns how many messages.

    It does so once a UTC day, whoever asks, and only where a trail has a head.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    names = [
        name
        for name, one in channels.items()
        if one.enabled and one.url is not None and "low" in one.severities
    ]
    if not names:
        return 0
    now_ns = clock.now_ns()
    with database.begin() as connection:
        if _last_day(connection) == _day(now_ns):
            return 0
    with ledger.exclusive() as connection:
        if _last_day(connection) == _day(now_ns):
            return 0
        _remember(connection, now_ns)
        heads = connection.execute(select(audit_anchor).order_by(audit_anchor.c.trail)).all()
        if not heads:
            return 0
        rows = [
            Row(head.trail, f"line {head.sequence:,} of {_moment(head.at_ns)}: {head.hash}")
            for head in heads
        ]
        rows.append(Row("Compare", "alchemiser audit verify", command=True))
        ledger.queue([_message(name, rows, now_ns) for name in names], connection)
    return len(names)


def _message(channel: str, rows: list[Row], now_ns: int) -> Delivery:
    trails = len(rows) - 1
    subject = f"[AUDIT] {_day(now_ns)}: heads of {trails} audit trail{'s' if trails > 1 else ''}"
    notes = ["Keep this message: a trail that was rewritten later does not have these lines."]
    lines = [subject, "", *notes, "", *(f"{row.name}: {row.value}" for row in rows), "", _FOOTER]
    return Delivery(
        id=uuid.uuid4().hex,
        incident=None,
        channel=channel,
        kind="digest",
        severity="low",
        code="audit-heads",
        subject=subject,
        text="\n".join(lines) + "\n",
        html=document(subject, "low", notes, [rows], _FOOTER),
        queued_ns=now_ns,
        due_ns=now_ns,
    )


def _last_day(connection: Connection) -> str | None:
    query = select(alert_cursor.c.position).where(alert_cursor.c.source == _SOURCE)
    return connection.execute(query).scalar_one_or_none()


def _remember(connection: Connection, now_ns: int) -> None:
    values = {"position": _day(now_ns), "at_ns": now_ns}
    known = update(alert_cursor).where(alert_cursor.c.source == _SOURCE).values(**values)
    if not connection.execute(known).rowcount:
        insert_if_absent(connection, alert_cursor, {"source": _SOURCE, **values})


def _day(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:10]


def _moment(at_ns: int) -> str:
    return f"{iso_from_ns(at_ns)[:19].replace('T', ' ')}"
