"""A rule at work: a memory for each symbol, positions from sides, and a model that may say no."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import inf

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.signals import Hold, Intent, ModelStamp
from alchemiser_cli.trading.strategies.answers import LARGEST_TARGET
from alchemiser_cli.trading.strategies.parameters import RuleParameters
from alchemiser_cli.trading.strategies.probability import WinModel
from alchemiser_cli.trading.strategies.rule import Rule, RuleMemory
from alchemiser_cli.trading.strategies.symbols import SymbolChoice

__all__ = ["RuleStrategy"]

HOLDS = Hold("holds what it wants")
FLAT = Hold("sees no trade")
UNLIKELY = Hold("the model gives the trade too little chance")
TOO_SMALL = Hold("the allocation is less than one unit")


class _Seat:
    """What is kept of one symbol: the rule's memory, and the position that was wanted last."""

    __slots__ = ("confidence", "memory", "multiplier", "opened", "wanted")

    def __init__(self, memory: RuleMemory, multiplier: float) -> None:
        self.memory = memory
        self.multiplier = multiplier
        self.wanted: int | None = None
        self.opened = False
        self.confidence: float | None = None


class RuleStrategy:
    """A strategy of a built-in kind; it follows the contract ``Strategy``.

    With ``load_model``, a side is taken only when the model gives the trade ``min_confidence``; a
    position that is held ends by the rule alone.
    """

    def __init__(
        self,
        strategy_id: str,
        param_hash: str,
        rule: Rule,
        parameters: RuleParameters,
        symbols: Sequence[str],
        multiplier: int,
        load_model: Callable[[], WinModel] | None = None,
    ) -> None:
        """Prepare; nothing is read before ``load``. ``multiplier`` is that of contracts."""
        self.strategy_id = strategy_id
        self.param_hash = param_hash
        self.policy_expired = False
        self._rule = rule
        self._parameters = parameters
        self._symbols = SymbolChoice(symbols)
        self._multiplier = multiplier
        self._load_model = load_model
        self._model: WinModel | None = None
        self._seats: OrderedDict[str, _Seat] = OrderedDict()

    @property
    def model(self) -> ModelStamp | None:
        """The model that it asks; None for a rule alone."""
        return None if self._model is None else self._model.stamp

    def wants(self, symbol: str) -> bool:
        """Tell whether it looks at ticks of ``symbol``."""
        return symbol in self._symbols

    def load(self) -> None:
        """Read the model, if there is to be one.

        Raises:
            StrategyModelError: ``strategy-model-unusable``.
        """
        if self._load_model is not None:
            self._model = self._load_model()

    def features(self, tick: Tick) -> Mapping[str, float] | None:
        """Take in ``tick``; None while there is too little history, and for an impossible price."""
        if not 0.0 < tick.price < inf:
            return None
        return self._seat(tick.symbol).memory.update(tick)

    def signal(
        self, tick: Tick, features: Mapping[str, float], account: AccountView
    ) -> Sequence[Intent] | Hold:
        """Return the position that the rule wants after this tick, or that it stays as it is."""
        symbol = tick.symbol
        seat = self._seat(symbol)
        position = account.position(self.strategy_id, symbol)
        before = self._wanted(seat, position)
        held = (before > 0) - (before < 0)
        side = self._rule.side(features, held)
        if side < 0 and not self._parameters.allow_short:
            side = 0
        refused = False
        if side and side != held and self._model is not None:
            seat.confidence = self._model.probability(features, side)
            if seat.confidence < self._parameters.min_confidence:
                side, refused = 0, True
        target = self._target(seat, tick, features, account, side, before) if side else 0
        seat.wanted = target
        if target == position and target == before:
            if target:
                return HOLDS
            return UNLIKELY if refused else TOO_SMALL if side else FLAT
        stop = self._rule.stop(features, tick.price, side) if target else None
        return (
            Intent(
                symbol=symbol,
                target=target,
                reason=_words(target, before),
                confidence=seat.confidence if target else None,
                stop_price=stop,
            ),
        )

    def _seat(self, symbol: str) -> _Seat:
        seats = self._seats
        seat = seats.get(symbol)
        if seat is None:
            if len(seats) >= self._parameters.max_symbols:
                seats.popitem(last=False)
            instrument = instrument_of(symbol, self._multiplier)
            seat = seats[symbol] = _Seat(self._rule.memory(), instrument.multiplier)
        else:
            seats.move_to_end(symbol)
        return seat

    @staticmethod
    def _wanted(seat: _Seat, position: int) -> int:
        """Return what was wanted last: the position after a start, 0 once others closed it."""
        if seat.wanted is None:
            seat.opened = position != 0
            return position
        if position:
            seat.opened = True
        elif seat.opened:
            seat.opened = False
            return 0
        return seat.wanted

    def _target(
        self,
        seat: _Seat,
        tick: Tick,
        features: Mapping[str, float],
        account: AccountView,
        side: int,
        before: int,
    ) -> int:
        """Return the signed position on ``side``; one that is on it already is kept or resized."""
        same_side = before * side > 0
        rebalance = self._rule.rebalance
        if same_side and (rebalance is None or self._parameters.quantity is not None):
            return before
        quantity = self._parameters.quantity
        if quantity is None:
            share = self._parameters.allocation * self._rule.scale(features)
            units = max(share * account.equity, 0.0) // (tick.price * seat.multiplier)
            quantity = int(min(units, LARGEST_TARGET))
        if (
            same_side
            and rebalance is not None
            and abs(abs(before) - quantity) <= rebalance * quantity
        ):
            return before
        return side * quantity


def _words(target: int, before: int) -> str:
    if target == 0:
        return "closes"
    if before * target > 0:
        return "still wants its position" if target == before else "resizes"
    verb = "turns" if before else "opens"
    return f"{verb} long" if target > 0 else f"{verb} short"
