"""What the journal knows of one code: how often, since when, and what mended it before."""

import msgspec

from alchemiser_cli.errors.journal.drafts import Draft, draft
from alchemiser_cli.errors.journal.remedies import KnownResolution, known_resolutions
from alchemiser_cli.errors.journal.uses import Experience, uses

__all__ = ["CodeHistory", "Draft", "KnownResolution", "code_history"]

MOST_GROUPS = 1_000


class CodeHistory(msgspec.Struct, frozen=True):
    """One code's record; times are UTC nanoseconds, None where it never happened.

    ``injected`` counts failures caused on purpose, of which ``last_drilled_ns`` is the latest;
    what was done about them is not among the ``resolutions``. Of those the best comes first.
    ``draft`` is there where none of them has worked yet, and a similar code knows one that has.
    """

    count: int
    injected: int
    first_seen_ns: int | None
    last_seen_ns: int | None
    last_drilled_ns: int | None
    open_groups: int
    resolutions: list[KnownResolution]
    draft: Draft | None = None


def code_history(store: Experience, code: str, now_ns: int) -> CodeHistory:
    """Sum up the journal's groups and resolutions of ``code``; no single failure is read.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    groups = store.groups(code=code, limit=MOST_GROUPS)
    drilled = [group.last_seen_ns for group in groups if group.injected]
    known = known_resolutions(uses(store, code, groups, store.resolutions(code)), now_ns)
    helped = any(one.worked for one in known)
    return CodeHistory(
        count=sum(group.count for group in groups),
        injected=sum(group.injected for group in groups),
        first_seen_ns=min((group.first_seen_ns for group in groups), default=None),
        last_seen_ns=max((group.last_seen_ns for group in groups), default=None),
        last_drilled_ns=max(drilled, default=None),
        open_groups=sum(1 for group in groups if group.state != "resolved"),
        resolutions=known,
        draft=None if helped else draft(store, code, groups, known, now_ns),
    )
