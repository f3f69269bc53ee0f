"""The limits in their order, each comparing one case with one threshold; nothing is changed here.

A price that is not known is no reason to guess: limits that need one note that they could not be
read, and the signal is refused as of an unknown symbol where that limit's turn comes.

It runs for every signal, so thresholds are taken out of the settings once, readings that are
always the same are made once, and nothing is called where an expression does.
"""

import math

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.settings import RiskSettings
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.decisions import LimitReading, Reason
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.risk.case import Case
from alchemiser_cli.trading.risk.day import DayLosses
from alchemiser_cli.trading.risk.exposure import Exposure, units_within
from alchemiser_cli.trading.risk.memory import DecisionMemory
from alchemiser_cli.trading.risk.notional import possible_loss
from alchemiser_cli.trading.risk.states import LEVELS, TradingStates

__all__ = ["Judge"]

_GOES_ON = LimitReading("kill_switch", 0.0, 0.0, passed=True)
_STOPPED = LimitReading("kill_switch", 1.0, 0.0, passed=False)
_ACTIVE = LimitReading("trading_state", LEVELS["active"], LEVELS["active"], passed=True)
_ACTIVE_REDUCES = LimitReading(
    "trading_state", LEVELS["active"], LEVELS["reduce_only"], passed=True
)
_CLOSED = LimitReading("circuit_breaker", 0.0, 0.0, passed=True)
_OPEN = LimitReading("circuit_breaker", 1.0, 0.0, passed=False)


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
        self._account = account
        self._kill_switch = kill_switch
        self._exposure = exposure
        self._day = day
        self._states = states
        self._memory = memory
        self._max_loss = risk.max_daily_loss
        self._max_drawdown = risk.max_daily_drawdown
        self._max_positions = risk.max_positions
        self._max_leverage = risk.max_leverage
        self._adverse_move = risk.adverse_move
        self.traded: dict[str, int] = {}

    def judge(self, case: Case) -> Reason | None:
        """Return why the case is refused, None where it may pass with the quantity it has left."""
        return (
            self._switch(case)
            or self._state(case)
            or self._daily_loss(case)
            or self._trade_loss(case)
            or self._positions(case)
            or self._duplicate(case)
            or self._cool_down(case)
            or self._breaker(case)
            or self._size(case)
            or self._known_symbol(case)
            or self._stale(case)
            or self._policy(case)
        )

    def loss_readings(self, equity: float) -> tuple[LimitReading, LimitReading]:
        """Compare the loss from the day's start, and the one from its peak, with their limits."""
        start, peak = self._day.losses(equity)
        most, most_from_peak = self._max_loss, self._max_drawdown
        return (
            LimitReading("daily_loss_from_start", start, most, start <= most),
            LimitReading("daily_loss_from_peak", peak, most_from_peak, peak <= most_from_peak),
        )

    def account_readings(self, equity: float, *, breaker_open: bool) -> list[LimitReading]:
        """Return where the account stands against the limits that need no signal."""
        active, level = float(self._kill_switch.active), LEVELS[self._states.state]
        held = self._account.positions()
        count, most = self._exposure.count(held), self._max_positions
        total = self._exposure.total(held)
        leverage = None if total is None else _share(total, equity)
        most_leverage = self._max_leverage
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
        if self._kill_switch.active:
            case.readings.append(_STOPPED)
            return "kill_switch_active"
        case.readings.append(_GOES_ON)
        return None

    def _state(self, case: Case) -> Reason | None:
        state = self._states.state
        if state == "reduce_only" and case.change:
            case.quantity = min(case.quantity, case.reducible)
        quantity = case.quantity
        reduces = quantity <= case.reducible and (quantity > 0 or not case.change)
        if state == "active":
            case.readings.append(_ACTIVE_REDUCES if reduces else _ACTIVE)
            return None
        level, highest = LEVELS[state], LEVELS["reduce_only" if reduces else "active"]
        case.readings.append(LimitReading("trading_state", level, highest, level <= highest))
        if level <= highest:
            return None
        return "trading_halted" if state == "halted" else "reduce_only"

    def _daily_loss(self, case: Case) -> Reason | None:
        from_start, from_peak = self.loss_readings(case.equity)
        case.readings.append(from_start)
        if not from_start.passed:
            return "daily_loss_limit_exceeded"
        case.readings.append(from_peak)
        return None if from_peak.passed else "daily_loss_limit_exceeded"

    def _trade_loss(self, case: Case) -> Reason | None:
        most, unit = case.limits.max_trade_loss, case.unit
        opening = case.quantity - case.reducible
        if opening <= 0 or unit is None:
            value = 0.0 if opening <= 0 else None
            case.readings.append(LimitReading("trade_loss", value, most, passed=True))
            return None
        stop_price, equity = case.signal.stop_price, case.equity
        loss = opening * possible_loss(
            case.instrument, unit, case.change, stop_price, self._adverse_move
        )
        share = loss / equity if equity > 0.0 else math.inf
        case.readings.append(LimitReading("trade_loss", share, most, share <= most))
        return None if share <= most else "per_trade_loss_limit_exceeded"

    def _positions(self, case: Case) -> Reason | None:
        limits, symbol = case.limits, case.signal.symbol
        opens = case.change != 0 and case.quantity > case.reducible
        there = case.most_long != 0 or case.most_short != 0
        case.others = self._exposure.count(case.positions, symbol)
        value, most = case.others + (opens or there), limits.max_positions
        passed = value <= most or there or not opens
        case.readings.append(LimitReading("positions", value, most, passed))
        if passed and limits.strategy_positions is not None:
            strategy, held = case.signal.strategy_id, case.held
            value = self._exposure.count_of(strategy, symbol) + (opens or held)
            most = limits.strategy_positions
            passed = value <= most or held or not opens
            case.readings.append(LimitReading("positions_of_strategy", value, most, passed))
        return None if passed else "max_position_limit_reached"

    def _duplicate(self, case: Case) -> Reason | None:
        change = case.change
        passed = change != 0
        case.readings.append(LimitReading("change", abs(change), 1.0, passed))
        return None if passed else "duplicate_position"

    def _cool_down(self, case: Case) -> Reason | None:
        least_ns = case.limits.cool_down_ns
        if not least_ns:
            return None
        last_ns = self.traded.get(case.signal.symbol)
        since_ns = None if last_ns is None else case.now_ns - last_ns
        passed = case.reduces or since_ns is None or since_ns >= least_ns
        since_s = None if since_ns is None else since_ns / NS_PER_SECOND
        least_s = least_ns / NS_PER_SECOND
        case.readings.append(LimitReading("cool_down_s", since_s, least_s, passed))
        return None if passed else "cool_down_active"

    def _breaker(self, case: Case) -> Reason | None:
        case.readings.append(_OPEN if case.breaker_open else _CLOSED)
        return "circuit_breaker_open" if case.breaker_open else None

    def _size(self, case: Case) -> Reason | None:
        """Cut the quantity to whole units that fit under quantity, notional and leverage."""
        limits, taken, asked = case.limits, case.room_taken, case.quantity
        fits, wanted = limits.max_quantity - taken, taken + asked
        value = float(wanted) if wanted > 0 else 0.0
        case.readings.append(LimitReading("quantity", value, limits.max_quantity, fits > 0))
        if fits <= 0:
            return "notional_limit_exceeded"
        if fits < asked:
            case.quantity = fits
        unit, max_notional, max_leverage = case.unit, limits.max_notional, self._max_leverage
        if unit is None:
            case.readings.append(LimitReading("notional", None, max_notional, passed=True))
            case.readings.append(LimitReading("leverage", None, max_leverage, passed=True))
            return None
        long_unit, short_unit = unit
        long, short, equity = case.most_long, case.most_short, max(case.equity, 0.0)
        if case.change > 0:
            side_unit, long = long_unit, long + asked
        else:
            side_unit, short = short_unit, short - asked
        exposure = max(long * long_unit, -short * short_unit, 0.0)
        most = max_notional * equity
        # What fits as it was asked takes no division.
        passed = wanted * side_unit <= most > 0.0 or _cut(case, most, side_unit)
        share = exposure / equity if equity else _share(exposure, equity)
        case.readings.append(LimitReading("notional", share, max_notional, passed))
        if not passed:
            return "notional_limit_exceeded"
        others: float | None = 0.0
        if case.others:
            others = self._exposure.total(case.positions, case.signal.symbol)
        left = 0.0 if others is None else max_leverage * equity - others
        passed = wanted * side_unit <= left > 0.0 or _cut(case, left, side_unit)
        leverage = None if others is None else _share(exposure + others, equity)
        case.readings.append(LimitReading("leverage", leverage, max_leverage, passed))
        return None if passed else "notional_limit_exceeded"

    def _known_symbol(self, case: Case) -> Reason | None:
        known = case.unit is not None
        case.readings.append(LimitReading("price", case.price, None, known))
        return None if known else "unknown_symbol"

    def _stale(self, case: Case) -> Reason | None:
        signal, most_ns = case.signal, case.limits.max_data_age_ns
        symbol, tick_ns = signal.symbol, signal.tick_time_ns
        price_ns = self._account.price_time_ns(symbol)
        rests_on_ns = tick_ns if price_ns is None or tick_ns < price_ns else price_ns
        age_ns = case.now_ns - rests_on_ns
        age_s, most_s = age_ns / NS_PER_SECOND, most_ns / NS_PER_SECOND
        # A price from so far ahead says that one of two clocks is wrong: its age is unknown.
        passed = -most_ns <= age_ns <= most_ns
        case.readings.append(LimitReading("data_age_s", age_s, most_s, passed))
        if not passed:
            return "stale_market_data"
        newest = self._memory.newest(signal.strategy_id, symbol)
        if newest is not None and tick_ns < newest.signal.tick_time_ns:
            behind_s = (newest.signal.tick_time_ns - tick_ns) / NS_PER_SECOND
            case.readings.append(LimitReading("signal_behind_s", behind_s, 0.0, passed=False))
            return "stale_market_data"
        return None

    def _policy(self, case: Case) -> Reason | None:
        if not case.signal.policy_expired:
            return None
        passed = case.reduces
        case.readings.append(LimitReading("policy_expired", 1.0, 0.0, passed))
        return None if passed else "policy_expired"


def _cut(case: Case, amount: float, unit: float) -> bool:
    """Cut the quantity so that it fits under ``amount`` with what is taken; tell if any does."""
    room = units_within(amount, unit) - case.room_taken
    if room < 1:
        return False
    if room < case.quantity:
        case.quantity = int(room)
    return True


def _share(amount: float, equity: float) -> float:
    return amount / equity if equity > 0.0 else math.inf if amount else 0.0
