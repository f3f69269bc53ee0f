"""Decisions that were taken: a signal that comes again gets the same one."""

from alchemiser_cli.trading.decisions import Decision

__all__ = ["REMEMBERED", "DecisionMemory"]

REMEMBERED = 20_000


class DecisionMemory:
    """The last 20,000 decisions by signal, and the newest of each strategy and symbol.

    One that is forgotten rests on an older tick than the newest of its strategy and symbol, and so
    it is late: it may be refused twice and is never approved twice.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._by_signal: dict[str, Decision] = {}
        self._newest: dict[tuple[str, str], Decision] = {}

    def get(self, signal: str) -> Decision | None:
        """Return the decision about the signal of this id, None where it is not known."""
        return self._by_signal.get(signal)

    def newest(self, strategy: str, symbol: str) -> Decision | None:
        """Return the decision about the newest tick of a strategy's symbol."""
        return self._newest.get((strategy, symbol))

    def add(self, decision: Decision) -> None:
        """Remember a decision."""
        signal = decision.signal
        known = self._by_signal
        known[signal.signal_id] = decision
        if len(known) > REMEMBERED:
            del known[next(iter(known))]
        if decision.reason == "flatten":  # no tick led to it, and none is late by it
            return
        pair = (signal.strategy_id, signal.symbol)
        newest = self._newest.get(pair)
        if newest is None or signal.tick_time_ns >= newest.signal.tick_time_ns:
            self._newest[pair] = decision
