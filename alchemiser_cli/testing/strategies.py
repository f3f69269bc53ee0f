"""The contract of a strategy as a test that every strategy can be put to, also a plugin's."""

from collections.abc import Callable, Mapping, Sequence

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.signals import Hold, Intent
from alchemiser_cli.trading.strategies.answers import (
    NonsenseError,
    checked_answer,
    checked_features,
)
from alchemiser_cli.trading.strategies.contract import Strategy

__all__ = ["ImmediateAccount", "StrategyContractError", "check_strategy"]

Step = tuple[dict[str, float] | None, Hold | tuple[Intent, ...] | None]


class StrategyContractError(AssertionError):
    """A strategy breaks the contract; the message says which sentence of it."""


class ImmediateAccount:
    """An account of one strategy that has every target at once, at the last price, without costs.

    It gives what ``AccountView`` asks for.
    """

    def __init__(self, initial_cash: float = 1_000_000.0) -> None:
        """Begin with cash and without positions."""
        self.initial_cash = initial_cash
        self.cash = initial_cash
        self.peak_equity = initial_cash
        self._positions: dict[str, int] = {}
        self._costs: dict[str, float] = {}
        self._prices: dict[str, tuple[float, int]] = {}

    @property
    def equity(self) -> float:
        """Cash and the value of all positions."""
        held = self._positions.items()
        return self.cash + sum(count * self._prices[symbol][0] for symbol, count in held)

    def mark(self, tick: Tick) -> None:
        """Take the price of a tick."""
        self._prices[tick.symbol] = (tick.price, tick.event_time_ns)
        self.peak_equity = max(self.peak_equity, self.equity)

    def fill(self, intent: Intent) -> None:
        """Trade to an intent's target; a symbol without a price is left alone."""
        if intent.symbol not in self._prices:
            return
        price, _ = self._prices[intent.symbol]
        change = intent.target - self._positions.get(intent.symbol, 0)
        self.cash -= change * price
        self._positions[intent.symbol] = intent.target
        self._costs[intent.symbol] = intent.target * price

    def position(self, strategy: str, symbol: str) -> int:  # noqa: ARG002  there is only one
        """Return the position, signed."""
        return self._positions.get(symbol, 0)

    def positions(self, strategy: str | None = None) -> Mapping[str, int]:  # noqa: ARG002  as above
        """Return positions by symbol without zeros."""
        return {symbol: count for symbol, count in self._positions.items() if count}

    def cost(self, strategy: str, symbol: str) -> float:  # noqa: ARG002  as above
        """Return what the position cost, signed."""
        return self._costs.get(symbol, 0.0)

    def price(self, symbol: str) -> float | None:
        """Return the last price, None where there was none."""
        return self._prices[symbol][0] if symbol in self._prices else None

    def price_time_ns(self, symbol: str) -> int | None:
        """Return that price's event time."""
        return self._prices[symbol][1] if symbol in self._prices else None


def check_strategy(make: Callable[[], Strategy], ticks: Sequence[Tick]) -> None:
    """Hold a strategy to its contract on ``ticks``, which are in event-time order.

    ``make`` returns a new strategy at each call, not loaded. Three of them are compared: two that
    are asked for everything, and one that is only shown the ticks, as at a warm start. They must
    agree in their names and hashes, in every feature and in every answer; features are finite and
    answers make sense; one at least of the ticks is wanted.

    Raises:
        StrategyContractError: A sentence of the contract is broken.
        StrategyModelError: ``strategy-model-unusable``, where its ``load`` says so.
    """
    first, second, shown = make(), make(), make()
    for strategy in (first, second, shown):
        strategy.load()
    _require(bool(first.strategy_id), "it has no strategy_id")
    names = {(one.strategy_id, one.param_hash) for one in (first, second, shown)}
    _require(len(names) == 1, "two of one kind differ in strategy_id or param_hash")
    digits = set(first.param_hash)
    hexadecimal = len(first.param_hash) == 16 and digits <= set("0123456789abcdef")
    _require(hexadecimal, "its param_hash has no 16 hexadecimal digits")
    _require(type(first.policy_expired) is bool, "policy_expired is neither True nor False")
    _require(any(first.wants(tick.symbol) for tick in ticks), "it wants none of the ticks")
    accounts = ImmediateAccount(), ImmediateAccount()
    for row, tick in enumerate(ticks):
        wanted = first.wants(tick.symbol)
        _require(type(wanted) is bool, f"wants({tick.symbol!r}) is neither True nor False")
        for account in accounts:
            account.mark(tick)
        if not wanted:
            continue
        where = f"at row {row}, {tick.symbol}, "
        one = _step(first, tick, accounts[0], where)
        _require(one == _step(second, tick, accounts[1], where), f"{where}two of one kind differ")
        features = _taken(shown, tick, where)
        _require(features == one[0], f"{where}its features depend on signal being called")


def _step(strategy: Strategy, tick: Tick, account: ImmediateAccount, where: str) -> Step:
    features = _taken(strategy, tick, where)
    if features is None:
        return None, None
    try:
        answer = checked_answer(strategy.signal(tick, features, account))
    except NonsenseError as error:
        raise StrategyContractError(f"{where}{error}") from error
    if not isinstance(answer, Hold):
        for intent in answer:
            account.fill(intent)
    return features, answer


def _taken(strategy: Strategy, tick: Tick, where: str) -> dict[str, float] | None:
    try:
        return checked_features(strategy.features(tick))
    except NonsenseError as error:
        raise StrategyContractError(f"{where}{error}") from error


def _require(holds: bool, broken: str) -> None:
    if not holds:
        raise StrategyContractError(broken)
