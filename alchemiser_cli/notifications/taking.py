"""Taking alerts: each is counted in the incident that its fingerprint has, or opens one."""

import uuid
from collections.abc import Iterable
from typing import Protocol

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, func, select

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import RANKS, Alert
from alchemiser_cli.notifications.flapping import FLAPPING_SPAN_S, keep_firing_factor
from alchemiser_cli.notifications.incident_rows import (
    ROWS_AT_ONCE,
    Course,
    Incident,
    incident_of,
    insert_rows,
    update_rows,
)
from alchemiser_cli.notifications.policies import Policy
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import incident as table

__all__ = ["Openings", "Taking"]

_FINGERPRINTS: BindParameter[list[str]] = bindparam("fingerprints", expanding=True)
_OPEN_ONES = select(table).where(
    table.c.fingerprint.in_(_FINGERPRINTS), table.c.state != "resolved"
)
_EARLIER = (
    select(
        table.c.fingerprint,
        func.count().filter(table.c.opened_ns > bindparam("since_ns")),
        func.count(),
    )
    .where(table.c.fingerprint.in_(_FINGERPRINTS))
    .group_by(table.c.fingerprint)
)


class Openings(Protocol):
    """Escalation policies, as far as an incident that opens needs them."""

    def choose(self, alert: Alert) -> Policy:
        """Return the policy for an alert."""
        ...


class Taking:
    """One batch of alerts inside its transaction: what was there, and what becomes of it."""

    def __init__(
        self,
        connection: Connection,
        alerts: Iterable[Alert],
        settings: AlertSettings,
        policies: Openings,
    ) -> None:
        """Read the open incidents of the alerts' fingerprints."""
        self._connection = connection
        self._settings = settings
        self._policies = policies
        self._open: dict[str, Incident] = {}
        self._known: set[str] = set()  # ids with a row
        self._touched: dict[str, Incident] = {}
        self._opened: dict[str, list[int]] = {}  # times of openings in this batch
        fingerprints = list({alert.fingerprint for alert in alerts})
        for start in range(0, len(fingerprints), ROWS_AT_ONCE):
            some = {"fingerprints": fingerprints[start : start + ROWS_AT_ONCE]}
            for row in connection.execute(_OPEN_ONES, some).mappings():
                one = incident_of(row)
                self._open[one.fingerprint] = one
                self._known.add(one.id)

    def take(self, alert: Alert, now_ns: int) -> str:
        """Count an alert; returns its incident's id, empty where none is and none opens."""
        found = self._open.get(alert.fingerprint)
        if found is not None and found.over_ns <= now_ns:
            self._end(found)
            found = None
        if not alert.firing:
            return "" if found is None else self._clear(found, now_ns)
        if found is None:
            found = self._begin(alert, now_ns)
            self._open[alert.fingerprint] = found
        else:
            self._count(found, alert, now_ns)
        self._touched[found.id] = found
        return found.id

    def store(self) -> None:
        """Write what changed."""
        for one in self._touched.values():
            if one.is_open:
                one.schedule()
        new = [one for one in self._touched.values() if one.id not in self._known]
        insert_rows(self._connection, new)
        update_rows(
            self._connection, [one for one in self._touched.values() if one.id in self._known]
        )

    def _begin(self, alert: Alert, now_ns: int) -> Incident:
        alert = _fitting(alert)
        openings, before = self._openings(alert.fingerprint, now_ns)
        opened_ns = min(alert.at_ns, now_ns)
        self._opened.setdefault(alert.fingerprint, []).append(opened_ns)
        at_once = alert.severity == "critical" or alert.kind == "test"
        course = Course(
            policies=_policies_from(alert, self._policies),
            hold_down_s=0.0 if at_once else self._settings.hold_down_s,
            keep_firing_s=self._settings.keep_firing_s * keep_firing_factor(openings + 1),
            heard_ns=now_ns,
            openings=openings + 1,
            regressed=before > 0,
            told={},
        )
        return Incident(
            id=uuid.uuid4().hex,
            fingerprint=alert.fingerprint,
            state="pending",
            kind=alert.kind,
            severity=alert.severity,
            code=alert.code,
            component=alert.component,
            group=alert.group,
            alert=alert,
            injected=alert.injected,
            count=alert.count,
            opened_ns=opened_ns,
            last_ns=alert.at_ns,
            course=course,
        )

    def _count(self, found: Incident, alert: Alert, now_ns: int) -> None:
        alert = _fitting(alert)
        found.alert = alert
        found.count += alert.count
        found.last_ns = max(found.last_ns, alert.at_ns)
        found.injected = found.injected and alert.injected
        found.clear_ns = None
        found.course.heard_ns = max(found.course.heard_ns, now_ns)
        if RANKS[alert.severity] > RANKS[found.severity]:
            # Told anew, at once, to those whom the higher severity is for.
            found.severity = alert.severity
            found.step = 0
            found.course.raised_ns = now_ns

    def _clear(self, found: Incident, now_ns: int) -> str:
        if found.clear_ns is None:
            found.clear_ns = now_ns
            self._touched[found.id] = found
        return found.id

    def _end(self, found: Incident) -> None:
        """Close what was quiet for long enough; a pass of a courier tells of it."""
        found.state, found.resolved_ns, found.due_ns = "resolved", found.over_ns, found.over_ns
        del self._open[found.fingerprint]
        self._touched[found.id] = found

    def _openings(self, fingerprint: str, now_ns: int) -> tuple[int, int]:
        """Return how often a fingerprint opened before: within the span, and ever."""
        since_ns = now_ns - round(FLAPPING_SPAN_S * NS_PER_SECOND)
        times = self._opened.get(fingerprint, [])
        recent, ever = sum(at_ns > since_ns for at_ns in times), len(times)
        values = {"fingerprints": [fingerprint], "since_ns": since_ns}
        for _, stored_recent, stored in self._connection.execute(_EARLIER, values):
            recent, ever = recent + stored_recent, ever + stored
        return recent, ever


def _policies_from(alert: Alert, policies: Openings) -> dict[str, Policy]:
    """Return the policies for the alert's severity and for each above it."""
    return {
        level: policies.choose(msgspec.structs.replace(alert, severity=level))
        for level, rank in RANKS.items()
        if rank >= RANKS[alert.severity]
    }


_LENGTHS = {"code": 64, "component": 64, "group": 96, "what": None, "why": None, "next_step": None}


def _fitting(alert: Alert) -> Alert:
    """Return the alert with texts that every database takes: no NUL, no lone surrogate, cut."""
    changed = {}
    for name, length in _LENGTHS.items():
        given = getattr(alert, name)
        if given.isascii() and "\0" not in given and len(given) <= (length or len(given)):
            continue
        fitting = given.replace("\0", "\N{REPLACEMENT CHARACTER}")[:length]
        if (fitting := fitting.encode(errors="replace").decode()) != given:
            changed[name] = fitting
    return msgspec.structs.replace(alert, **changed) if changed else alert
