"""What the journal knows of one code: how often, since when, and what mended it before."""

import statistics
from typing import Protocol

import msgspec

from alchemiser_cli.errors.journal.records import ErrorGroup, Resolution

__all__ = ["CodeHistory", "KnownResolution", "code_history"]

MOST_GROUPS = 1_000


class _Store(Protocol):
    def groups(self, *, code: str, limit: int) -> list[ErrorGroup]: ...

    def resolutions(self, code: str) -> list[Resolution]: ...


class KnownResolution(msgspec.Struct, frozen=True):
    """One way to mend it: how often it was tried, worked, and how fast (median seconds)."""

    text: str
    tried: int
    worked: int
    median_seconds: float | None
    last_at_ns: int


class CodeHistory(msgspec.Struct, frozen=True):
    """One code's record; times are UTC nanoseconds, None where it never happened.

    ``injected`` counts failures caused on purpose, of which ``last_drilled_ns`` is the latest.
    """

    count: int
    injected: int
    first_seen_ns: int | None
    last_seen_ns: int | None
    last_drilled_ns: int | None
    open_groups: int
    resolutions: list[KnownResolution]


def code_history(store: _Store, code: str) -> CodeHistory:
    """Sum up the journal's groups and resolutions of ``code``; the best resolution comes first.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    groups = store.groups(code=code, limit=MOST_GROUPS)
    drilled = [group.last_seen_ns for group in groups if group.injected]
    by_text: dict[str, list[Resolution]] = {}
    for one in store.resolutions(code):
        by_text.setdefault(one.text.strip(), []).append(one)
    known = [_known(text, records) for text, records in by_text.items()]
    return CodeHistory(
        count=sum(group.count for group in groups),
        injected=sum(group.injected for group in groups),
        first_seen_ns=min((group.first_seen_ns for group in groups), default=None),
        last_seen_ns=max((group.last_seen_ns for group in groups), default=None),
        last_drilled_ns=max(drilled, default=None),
        open_groups=sum(1 for group in groups if group.state != "resolved"),
        resolutions=sorted(known, key=lambda one: (-one.worked, one.tried, -one.last_at_ns)),
    )


def _known(text: str, records: list[Resolution]) -> KnownResolution:
    worked = [one for one in records if one.worked]
    seconds = [one.seconds for one in worked if one.seconds is not None]
    return KnownResolution(
        text=text,
        tried=len(records),
        worked=len(worked),
        median_seconds=statistics.median(seconds) if seconds else None,
        last_at_ns=max(one.at_ns for one in records),
    )
