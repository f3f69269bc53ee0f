"""What a desk counts, and what it did in the end."""

import msgspec

from alchemiser_cli.trading.book import AccountSnapshot, Book
from alchemiser_cli.trading.decisions import Decision

__all__ = ["DeskResult", "EquityPoint", "Tally"]

MOST_POINTS = 20_000


class EquityPoint(msgspec.Struct, frozen=True, array_like=True):
    """Equity after the last tick of a time; ``at_ns`` in UTC nanoseconds."""

    at_ns: int
    equity: float


class DeskResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a desk did, and the account at its end.

    ``denied`` counts refusals by reason. ``by_strategy`` counts signals; ``disabled`` says why a
    strategy is not, or no longer, there. ``audit_head`` is the hash of the trail's last line.
    """

    run_id: str
    broker: str
    ticks: int
    signals: int
    approved: int
    denied: dict[str, int]
    orders: int
    fills: int
    by_strategy: dict[str, int]
    disabled: dict[str, str]
    account: AccountSnapshot
    equity_curve: list[EquityPoint]
    trail: str
    audit_head: str


class Tally:
    """Counts of one run, and the account's equity over time."""

    def __init__(self) -> None:
        """Count from zero."""
        self.ticks = 0
        self.approved = 0
        self.denied: dict[str, int] = {}
        self.by_strategy: dict[str, int] = {}
        self.curve: list[EquityPoint] = []
        self._every = 1
        self._skipped = 0

    @property
    def signals(self) -> int:
        """All signals."""
        return sum(self.by_strategy.values())

    def decided(self, decision: Decision) -> None:
        """Count a signal and its decision."""
        strategy = decision.signal.strategy_id
        self.by_strategy[strategy] = self.by_strategy.get(strategy, 0) + 1
        if decision.approved:
            self.approved += 1
        else:
            self.denied[decision.reason] = self.denied.get(decision.reason, 0) + 1

    def valued(self, at_ns: int, book: Book) -> None:
        """Take a point of the equity curve, which keeps at most ``MOST_POINTS`` evenly."""
        self._skipped += 1
        if self._skipped < self._every:
            return
        self._skipped = 0
        self.curve.append(EquityPoint(at_ns, book.equity))
        if len(self.curve) >= MOST_POINTS:
            self.curve = self.curve[::2]
            self._every *= 2
