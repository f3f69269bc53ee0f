"""The trades that a rule would have made: what it saw, on which side, and whether they won."""

import hashlib
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.trading.strategies.parameters import RuleParameters
from alchemiser_cli.trading.strategies.probability import model_inputs
from alchemiser_cli.trading.strategies.rule import Rule
from alchemiser_cli.trading.strategies.symbols import SymbolChoice

__all__ = ["TradeHistory", "trades_of"]


@dataclass
class TradeHistory:
    """Trades in the order of their entries; each list has one item a trade.

    ``inputs`` are rows for a model. ``entered_ns`` and ``ended_ns`` are the times of the row of
    the entry and of the row at the horizon, in UTC nanoseconds. ``rows`` counts the ticks.
    """

    inputs: list[list[float]] = field(default_factory=list)
    won: list[bool] = field(default_factory=list)
    entered_ns: list[int] = field(default_factory=list)
    ended_ns: list[int] = field(default_factory=list)
    rows: int = 0
    symbols: set[str] = field(default_factory=set)
    first_event_time_ns: int = 0
    last_event_time_ns: int = 0
    sha256: str = ""

    def __len__(self) -> int:
        """Return how many trades there are."""
        return len(self.won)


@dataclass
class _Entry:
    inputs: list[float]
    side: int
    price: float
    at_ns: int


def trades_of(
    rule: Rule, parameters: RuleParameters, symbols: SymbolChoice, ticks: Iterable[Tick]
) -> TradeHistory:
    """Return a trade for every row at which the rule, being flat, would take a side.

    A trade wins where the price ``parameters.horizon`` rows later, of the same symbol, lies on its
    side of the price at the entry. Costs are left out. Rows whose horizon lies beyond the data
    have no outcome and give none.

    Args:
        rule: What decides.
        parameters: Its horizon, and whether it may go short.
        symbols: Ticks of others are left out.
        ticks: In event-time order.
    """
    history, digest = TradeHistory(), hashlib.sha256()
    memories, waiting = {}, {}
    finished: list[tuple[_Entry, bool, int]] = []
    for tick in ticks:
        symbol, price, at_ns = tick.symbol, tick.price, tick.event_time_ns
        if symbol not in symbols or not 0.0 < price < inf:
            continue
        if symbol not in memories:
            memories[symbol] = rule.memory()
            waiting[symbol] = deque[_Entry | None]()
        _count(history, tick)
        digest.update(symbol.encode() + struct.pack("<qd", at_ns, price))
        open_entries = waiting[symbol]
        if len(open_entries) == parameters.horizon:
            entry = open_entries.popleft()
            if entry is not None:
                finished.append((entry, (price - entry.price) * entry.side > 0.0, at_ns))
        open_entries.append(_entry(rule, parameters, memories[symbol].update(tick), tick))
    finished.sort(key=lambda one: one[0].at_ns)
    for entry, won, ended_ns in finished:
        history.inputs.append(entry.inputs)
        history.won.append(won)
        history.entered_ns.append(entry.at_ns)
        history.ended_ns.append(ended_ns)
    history.sha256 = digest.hexdigest()
    return history


def _entry(
    rule: Rule, parameters: RuleParameters, features: dict[str, float] | None, tick: Tick
) -> _Entry | None:
    side = 0 if features is None else rule.side(features, 0)
    if features is None or side == 0 or (side < 0 and not parameters.allow_short):
        return None
    inputs = model_inputs(features, rule.features, side)
    return _Entry(inputs, side, tick.price, tick.event_time_ns)


def _count(history: TradeHistory, tick: Tick) -> None:
    if not history.rows:
        history.first_event_time_ns = tick.event_time_ns
    history.last_event_time_ns = tick.event_time_ns
    history.rows += 1
    history.symbols.add(tick.symbol)
