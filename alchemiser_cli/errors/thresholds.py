"""When a number is worth an alert: a threshold that learns, and an alert that does not flap."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from sqlalchemy import delete, select

from alchemiser_cli.errors import DatabaseError, DiskFullError
from alchemiser_cli.state import StateDatabase, threshold_sample
from alchemiser_cli.state.statements import insert_if_absent

__all__ = ["RULES", "Rule", "ThresholdState", "Thresholds", "percentile_95"]

LEARN_AFTER = 10
HISTORY = 1_000

_LONGEST_NAME = 96  # of the table's column


@dataclass(frozen=True)
class Rule:
    """What a metric is held to.

    ``static`` is the threshold until ten samples exist. A learned one stays between ``floor``
    and ``ceiling``: a quiet history does not make every single failure an alert, and a long
    outage does not become normal. An alert is raised by ``raise_after`` samples in a row above
    the threshold and cleared by ``clear_after`` in a row below ``clear_ratio`` of it.
    """

    static: float
    floor: float
    ceiling: float = math.inf
    raise_after: int = 3
    clear_after: int = 5
    clear_ratio: float = 0.8


# A rule also holds for the metric's parts: `errors_per_min:paper-broker` follows `errors_per_min:`.
RULES: Mapping[str, Rule] = {
    "errors_per_min": Rule(static=10.0, floor=5.0, ceiling=100.0),
    "errors_per_min:": Rule(static=5.0, floor=2.0, ceiling=50.0),
    # Two criticals in five minutes are an alert at once, and nobody gets used to five of them.
    "criticals_5min": Rule(static=1.0, floor=1.0, ceiling=5.0, raise_after=1),
    "unrecovered_per_min": Rule(static=5.0, floor=2.0, ceiling=50.0),
}


class ThresholdState(msgspec.Struct, frozen=True):
    """A metric against its threshold; ``since_ns`` is when ``alerting`` last became what it is.

    ``samples`` is how many the threshold was learned from. ``stored`` is False where the
    database did not take the sample: it counts in this process alone.
    """

    metric: str
    value: float
    threshold: float
    kind: Literal["static", "learned"]
    alerting: bool
    since_ns: int
    samples: int
    injected: bool = False
    stored: bool = True


class Thresholds:
    """Holds metrics to their rules; what is learned is kept in the state database.

    Processes that share the database share the samples, so a cron job that looks once a minute
    learns, raises and clears as a long-running one does: it goes through the stored samples
    first, the newest thousand of them. For one thread.
    """

    def __init__(self, database: StateDatabase, rules: Mapping[str, Rule] = RULES) -> None:
        """Open nothing before the first evaluation."""
        self._database = database
        self._rules = rules
        self._gauges: dict[str, _Gauge] = {}

    def evaluate(
        self, metric: str, value: float, at_ns: int, *, injected: bool = False
    ) -> ThresholdState:
        """Hold ``value`` of ``metric`` at ``at_ns`` (UTC) to the threshold, then learn from it.

        An injected value raises and clears as any other, for a drill must show that the alert
        works, but nothing is learned from it. A database that does not answer is no failure of
        the evaluation. Of a clock that went back, the sample counts right after the newest.

        Raises:
            ValueError: for a metric without a rule, and for a value that is not finite.
        """
        if not math.isfinite(value):
            raise ValueError(f"the value of {metric} is {value}, which is no sample")
        gauge = self._gauges.get(metric)
        if gauge is None:
            gauge = self._gauges[metric] = _Gauge(_rule(self._rules, metric))
        try:
            for row in _rows_after(self._database, metric, gauge.newest_ns):
                gauge.take(*row)
            at_ns = max(at_ns, gauge.newest_ns + 1)
            _store(self._database, metric, value, at_ns, injected)
            stored = True
        except (DatabaseError, DiskFullError):
            at_ns = max(at_ns, gauge.newest_ns + 1)
            stored = False
        kind: Literal["static", "learned"] = "learned" if gauge.learned else "static"
        threshold, samples = gauge.threshold, len(gauge.ordered)
        gauge.take(at_ns, value, injected)
        return ThresholdState(
            metric,
            value,
            threshold,
            kind,
            gauge.alerting,
            gauge.since_ns,
            samples,
            injected,
            stored,
        )


def percentile_95(ordered: Sequence[float]) -> float:
    """Return the 95th percentile of values in rising order, of which there is at least one.

    Between two values it lies on the straight line from one to the other, at position
    ``0.95 (n - 1)``: method 7 of Hyndman and Fan (1996), which is NumPy's default ("linear").
    """
    position = 0.95 * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


@dataclass
class _Gauge:
    """One metric's history and alert, as its samples in order made them."""

    rule: Rule
    alerting: bool = False
    since_ns: int = 0
    newest_ns: int = -1
    ordered: list[float] = field(default_factory=list)  # genuine values, rising
    _arrived: deque[float] = field(default_factory=deque)  # the same, oldest first
    _streak: int = 0  # samples in a row that speak for the other state

    @property
    def learned(self) -> bool:
        return len(self.ordered) >= LEARN_AFTER

    @property
    def threshold(self) -> float:
        if not self.learned:
            return self.rule.static
        return min(max(percentile_95(self.ordered), self.rule.floor), self.rule.ceiling)

    def take(self, at_ns: int, value: float, injected: bool) -> None:
        """Move the alert by the threshold before this sample, then learn from the sample."""
        if self.newest_ns < 0:
            self.since_ns = at_ns
        self.newest_ns = at_ns
        self._move(at_ns, value)
        if injected:
            return
        insort(self.ordered, value)
        self._arrived.append(value)
        if len(self._arrived) > HISTORY:
            del self.ordered[bisect_left(self.ordered, self._arrived.popleft())]

    def _move(self, at_ns: int, value: float) -> None:
        rule, threshold = self.rule, self.threshold
        if self.alerting:
            speaks, needed = value < threshold * rule.clear_ratio, rule.clear_after
        else:
            speaks, needed = value > threshold, rule.raise_after
        self._streak = self._streak + 1 if speaks else 0
        if self._streak >= needed:
            self.alerting, self.since_ns, self._streak = not self.alerting, at_ns, 0


