"""The search: every test of every kind, and what of it stands after the correction for many."""

from collections.abc import Collection, Iterator
from itertools import combinations, permutations
from typing import Any

import msgspec
import numpy as np

from alchemiser_cli.errors.patterns.comovement import metric_tests, together_tests
from alchemiser_cli.errors.patterns.history import History, Sessions, Subject
from alchemiser_cli.errors.patterns.rhythms import rhythm_tests
from alchemiser_cli.errors.patterns.sequences import WINDOW_S, sequence_tests
from alchemiser_cli.errors.patterns.tails import benjamini_hochberg
from alchemiser_cli.errors.patterns.tested import LEAST_SUPPORT, PatternKind, Tested

__all__ = ["LEVEL", "MOST_SUBJECTS", "Pattern", "PatternReport", "find_patterns"]

LEVEL = 0.05
MOST_SUBJECTS = 60
CLOCK_TESTS = ("hour of the day", "market opens", "market closes")
KINDS: tuple[PatternKind, ...] = ("time", "sequence", "correlation")


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A regularity that stands: ``support`` of ``of`` cases, and ``sentence`` says it.

    ``other`` is the code that follows or moves along, or a metric. ``effect`` is what
    ``effect_name`` says: the rate ratio, the lift, phi or the mean rank (-1 to 1).
    ``q_value`` is the p-value after the correction for every test of the run.
    """

    kind: PatternKind
    test: str
    code: str
    component: str
    other: str | None
    other_component: str | None
    support: int
    of: int
    effect: float
    effect_name: str
    p_value: float
    q_value: float
    sentence: str


class PatternReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to, also where nothing stands; days are counted since 1970, UTC.

    ``passed`` counts what stands, of which ``patterns`` leaves out what another pattern says
    better: hours that two errors share where one follows the other, and the weaker of an hour of
    the day and the market's hours.

    ``rare`` errors have fewer than five episodes, and ``left_out`` ones are beyond the sixty with
    the most: neither are tested.
    """

    first_day: int
    days: int
    level: float
    errors: int
    episodes: int
    tested: int
    rare: int
    left_out: int
    tests: dict[PatternKind, int]
    passed: int
    patterns: list[Pattern]


def find_patterns(
    history: History,
    sessions: Sessions | None = None,
    *,
    kinds: Collection[PatternKind] = KINDS,
    code: str | None = None,
    level: float = LEVEL,
    window_s: int = WINDOW_S,
    seed: int = 0,
) -> PatternReport:
    """Return the patterns whose q-value is below ``level``, the surest first.

    Args:
        history: The errors, thinned to episodes.
        sessions: When the market opened and closed; None leaves these tests out.
        kinds: Which tests are made.
        code: Only tests that have to do with this code.
        level: The share of false ones among those shown that is accepted
            (Benjamini and Hochberg, 1995), over all tests of the run.
        window_s: How soon one error must follow another, in seconds.
        seed: Seed of what is drawn: the same history gives the same answer.

    A pattern also needs five cases, on five days where it is a time, and twice the rate that
    chance would give.
    """
    frequent = [at for at, one in enumerate(history.subjects) if len(one.starts_s) >= LEAST_SUPPORT]
    by_episodes = sorted(frequent, key=lambda at: (-len(history.subjects[at].starts_s), at))
    chosen = sorted(by_episodes[:MOST_SUBJECTS])
    made = list(_tests(history, chosen, sessions or Sessions(), kinds, code, window_s, seed))
    q_values = benjamini_hochberg(np.array([one.p_value for one in made]))
    found = [
        Pattern(**_facts(one), q_value=float(q))
        for one, q in zip(made, q_values, strict=True)
        if one.enough and q < level
    ]
    return PatternReport(
        first_day=history.first_day,
        days=history.days,
        level=level,
        errors=sum(one.errors for one in history.subjects),
        episodes=sum(len(one.starts_s) for one in history.subjects),
        tested=len(chosen),
        rare=len(history.subjects) - len(frequent),
        left_out=len(frequent) - len(chosen),
        tests={kind: sum(one.kind == kind for one in made) for kind in KINDS},
        passed=len(found),
        patterns=sorted(
            _told_once(found), key=lambda one: (one.q_value, one.p_value, one.sentence)
        ),
    )


def _tests(
    history: History,
    chosen: list[int],
    sessions: Sessions,
    kinds: Collection[PatternKind],
    code: str | None,
    window_s: int,
    seed: int,
) -> Iterator[Tested]:
    subjects = [history.subjects[at] for at in chosen]
    own = [at for at in chosen if code in (None, history.subjects[at].code)]
    if "time" in kinds:
        yield from rhythm_tests(history, own, sessions, seed=seed)
    if "sequence" in kinds:
        ordered = [pair for pair in permutations(subjects, 2) if _about(pair, code)]
        yield from sequence_tests(history, ordered, window_s=window_s, seed=seed)
    if "correlation" in kinds:
        unordered = [pair for pair in combinations(subjects, 2) if _about(pair, code)]
        yield from together_tests(history, unordered, seed=seed)
        yield from metric_tests(history, [history.subjects[at] for at in own])


def _told_once(found: list[Pattern]) -> Iterator[Pattern]:
    """Leave out what another pattern says better."""
    following = {
        frozenset(((one.code, one.component), (one.other, one.other_component)))
        for one in found
        if one.kind == "sequence"
    }
    strongest: dict[tuple[str, str], Pattern] = {}
    for one in found:
        subject = one.code, one.component
        if one.test in CLOCK_TESTS:
            best = strongest.setdefault(subject, one)
            if one.p_value < best.p_value:
                strongest[subject] = one
    for one in found:
        subject = one.code, one.component
        if one.test in CLOCK_TESTS and one is not strongest[subject]:
            continue
        pair = frozenset((subject, (one.other, one.other_component)))
        if one.test != "same hours" or pair not in following:
            yield one


def _about(pair: tuple[Subject, Subject], code: str | None) -> bool:
    return code is None or code in (pair[0].code, pair[1].code)


def _facts(one: Tested) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Pattern.__struct_fields__ if name != "q_value"}
