"""What the journal keeps: occurrences, the groups that they fall into, and how each was mended."""

from typing import Literal

import msgspec

__all__ = ["Captured", "Cause", "ErrorGroup", "GroupState", "MinuteCount", "Resolution"]

GroupState = Literal["open", "recovering", "resolved", "regressed"]


class Cause(msgspec.Struct, frozen=True):
    """One link of an exception's chain of causes, outermost first."""

    type: str
    message: str


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One failure as it was captured; ``at_ns`` is UTC nanoseconds.

    ``count`` is how many failures of the same fingerprint this one stands for: more than one
    where a storm was folded.
    """

    id: str
    fingerprint: str
    template: str
    at_ns: int
    code: str
    severity: str
    component: str
    operation: str
    run_id: str
    what: str
    why: str
    next_step: str
    context: dict[str, object]
    causes: list[Cause]
    traceback: str
    recovered: bool = False
    injected: bool = False
    count: int = 1


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All failures of one fingerprint: code, component and message template."""

    fingerprint: str
    code: str
    component: str
    template: str
    severity: str
    state: GroupState
    state_changed_ns: int
    first_seen_ns: int
    last_seen_ns: int
    count: int
    injected: int
    recovered: int


class MinuteCount(msgspec.Struct, frozen=True):
    """Failures of one code in one component within one minute (minutes since 1970, UTC)."""

    minute: int
    code: str
    component: str
    injected: bool
    count: int
    criticals: int
    recovered: int


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about a group, and whether it worked (None: not known yet).

    ``seconds`` is from the group's opening to this record.
    """

    id: str
    fingerprint: str
    code: str
    at_ns: int
    text: str
    worked: bool | None
    author: str
    seconds: int | None
