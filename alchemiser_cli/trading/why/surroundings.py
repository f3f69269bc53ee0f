"""What else held at a moment: the kill switch, the state of trading, strategies, the run."""

import msgspec

from alchemiser_cli.trading.audit.record import AuditEvent, AuditRecord
from alchemiser_cli.trading.why.records import detail_of

__all__ = ["Circumstance", "Scene"]

_TRADES = "active"

_ABOUT: dict[AuditEvent, str] = {
    "KILL_SWITCH_SET": "kill switch",
    "KILL_SWITCH_CLEARED": "kill switch",
    "TRADING_STATE": "trading",
    "STRATEGY_LOADED": "strategy",
    "STRATEGY_DISABLED": "strategy",
    "RUN_STARTED": "run",
    "RUN_ENDED": "run",
}
_DAY_STARTED = "day_started"  # what a TRADING_STATE line says that is no change of the state


class Circumstance(msgspec.Struct, frozen=True, kw_only=True):
    """Something that held since ``at``, and that keeps trades from being made."""

    at: str
    at_ns: int
    event: AuditEvent
    strategy_id: str
    state: str
    reason: str


class _State(msgspec.Struct, frozen=True):
    """What the details of ``TRADING_STATE`` lines have in common."""

    state: str = ""


class Scene:
    """Follows the newest line about each circumstance, up to a moment."""

    def __init__(self, at_ns: int) -> None:
        """Begin; ``at_ns`` is the moment in UTC nanoseconds."""
        self.others: set[str] = set()
        self.nearest_ns: int | None = None
        self._at_ns = at_ns
        self._first_ns: int | None = None
        self._last_ns = 0
        self._last: dict[tuple[str, str, str], AuditRecord] = {}

    def take(self, record: AuditRecord) -> None:
        """Take in one line."""
        if self._first_ns is None:
            self._first_ns = record.at_ns
        self._last_ns = max(self._last_ns, record.at_ns)
        about = _ABOUT.get(record.event)
        if about is None or record.at_ns > self._at_ns or record.reason == _DAY_STARTED:
            return
        key = (about, record.strategy_id, record.broker)
        last = self._last.get(key)
        if last is None or record.at_ns >= last.at_ns:
            self._last[key] = record

    def met(self, at_ns: int) -> None:
        """Note that a line at ``at_ns`` is about the symbol that is asked for."""
        if self.nearest_ns is None or abs(at_ns - self._at_ns) < abs(self.nearest_ns - self._at_ns):
            self.nearest_ns = at_ns

    @property
    def running(self) -> bool:
        """Whether a run was under way, as far as the trail tells."""
        runs = [record.event for record in self._last.values() if _ABOUT[record.event] == "run"]
        if runs:
            return "RUN_STARTED" in runs
        return self._first_ns is not None and self._first_ns <= self._at_ns <= self._last_ns

    def circumstances(self) -> tuple[Circumstance, ...]:
        """Return what kept trades from being made at the moment, in the order of its time."""
        found = [
            Circumstance(
                at=record.at,
                at_ns=record.at_ns,
                event=record.event,
                strategy_id=record.strategy_id,
                state=_state_of(record),
                reason=record.reason,
            )
            for record in self._last.values()
            if record.event in ("KILL_SWITCH_SET", "STRATEGY_DISABLED", "RUN_ENDED")
            or _state_of(record) not in ("", _TRADES)
        ]
        return tuple(sorted(found, key=lambda one: one.at_ns))


def _state_of(record: AuditRecord) -> str:
    """Return the state that a ``TRADING_STATE`` line tells; empty for any other line."""
    if record.event != "TRADING_STATE":
        return ""
    detail = detail_of(record, _State)
    return detail.state if detail is not None and detail.state else record.event_id
