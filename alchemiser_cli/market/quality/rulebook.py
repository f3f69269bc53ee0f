"""The rules of plausibility, as data: each has a name, a sentence and a function."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market.quality.levels import PRICE_JUMP, PriceLevels
from alchemiser_cli.market.quality.violation import Violation
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.sections import QualityRule

__all__ = ["Circumstances", "Rule", "rules"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a rule may ask about: known ``symbols`` (none: any), the time, the price levels."""

    symbols: frozenset[str]
    now_ns: int
    max_ahead_ns: int
    levels: PriceLevels


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``judge`` returns why a tick breaks it, or None."""

    name: QualityRule
    sentence: str
    judge: Callable[[Tick, Circumstances], Violation | None]


def rules() -> tuple[Rule, ...]:
    """Return every rule in the order in which they are asked; the first one broken is named."""
    return _RULES


def _unknown_symbol(tick: Tick, circumstances: Circumstances) -> Violation | None:
    if not circumstances.symbols or tick.symbol in circumstances.symbols:
        return None
    return Violation("unknown-symbol", f"{tick.symbol} is not a listed symbol", {})


def _non_finite(tick: Tick, _: Circumstances) -> Violation | None:
    for name, value in _numbers(tick):
        if not math.isfinite(value):
            return Violation("non-finite", f"{name} is {value}", {name: value})
    return None


def _non_positive(tick: Tick, _: Circumstances) -> Violation | None:
    for name, value in _numbers(tick):
        if name == "implied_volatility":
            continue
        if value < 0 or (value == 0 and name != "size"):
            return Violation("non-positive", f"{name} is {value:g}", {name: value})
    return None


def _crossed_book(tick: Tick, _: Circumstances) -> Violation | None:
    bid, ask = tick.bid, tick.ask
    if bid is None or ask is None or not bid > ask:
        return None
    return Violation("crossed-book", f"bid {bid:g} is above ask {ask:g}", {"bid": bid, "ask": ask})


def _inconsistent_bar(tick: Tick, _: Circumstances) -> Violation | None:
    low = -math.inf if tick.low is None else tick.low
    high = math.inf if tick.high is None else tick.high
    if low > high:
        return Violation(
            "inconsistent-bar", f"low {low:g} is above high {high:g}", {"low": low, "high": high}
        )
    for name, value in (("price", tick.price), ("open", tick.open)):
        if value is not None and (value < low or value > high):
            return Violation(
                "inconsistent-bar",
                f"{name} {value:g} is outside low {low:g} to high {high:g}",
                {name: value, "low": low, "high": high},
            )
    return None


def _clock_ahead(tick: Tick, circumstances: Circumstances) -> Violation | None:
    ahead_ns = tick.event_time_ns - circumstances.now_ns
    if ahead_ns <= circumstances.max_ahead_ns:
        return None
    ahead_s = ahead_ns / NS_PER_SECOND
    allowed_s = circumstances.max_ahead_ns / NS_PER_SECOND
    return Violation(
        "clock-ahead",
        f"its time is {ahead_s:g} s ahead of ours, and {allowed_s:g} s is allowed",
        {"ahead_s": ahead_s, "max_ahead_s": allowed_s},
    )


def _price_jump(tick: Tick, circumstances: Circumstances) -> Violation | None:
    return circumstances.levels.judge(tick.venue, tick.symbol, tick.price)


def _numbers(tick: Tick) -> Iterator[tuple[str, float]]:
    for name in (
        "price",
        "size",
        "bid",
        "ask",
        "open",
        "high",
        "low",
        "implied_volatility",
    ):
        value = getattr(tick, name)
        if value is not None:
            yield name, value


_RULES = (
    Rule("unknown-symbol", "Symbols are listed, and this is none of them.", _unknown_symbol),
    Rule("non-finite", "A number is NaN or infinite.", _non_finite),
    Rule("non-positive", "A price is not above zero, or a size is below it.", _non_positive),
    Rule("crossed-book", "The bid is above the ask; equal ones are a locked book.", _crossed_book),
    Rule(
        "inconsistent-bar",
        "The low is above the high, or the open or the price is outside of them.",
        _inconsistent_bar,
    ),
    Rule("clock-ahead", "The event's time is further ahead of ours than allowed.", _clock_ahead),
    Rule(  # the last one, for it learns the price that it finds plausible
        PRICE_JUMP,
        "The price is further from the symbol's recent median than robust deviations allow.",
        _price_jump,
    ),
)
