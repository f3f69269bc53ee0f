"""What a courier did, as metrics."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import RANKS
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.state import StateDatabase, delivery, incident
from alchemiser_cli.telemetry import Telemetry
from alchemiser_cli.telemetry import names as metrics

__all__ = ["count_held", "count_open", "count_sent", "first_delays_s"]


def count_sent(
    telemetry: Telemetry, settled: Sequence[Delivery], delays_s: Sequence[float]
) -> None:
    """Count what channels took and what was given up, and how long people waited."""
    for one in settled:
        if one.state == "sent":
            telemetry.counter(metrics.NOTIFICATIONS_SENT, channel=one.channel, kind=one.kind).inc()
        elif one.state == "failed":
            telemetry.counter(metrics.NOTIFICATIONS_FAILED, channel=one.channel).inc()
    for delay_s in delays_s:
        telemetry.histogram(metrics.NOTIFICATION_DELAY_SECONDS).observe(delay_s)


def count_held(telemetry: Telemetry, database: StateDatabase, queued_ns: int) -> None:
    """Count what a limit or a silence held back in the pass of ``queued_ns``.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    query = (
        select(delivery.c.channel, func.count())
        .where(delivery.c.state == "held", delivery.c.queued_ns == queued_ns)
        .group_by(delivery.c.channel)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    for channel, count in rows:
        telemetry.counter(metrics.NOTIFICATIONS_HELD, channel=channel).inc(count)


def count_open(telemetry: Telemetry, severities: Sequence[str]) -> None:
    """Show how many incidents are open, given the severity of each."""
    counts = Counter(severities)
    for level in RANKS:
        telemetry.gauge(metrics.INCIDENTS_OPEN, severity=level).set(counts[level])


def first_delays_s(database: StateDatabase, settled: Sequence[Delivery]) -> list[float]:
    """Return the seconds from begin to first success of each incident first told by ``settled``.

    A message that tells of several incidents counts for the one that it was queued for.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    ours = {
        one.incident: one.sent_ns
        for one in reversed(settled)
        if one.state == "sent" and one.kind in ("alert", "escalation") and one.incident is not None
    }
    if not ours:
        return []
    first = func.min(delivery.c.sent_ns)
    query = (
        select(incident.c.id, incident.c.opened_ns, first)
        .join(delivery, delivery.c.incident == incident.c.id)
        .where(incident.c.id.in_(ours), delivery.c.state == "sent")
        .group_by(incident.c.id, incident.c.opened_ns)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return [
        max(0, first_ns - opened_ns) / NS_PER_SECOND
        for identity, opened_ns, first_ns in rows
        if first_ns == ours[identity]
    ]
