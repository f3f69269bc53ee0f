"""Where alerts come from that nobody raises: the journal, and troubles that stand for a while."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from msgspec.structs import replace
from sqlalchemy import Row

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors.thresholds import ThresholdState
from alchemiser_cli.notifications.alert import RANKS, Alert, Level, fingerprint_of
from alchemiser_cli.notifications.journal_cursor import JournalCursor
from alchemiser_cli.notifications.standing_memory import StandingMemory
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

__all__ = ["JournalSource", "Source", "StandingSource", "threshold_alerts"]

TOLD_AGAIN_S = 60.0  # how often a trouble that stands is reported; well below any keep_firing_s

_LEVELS: dict[str, Level] = {name: name for name in RANKS}
_CRITICALS = "criticals_"  # what the names of metrics of critical errors begin with


class Source(Protocol):
    """Something that knows of troubles; ``read`` may give one again until ``taken`` was called."""

    def read(self, limit: int) -> list[Alert]:
        """Return up to ``limit`` alerts.

        Raises:
            AlchemiserError: what keeps it from knowing.
        """
        ...

    def taken(self) -> None:
        """Take note that what was read last is stored."""
        ...


class JournalSource:
    """Failures of the journal from ``settings.severity`` up that nothing recovered from.

    The journal's own fingerprint is the incident's, and one component is one group. Failures of one
    fingerprint that are read together are one alert with their number.
    """

    def __init__(
        self,
        database: StateDatabase,
        settings: AlertSettings,
        clock: Clock,
        *,
        injected: bool = False,
    ) -> None:
        """Read from ``database``; failures caused on purpose only where ``injected``, in drills."""
        least = RANKS[settings.severity]
        severities = [name for name, rank in RANKS.items() if rank >= least]
        self._cursor = JournalCursor(database, severities, injected=injected)
        self._clock = clock

    def read(self, limit: int) -> list[Alert]:
        """Return what up to ``limit`` failures come to, the first one first.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        alerts: dict[str, Alert] = {}
        for row in self._cursor.read(self._clock.now_ns(), limit):
            alert = _of_failure(row)
            before = alerts.get(alert.fingerprint)
            alerts[alert.fingerprint] = alert if before is None else _joined(before, alert)
        return list(alerts.values())

    def taken(self) -> None:
        """Go on behind what was read last.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        self._cursor.keep(self._clock.now_ns())


class StandingSource:
    """Troubles that stand until they are gone, such as a kill switch that is set.

    ``look`` returns those of now. Each is reported once a minute, so that its incident stays open,
    and once more, as over, when it is gone. With a ``memory`` what another process reported is
    known too; without one, the incident of that ends by its own quiet.
    """

    def __init__(
        self,
        look: Callable[[], Iterable[Alert]],
        clock: Clock,
        memory: StandingMemory | None = None,
    ) -> None:
        """Ask ``look`` at each read; it may raise AlchemiserError."""
        self._look = look
        self._clock = clock
        self._memory = memory
        self._told: dict[str, Alert] = {}
        self._read: dict[str, Alert] = {}

    def read(self, limit: int) -> list[Alert]:
        """Return what is new, still there for a minute, or gone.

        Raises:
            AlchemiserError: as ``look``.
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        now_ns = self._clock.now_ns()
        standing = {alert.fingerprint: alert for alert in self._look()}
        if self._memory is not None:
            self._told = self._memory.load()
        due = [
            alert
            for alert in standing.values()
            if self._is_due(alert, now_ns)
            or alert.severity != self._told[alert.fingerprint].severity
        ]
        gone = [
            replace(alert, firing=False, at_ns=now_ns)
            for fingerprint, alert in self._told.items()
            if fingerprint not in standing
        ]
        alerts = (gone + due)[:limit]
        self._read = {alert.fingerprint: alert for alert in alerts}
        return alerts

    def taken(self) -> None:
        """Remember what was reported.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
        """
        for fingerprint, alert in self._read.items():
            if alert.firing:
                self._told[fingerprint] = alert
            else:
                self._told.pop(fingerprint, None)
        if self._read and self._memory is not None:
            self._memory.keep(self._told, self._clock.now_ns())
        self._read = {}

    def _is_due(self, alert: Alert, now_ns: int) -> bool:
        told = self._told.get(alert.fingerprint)
        return told is None or now_ns - told.at_ns >= TOLD_AGAIN_S * NS_PER_SECOND


def threshold_alerts(states: Sequence[ThresholdState], code: str, now_ns: int) -> list[Alert]:
    """Return an alert for each metric that is above its threshold; ``code`` names the runbook."""
    return [
        Alert(
            fingerprint=fingerprint_of("threshold", state.metric),
            kind="threshold",
            severity="critical" if state.metric.startswith(_CRITICALS) else "high",
            code=code,
            component="health",
            what=f"{state.metric.replace('_', ' ')} is {state.value:g}",
            why=f"Its {state.kind} threshold is {state.threshold:g}.",
            next_step="See what fails: alchemiser errors stats",
            at_ns=now_ns,
            group="health",
            injected=state.injected,
        )
        for state in states
        if state.alerting
    ]


def _of_failure(row: Row[Any]) -> Alert:
    return Alert(
        fingerprint=row.fingerprint,
        kind="error",
        severity=_LEVELS[row.severity],
        code=row.code,
        component=row.component,
        what=row.what,
        why=row.why,
        next_step=row.next_step,
        at_ns=row.at_ns,
        count=row.failures,
        group=row.component,
        injected=bool(row.injected),
    )


def _joined(before: Alert, alert: Alert) -> Alert:
    """Return the newest of two with the number of both and the worse severity."""
    newest = max(before, alert, key=lambda one: one.at_ns)
    worst = max(before, alert, key=lambda one: RANKS[one.severity])
    return replace(
        newest,
        severity=worst.severity,
        count=before.count + alert.count,
        injected=before.injected and alert.injected,
    )
