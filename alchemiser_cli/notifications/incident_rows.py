"""One incident: its record, when something is due of it, and its row in the state database."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import Alert, AlertKind, Level
from alchemiser_cli.notifications.flapping import is_flapping
from alchemiser_cli.notifications.policies import Policy, Step
from alchemiser_cli.state import incident as table

__all__ = [
    "Course",
    "Incident",
    "IncidentState",
    "incident_of",
    "insert_rows",
    "rows_of",
    "update_rows",
]

IncidentState = Literal["pending", "firing", "resolved"]
"""``pending`` is held down: nobody is told yet, for it may pass."""

ROWS_AT_ONCE = 500


class Course(msgspec.Struct, kw_only=True):
    """What an incident began with, and whom it has told; kept as JSON in its row.

    ``policies`` are those of the severity that it began with and of higher ones. ``openings`` is
    how often its fingerprint opened within the hour before, this time too. ``heard_ns`` is when
    its newest firing alert was taken. ``told`` has the ids of its deliveries, by channel.
    ``silenced`` is how many messages a silence kept back.
    """

    policies: dict[str, Policy]
    hold_down_s: float
    keep_firing_s: float
    heard_ns: int
    openings: int = 1
    regressed: bool = False
    raised_ns: int | None = None
    told_ns: int | None = None
    told: dict[str, list[str]] = {}
    silenced: int = 0


class Incident(msgspec.Struct, kw_only=True):
    """One trouble from its first alert until it is over; times are UTC nanoseconds.

    ``alert`` is the newest firing one, ``severity`` the highest so far, ``count`` the sum of the
    alerts' counts. ``step`` is how many steps of the policy were taken, and repeats after them.
    ``due_ns`` is when something is to be done about it, None where nothing ever is.
    """

    id: str
    fingerprint: str
    state: IncidentState
    kind: AlertKind
    severity: Level
    code: str
    component: str
    group: str
    alert: Alert
    injected: bool
    count: int
    opened_ns: int
    last_ns: int
    clear_ns: int | None = None
    resolved_ns: int | None = None
    course: Course
    step: int = 0
    due_ns: int | None = None
    acknowledged_ns: int | None = None
    acknowledged_by: str | None = None

    @property
    def regressed(self) -> bool:
        """Whether the same trouble was over before, and came back."""
        return self.course.regressed

    @property
    def flapping(self) -> bool:
        """Whether it comes and goes so often that it is kept open longer."""
        return is_flapping(self.course.openings)

    @property
    def policy(self) -> Policy:
        """The policy of its severity, as it was when the incident began."""
        return self.course.policies[self.severity]

    @property
    def is_open(self) -> bool:
        """Whether it is not over yet."""
        return self.state != "resolved"

    @property
    def repeats(self) -> int:
        """How often the last step was repeated."""
        return max(0, self.step - len(self.policy.steps))

    @property
    def next_step(self) -> Step | None:
        """The step that is taken next; None where nobody is to be told anything more.

        Errors caused on purpose are told once, and escalate only in a drill.
        """
        steps = self.policy.steps
        taken = self.step
        over = self.acknowledged_ns is not None or not self.is_open
        if over or (taken and self.injected and self.kind != "drill"):
            return None
        if taken < len(steps):
            return steps[taken]
        return steps[-1] if taken - len(steps) < self.policy.max_repeats else None

    @property
    def fires_ns(self) -> int:
        """When its hold-down is over: at once where it became worse."""
        held_ns = self.opened_ns + _ns(self.course.hold_down_s)
        raised_ns = self.course.raised_ns
        return held_ns if raised_ns is None else min(held_ns, raised_ns)

    @property
    def step_ns(self) -> int | None:
        """When its next step is to be taken, None where none is."""
        step = self.next_step
        if step is None:
            return None
        if self.step == 0:
            return self._first_step_ns
        if self.step < len(self.policy.steps):
            return self.opened_ns + _ns(step.after_s)
        told_ns = self.course.told_ns
        return (self.opened_ns if told_ns is None else told_ns) + _ns(self.policy.repeat_s)

    @property
    def over_ns(self) -> int:
        """When it is over if it does not fire again; does not depend on who was told and when.

        It is over when it was quiet for ``keep_firing_s`` after its newest alert and after its
        first step was due. Where its source says that it is over, it is at once, unless it flaps.
        """
        if self.clear_ns is not None:
            return self.clear_ns + (_ns(self.course.keep_firing_s) if self.flapping else 0)
        since_ns = max(self.course.heard_ns, self._first_step_ns)
        return since_ns + max(1, _ns(self.course.keep_firing_s))

    @property
    def was_due(self) -> bool:
        """Whether its first step was due before it was over."""
        return self._first_step_ns <= self.over_ns

    def schedule(self) -> None:
        """Set ``due_ns`` to the next of: fires, next step, over."""
        times = [self.over_ns]
        if self.state == "pending":
            times.append(self.fires_ns)
        elif (step_ns := self.step_ns) is not None:
            times.append(step_ns)
        self.due_ns = min(times)

    @property
    def _first_step_ns(self) -> int:
        if self.course.raised_ns is not None:
            return self.course.raised_ns
        if self.kind == "test":
            return self.opened_ns
        first = self.policy.steps[0].after_s
        return self.opened_ns + _ns(max(self.course.hold_down_s, first))


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_SECOND)


_COLUMNS = [column.name for column in table.columns]
_LASTING = ("fingerprint", "kind", "opened_ns")
_UPDATE = (
    update(table)
    .where(table.c.id == bindparam("row"))
    .values({name: bindparam(name) for name in _COLUMNS if name not in {"id", *_LASTING}})
)
_BY_ID = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))


def rows_of(connection: Connection, ids: Sequence[str]) -> list[Incident]:
    """Read the incidents of these ids."""
    found: list[Incident] = []
    for start in range(0, len(ids), ROWS_AT_ONCE):
        some = {"ids": list(ids[start : start + ROWS_AT_ONCE])}
        found += [incident_of(row) for row in connection.execute(_BY_ID, some).mappings()]
    return found


def insert_rows(connection: Connection, incidents: Iterable[Incident]) -> None:
    """Store incidents that are new."""
    if rows := [_row(one) for one in incidents]:
        connection.execute(insert(table), rows)


def update_rows(connection: Connection, incidents: Iterable[Incident]) -> None:
    """Bring the rows of incidents up to date."""
    rows = [_row(one) for one in incidents]
    for row in rows:
        row["row"] = row.pop("id")
        for name in _LASTING:
            del row[name]
    if rows:
        connection.execute(_UPDATE, rows)


def incident_of(row: Any) -> Incident:
    """Return the incident of a row."""
    values = dict(row)
    values["group"] = values.pop("grouping")
    values["alert"] = msgspec.json.decode(values["alert"], type=Alert)
    values["course"] = msgspec.json.decode(values.pop("policy"), type=Course)
    return Incident(**values)


def _row(one: Incident) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _COLUMNS if name not in {"grouping", "policy"}}
    values["grouping"] = one.group
    values["alert"] = msgspec.json.encode(one.alert).decode()
    values["policy"] = msgspec.json.encode(one.course).decode()
    return values
