"""What moves together: errors that share their hours, and errors with the value of a metric.

Errors: the hours in which each occurred, a long outage being many hours of one episode; how many
both share is held against moved copies (``alignment``), and reported with phi, the correlation of
two presences.

Metrics: samples are averaged over five minutes; the mean rank at the starts of episodes is held
against that of every circular move of the metric, which keeps its autocorrelation. Thresholds
whose metric counts errors itself are left out: it moves with errors by its definition.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.patterns.alignment import meeting_p, moves
from alchemiser_cli.errors.patterns.history import HOUR_S, History, MetricSeries, Subject
from alchemiser_cli.errors.patterns.tails import normal_tail
from alchemiser_cli.errors.patterns.tested import LEAST_LIFT, LEAST_SUPPORT, Tested, times_text

__all__ = ["metric_tests", "together_tests"]

BIN_S = 300
LEAST_BINS = 50
LEAST_RANK_EFFECT = 0.3
LEAST_PHI = 0.1
COUNTS_ERRORS = ("errors_per_min", "criticals_5min", "unrecovered_per_min")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def together_tests(
    history: History, pairs: Sequence[tuple[Subject, Subject]], *, seed: int
) -> Iterator[Tested]:
    """Test each pair: do both share more hours than their alignment by chance explains?

    A pair with too little in common, or less than twice that of an even spread, is a test as well:
    it counts with p = 1.
    """
    span = history.span_s // HOUR_S
    origin = history.origin_s // HOUR_S
    by = moves(history.days, 24, 1, seed)
    for one, two in pairs:
        hours = one.hours - origin
        present = np.zeros(span, np.bool_)
        present[two.hours - origin] = True
        support, of = int(present[hours].sum()), min(len(one.hours), len(two.hours))
        p_value, expected = 1.0, len(one.hours) * len(two.hours) / span
        if support >= max(LEAST_SUPPORT, LEAST_LIFT * expected):
            p_value, expected = meeting_p(support, by, _Shared(hours, present))
        lift = support / expected
        phi = _phi(support, len(one.hours), len(two.hours), span)
        enough = support >= LEAST_SUPPORT and lift >= LEAST_LIFT and phi >= LEAST_PHI
        yield Tested(
            kind="correlation",
            test="same hours",
            code=one.code,
            component=one.component,
            other=two.code,
            other_component=two.component,
            support=support,
            of=of,
            effect=phi,
            effect_name="phi",
            p_value=p_value,
            enough=enough,
            sentence=(
                f"{one.name} and {two.name} come together: of {len(one.hours)} and "
                f"{len(two.hours)} hours they share {support}, "
                f"{times_text(lift)} times as many as by chance."
            ),
        )


def metric_tests(history: History, subjects: Sequence[Subject]) -> Iterator[Tested]:
    """Test each metric with each subject: is it higher or lower when an episode begins?"""
    for name, series in history.metrics.items():
        if name.partition(":")[0] in COUNTS_ERRORS:
            continue
        ranks, first_bin = _ranks(series)
        known = np.isfinite(ranks)
        if np.count_nonzero(known) < LEAST_BINS:
            continue
        for subject in subjects:
            at = np.unique(subject.starts_s // BIN_S).astype(np.int64) - first_bin
            at = at[(at >= 0) & (at < len(ranks))]
            at = at[known[at]]
            yield _with_metric(subject, name, ranks, at)


class _Shared:
    """Counts the hours that two errors share, after the first has been moved."""

    def __init__(self, hours: Ints, present: NDArray[np.bool_]) -> None:
        self._hours, self._present = hours, present

    def __call__(self, shifts: Ints) -> Ints:
        moved = (self._hours + shifts[:, None]) % len(self._present)
        counts: Ints = self._present[moved].sum(axis=1)
        return counts


def _phi(both: int, one: int, two: int, whole: int) -> float:
    """Return the correlation of two presences, from their counts."""
    spread = math.sqrt(float(one * (whole - one)) * float(two * (whole - two)))
    return (whole * both - one * two) / spread if spread else 0.0


def _ranks(series: MetricSeries) -> tuple[Floats, int]:
    """Return the ranks (-1 to 1) of the means over five minutes, NaN without a sample."""
    bins = (series.at_s // BIN_S).astype(np.int64)
    first = int(bins[0])
    counts = np.bincount(bins - first)
    sums = np.bincount(bins - first, series.values)
    known = counts > 0
    means = sums[known] / counts[known]
    ordered = np.sort(means)
    middle = (np.searchsorted(ordered, means) + np.searchsorted(ordered, means, "right")) / 2
    ranks = np.full(len(counts), np.nan)
    ranks[known] = 2 * middle / len(means) - 1
    return ranks, first


def _with_metric(subject: Subject, name: str, ranks: Floats, at: Ints) -> Tested:
    support = len(at)
    effect, p_value = 0.0, 1.0
    if support >= LEAST_SUPPORT:
        effect = float(ranks[at].mean())
        p_value = _moved_p(ranks, at, effect)
    level = "higher" if effect > 0 else "lower"
    return Tested(
        kind="correlation",
        test="with a metric",
        code=subject.code,
        component=subject.component,
        other=name,
        other_component=None,
        support=support,
        of=len(subject.starts_s),
        effect=effect,
        effect_name="mean rank",
        p_value=p_value,
        enough=support >= LEAST_SUPPORT and abs(effect) >= LEAST_RANK_EFFECT,
        sentence=(
            f"{name} is {level} when {subject.name} begins: at {support} episodes it lies on "
            f"average above {50 * (1 + effect):.0f} % of its values."
        ),
    )


def _moved_p(ranks: Floats, at: Ints, effect: float) -> float:
    """Return the two-sided p-value of the mean rank among all circular moves of the metric.

    Where fewer than ten moves reach it, the normal tail of their distribution stands for a count
    that small numbers do not resolve, as in Knijnenburg et al., Bioinformatics 25 (2009).
    """
    filled = np.nan_to_num(ranks)
    moved = np.array([filled[(at + shift) % len(filled)].mean() for shift in range(1, len(filled))])
    beyond = int(np.count_nonzero(np.abs(moved) >= abs(effect)))
    if beyond >= 10:
        return (beyond + 1) / (len(moved) + 1)
    spread = float(moved.std())
    return normal_tail((effect - float(moved.mean())) / spread) if spread else 1.0
