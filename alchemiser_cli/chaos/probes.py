"""Probes of experiments: functions that look and change nothing, called by name in a file."""

from sqlalchemy import func, select

from alchemiser_cli.chaos.experiments.ground import current_ground
from alchemiser_cli.health.status import health_status
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.state import delivery, error_occurrence
from alchemiser_cli.trading.control import desk_status

__all__ = ["drawdown", "health_is", "journalled", "lag", "told", "work_is_steady"]


_FROM_PEAK = "daily_loss_from_peak"


def work_is_steady() -> bool:
    """Tell whether the workload is in its steady state now."""
    workload = current_ground().workload
    return workload is not None and workload.steady().steady


def journalled(code: str | None = None) -> int:
    """Return how many failures of ``code``, or of any, the journal took since the start."""
    ground = current_ground()
    if ground.journal is not None:
        ground.journal.flush()
    one = error_occurrence.c
    # A skewed clock may date a failure before the start; the laboratory's journal is its own.
    since_ns = 0 if ground.journal is not None else ground.began_ns
    query = select(func.coalesce(func.sum(one["count"]), 0)).where(one.at_ns >= since_ns)
    if code is not None:
        query = query.where(one.code == code)
    with ground.database.begin() as connection:
        return int(connection.execute(query).scalar_one())


def told(code: str) -> int:
    """Return how many messages about ``code`` reached somebody since the start."""
    ground = current_ground()
    one = delivery.c
    query = select(func.count()).where(one.code == code, one.state == "sent")
    if ground.journal is None:
        query = query.where(one.queued_ns >= ground.began_ns)
    with ground.database.begin() as connection:
        return int(connection.execute(query).scalar_one())


def health_is(status: str) -> bool:
    """Tell whether ``alchemiser health`` would say ``status``: healthy, degraded or critical."""
    ground = current_ground()
    surroundings = Surroundings(ground.resolved, ground.clock, ground.database)
    return health_status(surroundings).status == status


def lag() -> int:
    """Return how many pieces of the work wait; on a real home, messages of the ticks' topic.

    Raises:
        RuntimeError: if no Kafka of the home is served.
        StreamingError: ``broker-unreachable``, ``topic-missing`` or ``consumer-group-unreadable``.
    """
    ground = current_ground()
    if ground.workload is not None:
        work = ground.workload.work()
        return max(0, work.offered - work.done - work.set_aside)
    from alchemiser_cli.streaming import consumer_group_lag, find_served, require_topic

    settings, bootstrap = ground.resolved.settings, ground.resolved.settings.kafka.bootstrap
    if settings.kafka.mode == "embedded":
        served = find_served(settings.run_folder)
        if served is None:
            raise RuntimeError("nobody serves this home's Kafka, so nobody knows what waits there")
        bootstrap = served.bootstrap
    topic = settings.topics.ticks
    partitions = require_topic(settings.kafka, bootstrap, topic)
    return consumer_group_lag(settings.kafka, settings.consumer, bootstrap, topic, partitions)


def drawdown() -> float:
    """Return the largest drawdown of the workload or of the running desks, as a share of equity."""
    told_by_workload = getattr(current_ground().workload, "drawdown", None)
    if told_by_workload is not None:
        return float(told_by_workload())
    folder = current_ground().resolved.settings.run_folder
    shares = [0.0]
    for file in (folder / "trading").glob("*.json"):
        status, running = desk_status(folder, file.stem)
        if status is not None and running:
            shares += [one.value for one in status.limits if one.name == _FROM_PEAK and one.value]
    return max(shares)
