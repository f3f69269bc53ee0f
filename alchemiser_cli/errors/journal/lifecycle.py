"""How a group of errors grows and changes state with each failure.

::

            recovered                    resolve
    open ------------> recovering ---------------------> resolved
     ^ <-------------'     ^                                |
       failed again        | recovered       failed again   |
                           '------------- regressed <-------'

A group is *recovering* while the last thing heard of it is a failure that was recovered from, and
*resolved* when somebody said so, from whatever state. Only news moves a state: a failure older than
one already counted, or not newer than the resolution (errors that were spilled to a file arrive
late), is counted and moves nothing.
"""

from collections.abc import Iterable
from typing import Self

import msgspec

from alchemiser_cli.errors.journal.records import Captured, GroupState, MinuteCount

__all__ = ["NS_PER_MINUTE", "GroupRow", "minute_counts"]

NS_PER_MINUTE = 60_000_000_000


class GroupRow(msgspec.Struct):
    """One row of the table of groups, while it is being brought up to date.

    ``opened_ns`` is when the present trouble began: when the group was first seen or, after it
    was resolved, when it came back.
    """

    fingerprint: str
    code: str
    component: str
    template: str
    severity: str
    state: GroupState
    state_changed_ns: int
    opened_ns: int
    first_seen_ns: int
    last_seen_ns: int
    count: int = 0
    injected: int = 0
    recovered: int = 0

    @classmethod
    def opened_by(cls, capture: Captured) -> Self:
        """Return the group that ``capture`` opens, before the capture is counted."""
        return cls(
            fingerprint=capture.fingerprint,
            code=capture.code,
            component=capture.component,
            template=capture.template,
            severity=capture.severity,
            state="open",
            state_changed_ns=capture.at_ns,
            opened_ns=capture.at_ns,
            first_seen_ns=capture.at_ns,
            last_seen_ns=capture.at_ns,
        )

    def add(self, capture: Captured) -> None:
        """Count ``capture`` and, if it is news, follow it to the next state."""
        self.count += capture.count
        self.injected += capture.count * capture.injected
        self.recovered += capture.count * capture.recovered
        self.first_seen_ns = min(self.first_seen_ns, capture.at_ns)
        if capture.at_ns < self.last_seen_ns:
            return
        self.last_seen_ns = capture.at_ns
        self.severity = capture.severity
        if self.state != "resolved" or capture.at_ns > self.state_changed_ns:
            self._follow(capture)

    def resolve(self, at_ns: int) -> None:
        """Take note that somebody mended it."""
        self.state = "resolved"
        self.state_changed_ns = at_ns

    def _follow(self, capture: Captured) -> None:
        after: GroupState
        if capture.recovered:
            after = "recovering"
        elif self.state in {"resolved", "regressed"}:
            after = "regressed"
        else:
            after = "open"
        if after == self.state:
            return
        if self.state == "resolved":
            self.opened_ns = capture.at_ns
        self.state = after
        self.state_changed_ns = capture.at_ns


def minute_counts(captures: Iterable[Captured]) -> list[MinuteCount]:
    """Count ``captures`` by minute, code, component and whether they were injected."""
    counts: dict[tuple[int, str, str, bool], tuple[int, int, int]] = {}
    for one in captures:
        key = (one.at_ns // NS_PER_MINUTE, one.code, one.component, one.injected)
        count, criticals, recovered = counts.get(key, (0, 0, 0))
        counts[key] = (
            count + one.count,
            criticals + one.count * (one.severity == "critical"),
            recovered + one.count * one.recovered,
        )
    return [MinuteCount(*key, *numbers) for key, numbers in counts.items()]
