"""The sentence that sums up why a symbol was not traded."""

import difflib
from collections.abc import Mapping, Sequence

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.trading.decisions import REASONS
from alchemiser_cli.trading.why.surroundings import Scene

__all__ = ["reason_text", "said_of"]

_NAMED = 5


def reason_text(reason: str) -> str:
    """Return what ``reason`` says to people: a decision's in full, a broker's as it stands."""
    words: Mapping[str, str] = REASONS  # type: ignore[assignment]  # any word may be asked for
    return words.get(reason, reason)


def said_of(
    symbol: str,
    at_ns: int,
    window_s: float,
    *,
    by_reason: Mapping[str, int],
    holds: Sequence[tuple[str, str]],
    approved: Sequence[str],
    approvals: int,
    scene: Scene,
) -> str:
    """Sum up what was found of ``symbol``, or why nothing was; ``by_reason`` has the most first."""
    when = f"within {duration_text(window_s)} of {iso_from_ns(at_ns)[:19]}Z"
    also = f" {_approved(approved, approvals)}" if approved else ""
    if by_reason:
        reason, most = next(iter(by_reason.items()))
        count = sum(by_reason.values())
        often = f"{most:,} of them because" if most < count else "because"
        return (
            f"{_many(count, 'signal')} of {symbol} {'was' if count == 1 else 'were'} refused "
            f"{when}, {often} {reason_text(reason)}.{also}"
        )
    if holds:
        strategy, reason = holds[0]
        return f"No signal of {symbol} was refused {when}: {strategy} held, {reason}.{also}"
    if approved:
        return f"No signal of {symbol} was refused {when}. {_approved(approved, approvals)}"
    return _nothing(symbol, when, scene)


def _nothing(symbol: str, when: str, scene: Scene) -> str:
    if scene.nearest_ns is not None:
        nearest = f"{iso_from_ns(scene.nearest_ns)[:19]}Z"
        return (
            f"Nothing of {symbol} is on record {when}. The nearest line about it is of {nearest}."
        )
    if scene.others:
        others = sorted(scene.others)
        near = difflib.get_close_matches(symbol, others, n=1)
        named = ", ".join(others[:_NAMED]) + (" and others" if len(others) > _NAMED else "")
        meant = f" Did you mean {near[0]}?" if near else ""
        return (
            f"No line of the audit trail is about {symbol}, {when} or ever: no tick of it was "
            f"seen, or no strategy looks at it. At that time it tells of {named}.{meant}"
        )
    if not scene.running:
        return f"No run was under way {when}, so no tick of {symbol} was seen."
    return f"Nothing at all is on record {when}: no tick was seen, of {symbol} or another symbol."


def _approved(approved: Sequence[str], count: int) -> str:
    verb = "was" if count == 1 else "were"
    nearest = "the nearest" if count > 1 else "see"
    return f"{_many(count, 'trade')} {verb} approved, {nearest}: alchemiser trade why {approved[0]}"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
