"""Asking for a fault: what is asked must exist, be possible there, make sense, and have an end."""

import difflib
import math
import re
from collections.abc import Callable

from alchemiser_cli.errors import FaultImpossibleError, FaultTargetNotFoundError
from alchemiser_cli.faults import Fault, FaultKind, FaultTarget, fault_points
from alchemiser_cli.faults.proxies import PROXY_PREFIX, proxy_target
from alchemiser_cli.settings import Settings

__all__ = ["asked", "checked_begin", "checked_duration", "find_target"]

_PROXY = re.compile(rf"{re.escape(PROXY_PREFIX)}[a-z0-9]+([_-][a-z0-9]+)*")

_AMOUNTS: dict[FaultKind, tuple[str, Callable[[float], bool]]] = {
    FaultKind.DELAY: ("how many seconds, more than 0", lambda amount: amount > 0),
    FaultKind.SKEW: ("by how many seconds, back or forth", lambda amount: amount != 0),
    FaultKind.THROTTLE: ("how many bytes a second, more than 0", lambda amount: amount > 0),
    FaultKind.DELETE: (
        "how many records, a whole number from 1",
        lambda amount: amount >= 1 and amount == int(amount),
    ),
}


def find_target(name: str) -> FaultTarget:
    """Return what is called ``name``: a fault point, a condition, or a proxy wherever it runs.

    Raises:
        FaultTargetNotFoundError: ``fault-target-not-found``.
    """
    point = fault_points().get(name)
    if point is not None:
        return point.target
    if _PROXY.fullmatch(name):
        return proxy_target(name)
    names = sorted(fault_points())
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    raise FaultTargetNotFoundError(
        f"there is no target {name!r}",
        why=f"There are {len(names)} targets, and none has this name.",
        next_step=f"Did you mean {', '.join(near)}?" if near else "See: alchemiser chaos list",
        context={"target": name},
    )


def asked(
    target: str,
    word: str,
    *,
    probability: float = 1.0,
    amount: float = 0.0,
    count: int | None = None,
    every_s: float | None = None,
    active_s: float | None = None,
    seed: int = 0,
) -> Fault:
    """Return the fault that ``word`` asks for at ``target``: an error code, a resource, a kind.

    ``amount`` is seconds, bytes a second or a number, as the kind has it; ``every_s`` and
    ``active_s`` are seconds.

    Raises:
        FaultTargetNotFoundError: ``fault-target-not-found``.
        FaultImpossibleError: ``fault-impossible``.
    """
    known = find_target(target)
    kind = known.kind_of(word)
    if kind is None:
        near = difflib.get_close_matches(word, known.words, n=1)
        raise FaultImpossibleError(
            f"{target} cannot do {word!r}",
            why=f"It can: {', '.join(known.words)}.",
            next_step=f"Did you mean {near[0]}?"
            if near
            else f"See: alchemiser chaos list {target}",
            context={"target": target, "word": word},
        )
    if not 0 <= probability <= 1:  # also not a number
        raise _impossible(f"the probability {probability:g}", "It must lie between 0 and 1")
    _check_amount(kind, amount)
    if count is not None and count < 1:
        raise _impossible(
            f"the count {count}", "A fault that may strike is to strike once at least"
        )
    _check_schedule(every_s, active_s)
    return Fault(
        kind=kind,
        word="" if word == kind else word,
        amount=amount,
        probability=probability,
        count=count,
        every_s=every_s,
        active_s=active_s,
        seed=seed,
    )


def checked_duration(settings: Settings, duration_s: float | None) -> float:
    """Return the duration in seconds, if it is one that a fault may have.

    Raises:
        FaultImpossibleError: ``fault-impossible``: none, endless, too long or not positive.
    """
    longest_s = settings.chaos.max_duration_s
    if duration_s is None or not math.isfinite(duration_s):
        raise _impossible(
            "a fault without an end",
            "What breaks on purpose must heal by itself, also when whoever broke it is gone",
            f"Give --duration in seconds, at most {longest_s:g}",
        )
    if duration_s <= 0:
        raise _impossible(f"the duration {duration_s:g} s", "It must be more than 0")
    if duration_s > longest_s:
        raise _impossible(
            f"the duration {duration_s:g} s",
            f"chaos.max_duration_s allows {longest_s:g}",
            "Choose a shorter one, or raise the setting in the profile",
        )
    return duration_s


def checked_begin(settings: Settings, begins_in_s: float) -> float:
    """Return the seconds until a fault begins, if it may begin that late.

    Raises:
        FaultImpossibleError: ``fault-impossible``.
    """
    longest_s = settings.chaos.max_duration_s
    if not 0 <= begins_in_s <= longest_s:
        raise _impossible(
            f"a begin in {begins_in_s:g} s", f"It must lie between 0 and {longest_s:g} s from now"
        )
    return begins_in_s


def _check_amount(kind: FaultKind, amount: float) -> None:
    meaning = _AMOUNTS.get(kind)
    if meaning is None:
        if amount:
            raise _impossible(f"the amount {amount:g}", f"For {kind} an amount means nothing")
        return
    says, fits = meaning
    if not (math.isfinite(amount) and fits(amount)):
        raise _impossible(
            f"the amount {amount:g}", f"For {kind} it says {says}", "Give it with --amount"
        )


def _check_schedule(every_s: float | None, active_s: float | None) -> None:
    if every_s is None:
        if active_s is not None:
            raise _impossible("--active without --every", "It is a part of each period")
        return
    if not (math.isfinite(every_s) and every_s > 0):
        raise _impossible(f"the period {every_s:g} s", "It must be more than 0")
    if active_s is None:
        raise _impossible(
            "--every without --active",
            "Without it the fault would be there all the time",
            "Say for how many seconds of each period it is there, with --active",
        )
    if not 0 < active_s <= every_s:
        raise _impossible(f"{active_s:g} s of every {every_s:g} s", "It must be a part of them")


def _impossible(
    what: str, why: str, next_step: str = "Choose another value"
) -> FaultImpossibleError:
    return FaultImpossibleError(
        f"{what} cannot be injected", why=f"{why}.", next_step=f"{next_step}."
    )