def _rule(rules: Mapping[str, Rule], metric: str) -> Rule:
    whole, colon, _ = metric.partition(":")
    rule = rules.get(metric) or rules.get(whole + colon)
    if rule is None or len(metric) > _LONGEST_NAME:
        raise ValueError(f"no threshold is set for a metric {metric!r}")
    return rule


def _rows_after(
    database: StateDatabase, metric: str, newest_ns: int
) -> list[tuple[int, float, bool]]:
    """Return the newest genuine and the newest injected samples after ``newest_ns``, in order."""
    sample = threshold_sample.c
    rows: list[tuple[int, float, bool]] = []
    with database.begin() as connection:
        for injected in (False, True):
            query = (
                select(sample.at_ns, sample.value, sample.injected)
                .where(
                    sample.metric == metric,
                    sample.at_ns > newest_ns,
                    sample.injected.is_(injected),
                )
                .order_by(sample.at_ns.desc())
                .limit(HISTORY)
            )
            rows += [tuple(row) for row in connection.execute(query)]
    return sorted(rows)


def _store(database: StateDatabase, metric: str, value: float, at_ns: int, injected: bool) -> None:
    """Add the sample, and drop what is older than the newest thousand of its kind."""
    sample = threshold_sample.c
    row = {"metric": metric, "at_ns": at_ns, "value": value, "injected": injected}
    same = (sample.metric == metric) & sample.injected.is_(injected)
    oldest_kept = (
        select(sample.at_ns).where(same).order_by(sample.at_ns.desc()).offset(HISTORY).limit(1)
    )
    with database.begin() as connection:
        # Another process may have looked in the same nanosecond; one of the two is enough.
        insert_if_absent(connection, threshold_sample, row)
        too_old = connection.execute(oldest_kept).scalar()
        if too_old is not None:
            connection.execute(delete(threshold_sample).where(same, sample.at_ns <= too_old))
