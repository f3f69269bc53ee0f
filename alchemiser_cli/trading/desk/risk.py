"""The middle stage: each signal gets its one decision, which goes on record."""

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.trading.activity import StageActivity
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk.entries import decision_entry
from alchemiser_cli.trading.desk.folding import DayStart, Folded, StateNow
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.orders import Order, OrderUpdate
from alchemiser_cli.trading.risk import RiskGate, TradingState
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["RiskDesk"]

REVIEW_NS = NS_PER_SECOND


class RiskDesk:
    """The gate with the trail that its decisions are recorded in."""

    def __init__(
        self,
        gate: RiskGate,
        book: Book,
        trail: AuditTrail,
        hours: TradingHours,
        activity: StageActivity,
    ) -> None:
        """Judge by ``gate``, whose account is ``book``."""
        self.gate = gate
        self._book = book
        self._trail = trail
        self._hours = hours
        self._activity = activity
        self._known: set[str] = set()
        self._day: str | None = None
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
            self._day = folded.day.day
            self.gate.restore_day(folded.day.day, folded.day.equity)
        if folded.state is not None:
            self.gate.restore_state(folded.state)

    def on_time(self, at_ns: int) -> None:
        """Begin a new day where ``at_ns`` is of one, and look at its losses now and then."""
        if at_ns - self._reviewed_ns >= REVIEW_NS:
            self._reviewed_ns = at_ns
            self.gate.review()
        day = self._hours.day_of(at_ns).isoformat()
        if day == self._day:
            return
        self._day = day
        detail = DayStart(day, self._book.equity)
        self._trail.append(
            AuditEntry(
                event="TRADING_STATE", event_id=f"day-{day}", reason="day_started", detail=detail
            )
        )

    def judge(self, signal: Signal, at_ns: int) -> tuple[Decision, bool]:
        """Return the one decision about ``signal``, and whether it is a new one.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        decision = self.gate.decide(signal)
        new = decision.decision_id not in self._known
        if new:
            self._record(decision)
        self._activity.seen("risk", at_ns)
        if decision.approved:
            self._activity.gave("risk", at_ns)
        return decision, new

    def flatten(self, strategy: str, symbol: str, origin: Origin) -> Decision:
        """Approve the end of a position, whatever else forbids it."""
        decision = self.gate.approve_flatten(strategy, symbol, origin)
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
