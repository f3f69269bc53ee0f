"""The limits in their order, each comparing one case with one threshold; nothing is changed here.

A price that is not known is no reason to guess: limits that need one note that they could not be
read, and the signal is refused as of an unknown symbol where that limit's turn comes.
"""

import math
from collections.abc import Callable

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.settings import RiskSettings
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import LimitReading, Reason
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.risk.case import Case
from alchemiser_cli.trading.risk.day import DayLosses
from alchemiser_cli.trading.risk.exposure import Exposure, symbol_exposure, units_within
from alchemiser_cli.trading.risk.memory import DecisionMemory
from alchemiser_cli.trading.risk.notional import possible_loss
from alchemiser_cli.trading.risk.states import LEVELS, TradingStates

__all__ = ["Judge"]

Limit = Callable[[Case], Reason | None]


class Judge:
    """All limits of one account; ``traded`` is when each symbol was last approved, in UTC ns."""

    def __init__(
        self,
        risk: RiskSettings,
        account: AccountView,
        kill_switch: KillSwitch,
        exposure: Exposure,
        day: DayLosses,
        states: TradingStates,
        memory: DecisionMemory,
    ) -> None:
        """Judge by ``risk``, and by what the others say at that moment."""
        self._risk = risk
        self._account = account
        self._kill_switch = kill_switch
        self._exposure = exposure
        self._day = day
        self._states = states
        self._memory = memory
        self.traded: dict[str, int] = {}
        self._order: tuple[Limit, ...] = (
            self._switch,
            self._state,
            self._daily_loss,
            self._trade_loss,
            self._positions,
            self._duplicate,
            self._cool_down,
            self._breaker,
            self._size,
            self._known_symbol,
            self._stale,
            self._policy,
        )

    def judge(self, case: Case) -> Reason | None:
        """Return why the case is refused, None where it may pass with the quantity it has left."""
        for limit in self._order:
            reason = limit(case)
            if reason is not None:
                return reason
        return None

    def loss_readings(self, equity: float) -> tuple[LimitReading, LimitReading]:
        """Compare the loss from the day's start, and the one from its peak, with their limits."""
        start, peak = self._day.from_start(equity), self._day.from_peak(equity)
        most, most_from_peak = self._risk.max_daily_loss, self._risk.max_daily_drawdown
        return (
            LimitReading("daily_loss_from_start", start, most, start <= most),
            LimitReading("daily_loss_from_peak", peak, most_from_peak, peak <= most_from_peak),
        )

    def account_readings(self, equity: float, *, breaker_open: bool) -> list[LimitReading]:
        """Return where the account stands against the limits that need no signal."""
        active, level = float(self._kill_switch.active), LEVELS[self._states.state]
        held = self._account.positions()
        count, most = self._exposure.count(held), self._risk.max_positions
        total = self._exposure.total(held)
        leverage = None if total is None else _share(total, equity)
        most_leverage = self._risk.max_leverage
        fits = leverage is not None and leverage <= most_leverage
        return [
            LimitReading("kill_switch", active, 0.0, not active),
            LimitReading("trading_state", level, 0.0, not level),
            *self.loss_readings(equity),
            LimitReading("positions", count, most, count <= most),
            LimitReading("circuit_breaker", float(breaker_open), 0.0, not breaker_open),
            LimitReading("leverage", leverage, most_leverage, fits),
        ]

    def _switch(self, case: Case) -> Reason | None:
        active = self._kill_switch.active
        passed = case.read("kill_switch", float(active), 0.0, passed=not active)
        return None if passed else "kill_switch_active"

    def _state(self, case: Case) -> Reason | None:
        state = self._states.state
        if state == "reduce_only" and case.change:
            case.quantity = min(case.quantity, case.reducible)
        reduces = case.reduces and (case.quantity > 0 or not case.change)
        highest = LEVELS["reduce_only" if reduces else "active"]
        if case.read("trading_state", LEVELS[state], highest, passed=LEVELS[state] <= highest):
            return None
        return "trading_halted" if state == "halted" else "reduce_only"

    def _daily_loss(self, case: Case) -> Reason | None:
        for reading in self.loss_readings(case.equity):
            case.readings.append(reading)
            if not reading.passed:
                return "daily_loss_limit_exceeded"
        return None

    def _trade_loss(self, case: Case) -> Reason | None:
        most = case.limits.max_trade_loss
        opening = max(0, case.quantity - case.reducible)
        if not opening:
            case.read("trade_loss", 0.0, most, passed=True)
            return None
        if case.unit is None:
            case.read("trade_loss", None, most, passed=True)
            return None
        loss = opening * possible_loss(
            case.instrument,
            case.unit,
            is_buy=case.is_buy,
            stop_price=case.signal.stop_price,
            adverse_move=self._risk.adverse_move,
        )
        share = loss / case.equity if case.equity > 0.0 else math.inf
        passed = case.read("trade_loss", share, most, passed=share <= most)
        return None if passed else "per_trade_loss_limit_exceeded"

    def _positions(self, case: Case) -> Reason | None:
        symbol, strategy = case.signal.symbol, case.signal.strategy_id
        opens = int(bool(case.change) and not case.reduces)
        limits = case.limits
        count = self._exposure.count(case.positions, symbol)
        there = int(bool(case.most_long or case.most_short))
        value, most = count + max(opens, there), limits.max_positions
        passed = case.read(
            "positions", value, most, passed=value <= most or bool(there or not opens)
        )
        if passed and limits.strategy_positions is not None:
            value = self._exposure.count_of(strategy, symbol) + max(opens, case.held)
            most = limits.strategy_positions
            passed = value <= most or bool(case.held or not opens)
            case.read("positions_of_strategy", value, most, passed=passed)
        return None if passed else "max_position_limit_reached"

    def _duplicate(self, case: Case) -> Reason | None:
        passed = case.read("change", abs(case.change), 1.0, passed=case.change != 0)
        return None if passed else "duplicate_position"

    def _cool_down(self, case: Case) -> Reason | None:
        least_ns = case.limits.cool_down_ns
        if not least_ns:
            return None
        last_ns = self.traded.get(case.signal.symbol)
        since_ns = None if last_ns is None else case.now_ns - last_ns
        passed = case.reduces or since_ns is None or since_ns >= least_ns
        since_s = None if since_ns is None else since_ns / NS_PER_SECOND
        case.read("cool_down_s", since_s, least_ns / NS_PER_SECOND, passed=passed)
        return None if passed else "cool_down_active"

    def _breaker(self, case: Case) -> Reason | None:
        is_open = case.breaker_open
        passed = case.read("circuit_breaker", float(is_open), 0.0, passed=not is_open)
        return None if passed else "circuit_breaker_open"

    def _size(self, case: Case) -> Reason | None:
        """Cut the quantity to whole units that fit under quantity, notional and leverage."""
        limits, taken, asked = case.limits, case.room_taken, case.quantity
        fits = limits.max_quantity - taken
        value = float(max(taken + asked, 0))
        if not case.read("quantity", value, limits.max_quantity, passed=fits > 0):
            return "notional_limit_exceeded"
        case.quantity = min(case.quantity, fits)
        most_leverage = self._risk.max_leverage
        if case.unit is None:
            case.read("notional", None, limits.max_notional, passed=True)
            case.read("leverage", None, most_leverage, passed=True)
            return None
        equity = max(case.equity, 0.0)
        others = self._exposure.total(case.positions, case.signal.symbol)
        grown = asked if case.is_buy else -asked
        exposure = symbol_exposure(
            case.unit,
            case.most_long + max(grown, 0),
            case.most_short + min(grown, 0),
        )
        side_unit = case.unit[0] if case.is_buy else case.unit[1]
        left = 0.0 if others is None else most_leverage * equity - others
        total = None if others is None else _share(exposure + others, equity)
        for name, reading, most, amount in (
            (
                "notional",
                _share(exposure, equity),
                limits.max_notional,
                limits.max_notional * equity,
            ),
            ("leverage", total, most_leverage, left),
        ):
            room = units_within(amount, side_unit) - taken
            if not case.read(name, reading, most, passed=room >= 1):
                return "notional_limit_exceeded"
            case.quantity = int(min(case.quantity, room))
        return None

    def _known_symbol(self, case: Case) -> Reason | None:
        known = case.unit is not None
        price = self._account.price(case.signal.symbol)
        case.read("price", price, None, passed=known)
        return None if known else "unknown_symbol"

    def _stale(self, case: Case) -> Reason | None:
        signal = case.signal
        price_ns = self._account.price_time_ns(signal.symbol)
        rests_on_ns = (
            signal.tick_time_ns if price_ns is None else min(signal.tick_time_ns, price_ns)
        )
        age_ns, most_ns = case.now_ns - rests_on_ns, case.limits.max_data_age_ns
        age_s, most_s = age_ns / NS_PER_SECOND, most_ns / NS_PER_SECOND
        if not case.read("data_age_s", age_s, most_s, passed=age_ns <= most_ns):
            return "stale_market_data"
        newest = self._memory.newest(signal.strategy_id, signal.symbol)
        if newest is not None and signal.tick_time_ns < newest.signal.tick_time_ns:
            behind_s = (newest.signal.tick_time_ns - signal.tick_time_ns) / NS_PER_SECOND
            case.read("signal_behind_s", behind_s, 0.0, passed=False)
            return "stale_market_data"
        return None

    def _policy(self, case: Case) -> Reason | None:
        expired = case.signal.policy_expired
        if not expired:
            return None
        case.read("policy_expired", 1.0, 0.0, passed=case.reduces)
        return None if case.reduces else "policy_expired"


def _share(amount: float, equity: float) -> float:
    return amount / equity if equity > 0.0 else math.inf if amount else 0.0
