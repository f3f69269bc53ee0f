"""The middle stage: each signal gets its one decision, which goes on record."""

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.faults import fault_point
from alchemiser_cli.trading.activity import StageActivity
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk.entries import decision_entry
from alchemiser_cli.trading.desk.folding import Folded, StateNow
from alchemiser_cli.trading.orders import Order, OrderUpdate
from alchemiser_cli.trading.risk import RiskGate, TradingState
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["RiskDesk"]

REVIEW_NS = NS_PER_SECOND
PEAK_STEP = 0.001  # how much a day's peak grows before it goes on record again

_RISK = fault_point("trading.risk")


class RiskDesk:
    """The gate with the trail that its decisions are recorded in."""

    def __init__(
        self,
        gate: RiskGate,
        trail: AuditTrail,
        activity: StageActivity,
    ) -> None:
        """Judge by ``gate``."""
        self.gate = gate
        self._trail = trail
        self._activity = activity
        self._known: set[str] = set()
        self._today = gate.day
        self._reviewed_ns = 0

    def restore(self, folded: Folded) -> None:
        """Take over decisions, what came of them, the trading state and the day's start."""
        for decision in folded.decisions:
            self._known.add(decision.decision_id)
            self.gate.restore(decision)
        for execution in folded.executions:
            self.gate.on_execution(execution)
        for update in folded.closed:
            self.gate.on_update(update)
        if folded.day is not None:
            self._today = folded.day
            self.gate.restore_day(folded.day.day, folded.day.start_equity, folded.day.peak_equity)
        if folded.state is not None:
            self.gate.restore_state(folded.state)

    def on_time(self, at_ns: int) -> None:
        """Look at the day's losses about once a second, and keep on record what they count from."""
        if at_ns - self._reviewed_ns < REVIEW_NS:
            return
        self._reviewed_ns = at_ns
        self.gate.review()
        today = self.gate.day
        started = today.day != self._today.day
        if started or today.peak_equity > self._today.peak_equity * (1.0 + PEAK_STEP):
            self._today = today
            self._trail.append(
                AuditEntry(
                    event="TRADING_STATE",
                    event_id=f"day-{today.day}",
                    reason="day_started" if started else "day_peak",
                    detail=today,
                )
            )

    def judge(self, signal: Signal, at_ns: int) -> tuple[Decision, bool]:
        """Return the one decision about ``signal``, and whether it is a new one.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        if _RISK.armed is not None:
            _RISK.strike()
        decision = self.gate.decide(signal)
        new = decision.decision_id not in self._known
        if new:
            self._record(decision)
        self._activity.seen("risk", at_ns)
        if decision.approved:
            self._activity.gave("risk", at_ns)
        return decision, new

    def flatten(self, strategy: str, symbol: str, origin: Origin) -> Decision:
        """Approve the end of a position, whatever else forbids it; once for each ``origin``."""
        decision = self.gate.approve_flatten(strategy, symbol, origin)
        if decision.decision_id not in self._known:
            self._record(decision)
        return decision

    def change_state(self, state: TradingState, reason: str) -> None:
        """Set the trading state, on record."""
        if self.gate.change_state(state, reason):
            self._trail.append(
                AuditEntry(
                    event="TRADING_STATE", event_id=state, reason=reason, detail=StateNow(state)
                )
            )

    def updated(self, _order: Order | None, update: OrderUpdate) -> None:
        """Hear of a change of an order, and of its executions."""
        for execution in update.executions:
            self.gate.on_execution(execution)
        if update.order_id:
            self.gate.on_update(update)

    def _record(self, decision: Decision) -> None:
        self._known.add(decision.decision_id)
        self._trail.append(decision_entry(decision))
