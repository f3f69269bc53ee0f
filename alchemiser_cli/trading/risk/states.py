"""The state of trading: active, only reductions, or halted; who moved it there, and why."""

from typing import Literal, get_args

import msgspec

__all__ = ["LEVELS", "StateChange", "TradingState", "TradingStates"]

TradingState = Literal["active", "reduce_only", "halted"]
LEVELS: dict[TradingState, float] = {"active": 0.0, "reduce_only": 1.0, "halted": 2.0}
"""States as numbers, from free to stopped."""


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the state of trading; ``at_ns`` in UTC nanoseconds."""

    state: TradingState
    previous: TradingState
    reason: str
    at_ns: int


class TradingStates:
    """The state now. What the breaker reduced goes on when it closes; all else is by hand."""

    def __init__(self) -> None:
        """Start active."""
        self.state: TradingState = "active"
        self.by_breaker = False

    def change(self, state: str, reason: str, at_ns: int) -> StateChange | None:
        """Go to ``state``; None where it is there already.

        Raises:
            ValueError: There is no such state.
        """
        if state not in get_args(TradingState):
            raise ValueError(f"{state!r} is no state of trading: {', '.join(LEVELS)}")
        previous, self.by_breaker = self.state, False
        self.state = next(one for one in LEVELS if one == state)
        if previous == state:
            return None
        return StateChange(state=self.state, previous=previous, reason=reason, at_ns=at_ns)

    def follow_breaker(self, at_ns: int, *, is_open: bool) -> StateChange | None:
        """Reduce where the breaker is open, go on where it closed again; never lift a halt."""
        if is_open and self.state == "active":
            change = self.change("reduce_only", "circuit_breaker_open", at_ns)
            self.by_breaker = True
            return change
        if not is_open and self.by_breaker:
            return self.change("active", "circuit_breaker_closed", at_ns)
        return None
