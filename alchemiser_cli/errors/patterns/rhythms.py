"""When an error comes: at an hour of the day, on a day of the week, around the market's hours.

Times are UTC. A test must reject both of these nulls; the larger p-value holds.

1. *Evenly spread.* Either of two tests may reject it, and the smaller p-value counts twice.
   Rayleigh's test (Fisher, "Statistical Analysis of Circular Data", 1993) sees one broad swing.
   The other looks at windows: that with the most surplus is held against an even spread
   (binomial), and its p-value is multiplied by the number of windows. Around the market's hours
   there is only the second.
2. *The system was not merely on then.* What runs only in trading hours has all its errors then.
   So the window must also stand out among the other errors' episodes (Fisher's exact test, times
   the number of windows). With fewer than twenty of these there is nothing to compare with, and
   this null is left out.

A bad day must not count as many. For the hour, the days are steps on the circle and only their
directions are random: the effective number of steps goes into Rayleigh's p-value, and where that
is small, a permutation test that turns each day by a random angle must agree as far as its number
of turns reaches; an hour of one day counts once in a window. For the day of the week, counts are
divided by their overdispersion, the variance over the mean of the days of one name. Around the
market's hours, each opening or close counts once.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.patterns.history import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    History,
    Sessions,
    Subject,
)
from alchemiser_cli.errors.patterns.tails import binomial_tail, fisher_tail, rayleigh_p
from alchemiser_cli.errors.patterns.tested import LEAST_LIFT, LEAST_SUPPORT, Tested, times_text

__all__ = ["rhythm_tests"]

HOURS_WIDE = (1, 2, 4)
LEAST_WEEKS = 2
TURNED_BELOW = 0.05
TURNS = 999
LEAST_OTHERS = 20
AROUND_MIN = ((-60, -30), (-30, 0), (0, 30), (30, 60))
SLOT_S = 1_800
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def rhythm_tests(
    history: History, wanted: Sequence[int], sessions: Sessions, *, seed: int
) -> Iterator[Tested]:
    """Test the subjects numbered ``wanted``; all others are what they are compared with."""
    yield from _hours(history, wanted, seed)
    yield from _weekdays(history, wanted)
    for event, moments in (("opens", sessions.opens_s), ("closes", sessions.closes_s)):
        inside = moments[
            (moments >= history.origin_s) & (moments < history.origin_s + history.span_s)
        ]
        if len(inside) >= LEAST_SUPPORT:
            yield from _around(history, wanted, event, inside)


def _hours(history: History, wanted: Sequence[int], seed: int) -> Iterator[Tested]:
    counts = np.array([_hour_counts(one) for one in history.subjects])
    others = counts.sum(axis=0) - counts
    windows = 24 * len(HOURS_WIDE)
    for at in wanted:
        subject, whole = history.subjects[at], int(counts[at].sum())
        found = []
        for wide in HOURS_WIDE:
            sums = _circular_sums(counts[at], wide)
            first = int(sums.argmax())
            inside = int(sums[first])
            found.append((binomial_tail(inside, whole - inside, wide / 24), first, wide, inside))
        window_p, first, wide, inside = min(found)
        even_p = _either(window_p * windows, _turned_p(subject.starts_s, seed + at))
        beside = int(_circular_sums(others[at], wide)[first])
        other_p, ratio = _stands_out(
            (inside, whole), (beside, int(others[at].sum())), wide / 24, windows
        )
        within = (subject.starts_s // HOUR_S - first) % 24 < wide
        yield _tested(
            subject,
            "hour of the day",
            max(even_p, other_p),
            ratio,
            support=int(np.count_nonzero(within)),
            days=len(np.unique(subject.starts_s[within] // DAY_S)),
            when=f"between {first:02d}:00 and {(first + wide) % 24:02d}:00 UTC",
        )


def _hour_counts(subject: Subject) -> Ints:
    hours = np.unique((subject.starts_s // HOUR_S).astype(np.int64))
    return np.bincount(hours % 24, minlength=24)


def _weekdays(history: History, wanted: Sequence[int]) -> Iterator[Tested]:
    names = _weekday(np.arange(history.days) + history.first_day)
    calendar = np.bincount(names, minlength=7)
    if calendar.min() < LEAST_WEEKS:
        return
    on = np.array([_day_counts(one, history) for one in history.subjects])
    # Of the others, each kind of error counts once a day.
    present = np.array([np.bincount(names[days > 0], minlength=7) for days in on])
    others = present.sum(axis=0) - present
    for at in wanted:
        counts = np.bincount(names, on[at], minlength=7).astype(np.int64)
        clumped = _overdispersion(on[at], names, counts / calendar)
        tails = [
            binomial_tail(
                counts[day] / clumped[day],
                (counts.sum() - counts[day]) / clumped[day],
                calendar[day] / history.days,
            )
            for day in range(7)
        ]
        best = int(np.argmin(tails))
        even_p = _either(tails[best] * 7, _weekly_rayleigh_p(counts, float(clumped[best])))
        whole = float(counts.sum() / clumped[best])
        inside = min(round(whole), round(float(counts[best] / clumped[best])))
        other_p, ratio = _stands_out(
            (inside, round(whole)),
            (int(others[at][best]), int(others[at].sum())),
            float(calendar[best] / history.days),
            7,
        )
        yield _tested(
            history.subjects[at],
            "day of the week",
            max(even_p, other_p),
            ratio,
            support=int(counts[best]),
            days=int(present[at][best]),
            when=f"on {WEEKDAYS[best]}",
        )


def _day_counts(subject: Subject, history: History) -> Ints:
    days = (subject.starts_s // DAY_S).astype(np.int64) - history.first_day
    return np.bincount(days, minlength=history.days)


def _overdispersion(on: Ints, names: Ints, means: Floats) -> Floats:
    """Return, for each day of the week, the larger of its own and the pooled overdispersion."""
    squares = (on - means[names]) ** 2 / np.where(means[names] > 0, means[names], 1)
    by_name = np.bincount(names, squares, minlength=7) / (np.bincount(names, minlength=7) - 1)
    return np.maximum(by_name, max(1.0, float(squares.sum()) / (len(on) - 7)))


def _weekly_rayleigh_p(counts: Ints, clumped: float) -> float:
    angles = np.exp(2j * math.pi * np.arange(7) / 7)
    whole = float(counts.sum())
    return rayleigh_p(whole / clumped, float(abs(counts @ angles)) / whole)


def _around(
    history: History, wanted: Sequence[int], event: str, moments: Floats
) -> Iterator[Tested]:
    """Test the half hours before and after each of ``moments``."""
    inside = np.zeros((len(history.subjects), len(AROUND_MIN)), np.int64)
    whole = np.zeros(len(history.subjects), np.int64)
    for at, subject in enumerate(history.subjects):
        whole[at] = len(np.unique(subject.starts_s // SLOT_S))
        for window, bounds in enumerate(AROUND_MIN):
            inside[at, window] = len(np.unique(_near(subject.starts_s, moments, bounds)))
    others, other_whole = inside.sum(axis=0) - inside, whole.sum() - whole
    chance = len(moments) * SLOT_S / history.span_s
    for at in wanted:
        tails = [binomial_tail(met, max(0, whole[at] - met), chance) for met in inside[at]]
        best = int(np.argmin(tails))
        met = int(inside[at, best])
        other_p, ratio = _stands_out(
            (met, max(met, int(whole[at]))),
            (int(others[at, best]), int(max(others[at, best], other_whole[at]))),
            chance,
            len(AROUND_MIN),
        )
        low, high = AROUND_MIN[best]
        near, far = sorted((abs(low), abs(high)))
        yield _tested(
            history.subjects[at],
            f"market {event}",
            min(1.0, max(tails[best] * len(AROUND_MIN), other_p)),
            ratio,
            support=len(_near(history.subjects[at].starts_s, moments, AROUND_MIN[best])),
            days=met,
            when=f"{near} to {far} minutes {'before' if low < 0 else 'after'} the market {event}",
        )


def _stands_out(
    own: tuple[int, int], others: tuple[int, int], chance: float, windows: int
) -> tuple[float, float]:
    """Compare with the other errors; return that p-value, and the smaller ratio of rates."""
    inside, whole = own
    beside, other_whole = others
    ratio = inside / chance / ((whole - inside + 0.5) / (1 - chance))
    if other_whole < LEAST_OTHERS:
        return 0.0, ratio
    among = fisher_tail(inside, whole - inside, beside, other_whole - beside)
    odds = inside / (whole - inside + 0.5) / ((beside + 0.5) / (other_whole - beside + 0.5))
    return min(1.0, among * windows), min(ratio, odds)


def _either(one: float, two: float) -> float:
    """Return the p-value of two tests of which either may reject (Bonferroni)."""
    return min(1.0, 2 * min(one, two))


def _turned_p(starts_s: Floats, seed: int) -> float:
    """Return Rayleigh's p-value over days, or that of turning each day where it is larger."""
    _, day = np.unique(starts_s // DAY_S, return_inverse=True)
    steps = np.exp(2j * math.pi * (starts_s % DAY_S) / DAY_S)
    by_day = np.bincount(day, steps.real) + 1j * np.bincount(day, steps.imag)
    lengths = np.abs(by_day)
    walked = float(lengths.sum())
    if not walked:
        return 1.0
    effective = walked**2 / float((lengths**2).sum())
    resultant = float(abs(by_day.sum()))
    by_formula = rayleigh_p(effective, resultant / walked)
    if by_formula >= TURNED_BELOW:
        return by_formula
    angles = np.random.default_rng(seed).uniform(0, 2 * math.pi, (TURNS, len(lengths)))
    turned = np.abs(np.exp(1j * angles) @ lengths)
    beyond = int(np.count_nonzero(turned >= resultant))
    return max(by_formula, (beyond + 1) / (TURNS + 1)) if beyond else by_formula


def _circular_sums(counts: Ints, wide: int) -> Ints:
    return sum((np.roll(counts, -shift) for shift in range(wide)), np.zeros_like(counts))


def _weekday(days: Ints) -> Ints:
    return (days + 3) % 7  # 1970-01-01 was a Thursday


def _near(starts_s: Floats, moments: Floats, bounds_min: tuple[int, int]) -> Ints:
    """Return, for each start that lies within the bounds of a moment, which moment that is."""
    low, high = (bound * MINUTE_S for bound in bounds_min)
    at = np.searchsorted(moments, starts_s - low, side="right") - 1
    within = (at >= 0) & (starts_s - moments[np.maximum(at, 0)] < high)
    return at[within]


def _tested(
    subject: Subject,
    test: str,
    p_value: float,
    ratio: float,
    *,
    support: int,
    days: int,
    when: str,
) -> Tested:
    of = len(subject.starts_s)
    often = "mostly" if 2 * support > of else "more often"
    return Tested(
        kind="time",
        test=test,
        code=subject.code,
        component=subject.component,
        other=None,
        other_component=None,
        support=support,
        of=of,
        effect=ratio,
        effect_name="rate ratio",
        p_value=p_value,
        enough=ratio >= LEAST_LIFT and days >= LEAST_SUPPORT,
        sentence=(
            f"{subject.name} comes {often} {when}: {support} of {of} episodes, "
            f"{times_text(ratio)} times as often as at other times."
            if support < of
            else f"{subject.name} comes only {when}: all of {of} episodes."
        ),
    )
