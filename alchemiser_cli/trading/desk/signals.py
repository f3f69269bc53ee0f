"""The first stage: strategies look at a tick, and what they say goes on record once."""

from collections.abc import Iterable

from alchemiser_cli.market import Tick
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.activity import StageActivity
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.desk.entries import signal_entry
from alchemiser_cli.trading.signals import Origin, Signal
from alchemiser_cli.trading.strategies import StrategyHost

__all__ = ["SignalDesk"]


class SignalDesk:
    """Strategies with the trail that they are recorded in."""

    def __init__(self, host: StrategyHost, trail: AuditTrail, activity: StageActivity) -> None:
        """Run the strategies of ``host``."""
        self._host = host
        self._trail = trail
        self._activity = activity
        self._known: set[str] = set()

    def restore(self, signals: Iterable[Signal]) -> None:
        """Take over what is on record: a tick that is read again gives no second signal."""
        self._known.update(signal.signal_id for signal in signals)

    def on_tick(self, tick: Tick, origin: Origin, account: AccountView) -> list[Signal]:
        """Return the signals that ``tick`` leads to; each is on record then.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        signals = self._host.on_tick(tick, origin, account)
        self._activity.seen("signals", tick.event_time_ns)
        for signal in signals:
            if signal.signal_id not in self._known:
                self._known.add(signal.signal_id)
                self._trail.append(signal_entry(signal))
        if signals:
            self._activity.gave("signals", tick.event_time_ns)
        return signals

    def record_holds(self) -> None:
        """Put on record what strategies held since the last call."""
        for held in self._host.take_holds():
            self._trail.append(
                AuditEntry(
                    event="HELD",
                    event_id=f"h-{held.strategy_id}-{held.symbol}-{held.at_ns}",
                    causation=str(held.origin),
                    strategy_id=held.strategy_id,
                    param_hash=held.param_hash,
                    symbol=held.symbol,
                    reason=held.reason,
                    detail=held,
                )
            )
