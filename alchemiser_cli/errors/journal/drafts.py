"""A first draft of what may help with an error that nobody has mended yet: what helped its like."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alchemiser_cli.errors.journal.likeness import SimilarCode, similarity
from alchemiser_cli.errors.journal.records import ErrorGroup
from alchemiser_cli.errors.journal.remedies import (
    KnownResolution,
    known_resolutions,
    wilson_interval,
)
from alchemiser_cli.errors.journal.uses import Experience, uses
from alchemiser_cli.errors.journal.wording import gist

__all__ = ["Draft", "DraftStep", "draft"]

LEAST_LIKENESS = 0.25
MOST_CODES = 3
MOST_STEPS = 5
MOST_GROUPS = 5_000
MOST_GROUPS_OF_CODE = 1_000


class DraftStep(msgspec.Struct, frozen=True, kw_only=True):
    """What worked for similar codes: for which, and how often (of the uses whose end is known).

    ``median_seconds`` and ``stale`` (why it is out of date, or None) are those of the first code.
    """

    text: str
    codes: list[str]
    tried: int
    worked: int
    median_seconds: float | None
    last_worked_ns: int
    stale: str | None


class Draft(msgspec.Struct, frozen=True):
    """A proposal, made from other codes and proved for none of this one's failures.

    Both lists are in the order of promise.
    """

    steps: list[DraftStep]
    similar: list[SimilarCode]


def draft(
    store: Experience,
    code: str,
    groups: Sequence[ErrorGroup],
    known: Iterable[KnownResolution],
    now_ns: int,
) -> Draft | None:
    """Return what has helped similar codes, or None where no similar code knows anything.

    ``groups`` are those of ``code``, ``known`` what was tried for it; what did not help there is
    not proposed again.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    by_code: dict[str, list[ErrorGroup]] = {}
    for group in store.groups(limit=MOST_GROUPS):
        by_code.setdefault(group.code, []).append(group)
    by_code.pop(code, None)  # only what failed was ever mended
    likes = [similarity(code, groups, other, theirs) for other, theirs in by_code.items()]
    vain = {gist(one.text) for one in known if one.tried}
    helped: dict[str, list[KnownResolution]] = {}
    similar: list[SimilarCode] = []
    for like in sorted(likes, key=lambda one: (-one.likeness, one.code)):
        if like.likeness < LEAST_LIKENESS or len(similar) == MOST_CODES:
            break
        found = _known(store, like.code, now_ns)
        helped[like.code] = [one for one in found if one.worked and gist(one.text) not in vain]
        if helped[like.code]:
            similar.append(like)
    return Draft(_steps(similar, helped), similar) if similar else None


def _known(store: Experience, code: str, now_ns: int) -> list[KnownResolution]:
    records = store.resolutions(code)
    if not records:
        return []
    groups = store.groups(code=code, limit=MOST_GROUPS_OF_CODE)
    return known_resolutions(uses(store, code, groups, records), now_ns)


def _steps(
    likes: list[SimilarCode], helped: Mapping[str, list[KnownResolution]]
) -> list[DraftStep]:
    """Pool what helped by what was done; first fresh and often, for codes most alike."""
    pooled: dict[str, list[tuple[SimilarCode, KnownResolution]]] = {}
    for like in likes:
        for one in helped[like.code]:
            pooled.setdefault(gist(one.text), []).append((like, one))
    promise: list[tuple[bool, float, DraftStep]] = []
    for same in pooled.values():
        last = max((one for _, one in same), key=lambda one: one.last_at_ns)
        worked, tried = sum(one.worked for _, one in same), sum(one.tried for _, one in same)
        step = DraftStep(
            text=last.text,
            codes=[like.code for like, _ in same],
            tried=tried,
            worked=worked,
            median_seconds=same[0][1].median_seconds,
            last_worked_ns=max(one.last_worked_ns or 0 for _, one in same),
            stale=same[0][1].stale,
        )
        low, _ = wilson_interval(worked, tried)
        promise.append((step.stale is not None, -same[0][0].likeness * low, step))
    promise.sort(key=lambda one: (one[0], one[1], one[2].text))
    return [step for *_, step in promise[:MOST_STEPS]]
