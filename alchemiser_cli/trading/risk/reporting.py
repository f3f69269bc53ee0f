"""What the gate tells: metrics of decisions and of the account, and the trading log."""

import logging

from alchemiser_cli.logs import get_logger
from alchemiser_cli.telemetry import Counter, Telemetry
from alchemiser_cli.telemetry import names as n
from alchemiser_cli.trading.decisions import REASONS, Decision
from alchemiser_cli.trading.risk.day import DayLosses
from alchemiser_cli.trading.risk.states import StateChange
from alchemiser_cli.trading.risk.statistics import TradeStatistics

__all__ = ["RiskReporting"]

_LOG = get_logger("trading", "risk")
_LEVELS = logging.getLogger("alchemiser.trading")  # asked first: a line costs more than a decision


class RiskReporting:
    """Counts and logs decisions, each reason a counter of its own.

    The audit trail is the record. The log has a refusal at level info where its reason is not that
    of the refusal before it in the symbol, and everything else at level debug.
    """

    def __init__(self, broker: str, telemetry: Telemetry) -> None:
        """Bind the instruments of ``broker``."""
        self._broker = broker
        self._approvals = telemetry.counter(n.TRADE_APPROVALS, broker=broker)
        self._rejects: dict[str, Counter] = {
            reason: telemetry.counter(n.TRADE_REJECTS, broker=broker, reason=reason)
            for reason in REASONS
        }
        self._switch = telemetry.gauge(n.KILL_SWITCH_STATE)
        self._pnl = telemetry.gauge(n.DAILY_PNL, broker=broker)
        self._most = telemetry.gauge(n.MAX_DAILY_LOSS, broker=broker)
        self._hit_ratio = telemetry.gauge(n.HIT_RATIO, broker=broker)
        self._slippage = telemetry.gauge(n.SLIPPAGE, broker=broker)
        self._calibration = telemetry.gauge(n.CALIBRATION_ERROR, broker=broker)
        self._last: dict[str, str] = {}

    def decided(self, decision: Decision) -> None:
        """Count a decision, and log it."""
        symbol = decision.signal.symbol
        repeated = self._last.get(symbol) == decision.reason
        self._last[symbol] = decision.reason
        if decision.approved:
            self._approvals.inc()
            if _LEVELS.isEnabledFor(logging.DEBUG):
                _LOG.debug("TRADE_APPROVED", **self._fields(decision))
            return
        self._rejects[decision.reason].inc()
        if not repeated and _LEVELS.isEnabledFor(logging.INFO):
            _LOG.info("TRADE_REJECTED", **self._fields(decision))
        elif repeated and _LEVELS.isEnabledFor(logging.DEBUG):
            _LOG.debug("TRADE_REJECTED", **self._fields(decision))

    def moved(self, change: StateChange) -> None:
        """Log a change of the state of trading."""
        _LOG.warning(
            "trading_state", state=change.state, previous=change.previous, reason=change.reason
        )

    def account(self, day: DayLosses, equity: float, max_loss: float, *, stopped: bool) -> None:
        """Show the day's profit, the loss that stops trading, and the kill switch."""
        self._switch.set(float(stopped))
        self._pnl.set(equity - day.start_equity)
        self._most.set(max_loss * day.start_equity)

    def trades(self, statistics: TradeStatistics) -> None:
        """Show how trades end; what has no value yet is left out."""
        for gauge, value in (
            (self._hit_ratio, statistics.hit_ratio),
            (self._slippage, statistics.slippage),
            (self._calibration, statistics.calibration),
        ):
            if value is not None:
                gauge.set(value)

    def _fields(self, decision: Decision) -> dict[str, object]:
        last = decision.limits[-1] if decision.limits else None
        return {
            "broker": self._broker,
            "decision": decision.decision_id,
            "strategy": decision.signal.strategy_id,
            "symbol": decision.signal.symbol,
            "reason": decision.reason,
            "side": decision.side,
            "quantity": decision.quantity,
            "limit": None if last is None else last.name,
            "value": None if last is None else last.value,
            "threshold": None if last is None else last.threshold,
        }
