"""The metrics of the whole system, read from the state database at each scrape.

A cron command lives for seconds: a counter of its own would start at zero with every run, and
Prometheus would see no increase. The state database outlives the processes, so `health serve`
and the text file of node_exporter show what it knows. Long-running commands expose their own
process's metrics besides; the two are scraped as different jobs and never summed.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from sqlalchemy import func, select

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import DatabaseError, DiskFullError
from alchemiser_cli.state import StateDatabase, circuit_breaker, error_group
from alchemiser_cli.telemetry.names import (
    BREAKER_LEVELS,
    BREAKER_OPEN_SECONDS,
    BREAKER_OPENED,
    BREAKER_STATE,
    ERRORS,
    HEALTH_LEVELS,
    HEALTH_STATUS,
    RECOVERIES,
    STATE_UP,
    Metric,
)
from alchemiser_cli.telemetry.process import register_build_info

__all__ = ["SystemTelemetry"]

_REFUSING = ("open", "isolated")  # states whose running time the database does not count yet


class SystemTelemetry:
    """A registry whose numbers come from the state database when they are asked for.

    A database that does not answer costs its own metrics only: ``alchemiser_state_up`` is 0.
    """

    def __init__(self, database: StateDatabase, clock: Clock) -> None:
        """Open nothing; ``clock`` dates the running outage of an open breaker."""
        self._database = database
        self._clock = clock
        self._health: float | None = None
        self.registry = CollectorRegistry()
        register_build_info(self.registry)
        self.registry.register(self)

    def set_health(self, status: str) -> None:
        """Keep the last known health: ``healthy``, ``degraded`` or ``critical``."""
        self._health = HEALTH_LEVELS[status]

    def describe(self) -> Iterable[Family]:
        """Return the families without samples, so that a clash of names shows at once."""
        metrics = (
            *(ERRORS, RECOVERIES, BREAKER_STATE, BREAKER_OPENED, BREAKER_OPEN_SECONDS),
            *(HEALTH_STATUS, STATE_UP),
        )
        return [_family(metric) for metric in metrics]

    def collect(self) -> Iterable[Family]:
        """Return the families with what the database holds now."""
        up, health = _family(STATE_UP), _family(HEALTH_STATUS)
        if self._health is not None:
            health.add_metric([], self._health)
        try:
            found = [*self._failures(), *self._breakers()]
        except (DatabaseError, DiskFullError):
            found = []
        up.add_metric([], 1.0 if found else 0.0)
        return [up, health, *found]

    def _failures(self) -> list[Family]:
        errors, recoveries = _family(ERRORS), _family(RECOVERIES)
        group = error_group.c
        by_kind = (
            select(
                group.code,
                group.component,
                group.severity,
                func.sum(group.count - group.injected),
                func.sum(group.injected),
            )
            .group_by(group.code, group.component, group.severity)
            .order_by(group.code, group.component, group.severity)
        )
        by_code = (
            select(group.code, func.sum(group.recovered)).group_by(group.code).order_by(group.code)
        )
        with self._database.begin() as connection:
            for code, component, severity, genuine, injected in connection.execute(by_kind):
                errors.add_metric([code, component, severity, "false"], float(genuine))
                if injected:
                    errors.add_metric([code, component, severity, "true"], float(injected))
            for code, recovered in connection.execute(by_code):
                recoveries.add_metric([code, "recovered"], float(recovered))
        return [errors, recoveries]

    def _breakers(self) -> list[Family]:
        state, opened = _family(BREAKER_STATE), _family(BREAKER_OPENED)
        seconds = _family(BREAKER_OPEN_SECONDS)
        breaker = circuit_breaker.c
        rows = select(
            breaker.name,
            breaker.state,
            breaker.changed_at_ns,
            breaker.opened_count,
            breaker.open_total_ns,
        ).order_by(breaker.name)
        now_ns = self._clock.now_ns()
        with self._database.begin() as connection:
            for name, condition, changed_at_ns, count, total_ns in connection.execute(rows):
                running_ns = max(0, now_ns - changed_at_ns) if condition in _REFUSING else 0
                state.add_metric([name], BREAKER_LEVELS[condition])
                opened.add_metric([name], float(count))
                seconds.add_metric([name], (total_ns + running_ns) / NS_PER_SECOND)
        return [state, opened, seconds]


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
