"""What a strategy answers, taken over piece by piece: what makes no sense is refused."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from alchemiser_cli.trading.signals import Hold, Intent

__all__ = ["LARGEST_TARGET", "NonsenseError", "checked_answer", "checked_features"]

LARGEST_TARGET = 2**53  # beyond it a float does not count whole units any more


class NonsenseError(ValueError):
    """A strategy's answer is none; the message says what is wrong with it."""


def checked_features(features: Any) -> dict[str, float] | None:
    """Return features as a plain dictionary of finite floats; None stays None.

    Raises:
        NonsenseError: They are no mapping of names to finite numbers.
    """
    if features is None:
        return None
    if not isinstance(features, Mapping):
        raise NonsenseError(f"its features are {type(features).__name__}, no mapping")
    plain = dict(features)
    for name, value in plain.items():
        if type(name) is not str:
            raise NonsenseError(f"the name of its feature {name!r} is no text")
        if type(value) is not float:
            plain[name] = _number(name, value)  # its size stays, so the loop may go on
        if not math.isfinite(plain[name]):
            raise NonsenseError(f"its feature {name!r} is {value}")
    return plain


def checked_answer(answer: Any) -> Hold | tuple[Intent, ...]:
    """Return a strategy's answer: a hold, or intents for one symbol each.

    No intents are a hold.

    Raises:
        NonsenseError: It is neither, or an intent of it makes no sense.
    """
    if isinstance(answer, Hold):
        if type(answer.reason) is not str:
            raise NonsenseError("the reason of its hold is no text")
        return answer
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise NonsenseError(f"it returned {type(answer).__name__}, neither intents nor a hold")
    intents = tuple(answer)
    for intent in intents:
        _refuse_nonsense(intent)
    if len(intents) > 1 and len({intent.symbol for intent in intents}) < len(intents):
        raise NonsenseError("it gave two intents for one symbol")
    return intents or Hold("has no intent")


def _refuse_nonsense(intent: Any) -> None:
    if not isinstance(intent, Intent):
        raise NonsenseError(f"one of its intents is {type(intent).__name__}")
    if type(intent.symbol) is not str or not intent.symbol:
        raise NonsenseError(f"the symbol of its intent is {intent.symbol!r}")
    if type(intent.target) is not int or abs(intent.target) > LARGEST_TARGET:
        raise NonsenseError(f"its target for {intent.symbol} is {intent.target!r}, no whole number")
    if type(intent.reason) is not str:
        raise NonsenseError(f"the reason of its intent for {intent.symbol} is no text")
    if intent.confidence is not None and not (
        isinstance(intent.confidence, float | int) and 0.0 <= intent.confidence <= 1.0
    ):
        raise NonsenseError(f"its confidence is {intent.confidence!r}, no probability")
    if intent.stop_price is not None and not (
        isinstance(intent.stop_price, float | int) and 0.0 < intent.stop_price < math.inf
    ):
        raise NonsenseError(f"its stop price is {intent.stop_price!r}, no price")


def _number(name: str, value: Any) -> float:
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise NonsenseError(f"its feature {name!r} is {type(value).__name__}, no number")
    try:
        return float(value)
    except OverflowError:
        raise NonsenseError(f"its feature {name!r} is beyond every float") from None
