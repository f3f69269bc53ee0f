"""What follows what: an episode of one error within some minutes after one of another."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import duration_text
from alchemiser_cli.errors.patterns.alignment import meeting_p, moves
from alchemiser_cli.errors.patterns.history import DAY_S, History, Subject
from alchemiser_cli.errors.patterns.tested import LEAST_LIFT, LEAST_SUPPORT, Tested, times_text

__all__ = ["WINDOW_S", "sequence_tests"]

WINDOW_S = 600
LEAST_CONFIDENCE = 0.1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def sequence_tests(
    history: History, pairs: Sequence[tuple[Subject, Subject]], *, window_s: int, seed: int
) -> Iterator[Tested]:
    """Test each pair: does the second follow the first within ``window_s`` more than by chance?

    The support is the number of episodes of the first after whose start an episode of the second
    starts within the window; the confidence is its share of all episodes of the first, the lift
    the support over what ``alignment`` lets one expect. Two that start at the very same moment do
    not follow each other. A pair with too little support, or with less than twice that of an even
    spread, is a test as well: it counts with p = 1.
    """
    by = moves(history.days, DAY_S, window_s, seed)
    covered = {one: _covered_s(one.starts_s, window_s) for one in {then for _, then in pairs}}
    for first, then in pairs:
        starts = first.starts_s - history.origin_s
        followers = then.starts_s - history.origin_s
        after = _waits(starts, followers, window_s, history.span_s)
        waits = after[np.isfinite(after)]
        support, of = len(waits), len(starts)
        p_value, expected = 1.0, of * covered[then] / history.span_s
        if support >= max(LEAST_SUPPORT, LEAST_LIFT * expected):
            following = _Following(starts, followers, history, window_s)
            p_value, expected = meeting_p(support, by, following)
        lift, confidence = support / expected, support / of
        enough = lift >= LEAST_LIFT and confidence >= LEAST_CONFIDENCE
        yield Tested(
            kind="sequence",
            test="what follows",
            code=first.code,
            component=first.component,
            other=then.code,
            other_component=then.component,
            support=support,
            of=of,
            effect=lift,
            effect_name="lift",
            p_value=p_value,
            enough=enough and support >= LEAST_SUPPORT,
            sentence=_sentence(first, then, waits, of, lift, window_s) if enough else "",
        )


class _Following:
    """Counts the episodes that are followed, after the first series has been moved."""

    def __init__(self, starts: Floats, followers: Floats, history: History, window_s: int) -> None:
        self._starts, self._followers = starts, followers
        self._window_s, self._span_s = window_s, history.span_s

    def __call__(self, shifts: Ints) -> Ints:
        moved = (self._starts + shifts[:, None]) % self._span_s
        waits = _waits(moved.ravel(), self._followers, self._window_s, self._span_s)
        counts: Ints = np.isfinite(waits).reshape(moved.shape).sum(axis=1)
        return counts


def _covered_s(followers: Floats, window_s: int) -> float:
    """Return for how many seconds a follower is less than the window away."""
    return float(np.minimum(np.diff(followers, append=np.inf), window_s).sum())


def _waits(starts: Floats, followers: Floats, window_s: int, span_s: int) -> Floats:
    """Return the seconds from each start to the next follower, infinite beyond the window."""
    around = np.concatenate((followers, followers[:1] + span_s, [np.inf]))
    waits = around[np.searchsorted(followers, starts, side="right")] - starts
    return np.where(waits <= window_s, waits, np.inf)


def _sentence(
    first: Subject, then: Subject, waits: Floats, of: int, lift: float, window_s: int
) -> str:
    return (
        f"{then.name} follows {first.name} within {duration_text(window_s)}: after {len(waits)} of "
        f"{of} episodes, {times_text(lift)} times as often as by chance, "
        f"mostly after {duration_text(float(np.median(waits)))}."
    )
