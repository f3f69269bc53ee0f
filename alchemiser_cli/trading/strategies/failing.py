"""How a strategy fails, in words and with its place."""

from typing import Literal

from alchemiser_cli.errors import StrategyExecutionError
from alchemiser_cli.market.ticks import Tick

__all__ = ["Failure", "failure_of"]

Failure = Literal["raised", "hung", "nonsense"]

_WHY: dict[Failure, str] = {
    "raised": "It raised {text}",
    "hung": "It took longer than trading.strategy_timeout_s, {text} s, over one tick, "
    "and was interrupted",
    "nonsense": "It answered nonsense: {text}",
}


def failure_of(
    strategy: str,
    reason: Failure,
    text: str,
    tick: Tick,
    *,
    broker: str,
    origin: str | None,
    failures_in_a_row: int,
) -> StrategyExecutionError:
    """Return the error for a strategy that failed at ``tick``; ``text`` says what it did."""
    return StrategyExecutionError(
        f"the strategy {strategy!r} failed at a tick of {tick.symbol}",
        why=f"{_WHY[reason].format(text=text)}.",
        next_step="The others go on. Mend or disable it: "
        f"set strategies.{strategy}.enabled to false and start trading again.",
        context={
            "strategy": strategy,
            "broker": broker,
            "reason": reason,
            "symbol": tick.symbol,
            "event_time_ns": tick.event_time_ns,
            "origin": origin,
            "failures_in_a_row": failures_in_a_row,
        },
    )
