"""What being breakable costs: fault points, guarded calls and captures, with chaos off and on."""

import contextlib
import statistics
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, RegistryUnreachableError
from alchemiser_cli.errors.journal.measure import CaptureCost, measure_capture
from alchemiser_cli.faults import Armed, Fault, FaultKind, FaultPoint, FaultTarget, fault_point
from alchemiser_cli.resilience import BreakerPolicy, CircuitBreaker, Guard, Retry, RetryPolicy

__all__ = ["ErrorHandlingCost", "PointCost", "measure_error_handling", "measure_points"]

PASSES = 2_000  # short turns: what else runs on the machine interrupts few of them
STRIKES = 200
TURNS = 100
IN_FORCE_S = 3_600.0

_POINT = FaultPoint(
    FaultTarget(name="bench.place", summary="a place that only the benchmark passes")
)
_NEVER = Fault(kind=FaultKind.DROP, probability=0.0)
_ALWAYS = Fault(kind=FaultKind.RAISE, word=RegistryUnreachableError.code)


class PointCost(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over turns of one run, so that a busy machine slows all of them alike.

    ``off_ns`` and ``armed_ns`` are what a place adds to its caller, without a fault and with one
    that is in force and never strikes. ``strike_us`` is an injected error until it is caught,
    ``raise_us`` the same error raised by hand. ``guarded_us`` is a guarded call of a place without
    a fault, ``guarded_armed_us`` with one that never strikes.
    """

    off_ns: float
    armed_ns: float
    strike_us: float
    raise_us: float
    guarded_us: float
    guarded_armed_us: float


class ErrorHandlingCost(msgspec.Struct, frozen=True, kw_only=True):
    """The places, and captures with chaos off and on.

    On means that the state database, which the journal writes to, has a fault in force that never
    strikes.
    """

    points: PointCost
    off: CaptureCost
    on: CaptureCost


def measure_error_handling(folder: Path, clock: Clock, rounds: int) -> ErrorHandlingCost:
    """Measure everything; ``rounds`` failures are captured with chaos off, and as many with it on.

    Raises:
        DatabaseError: as for ``JournalStore``.
    """
    points = measure_points(clock)
    place = fault_point("state.write")
    captures = []
    for name, fault in (("off", None), ("on", _NEVER)):
        home = folder / name
        home.mkdir()
        if fault is not None:
            place.arm(Armed(fault, IN_FORCE_S, target=place.name))
        try:
            captures.append(measure_capture(home, clock, rounds))
        finally:
            place.disarm()
    return ErrorHandlingCost(points=points, off=captures[0], on=captures[1])


def measure_points(clock: Clock) -> PointCost:
    """Measure what a place costs that a fault may strike, by turns."""
    policy = RetryPolicy(attempts=1)
    guard = Guard(
        Retry(policy, clock),
        CircuitBreaker("bench", BreakerPolicy(), clock),
        operation="measure",
        component="bench",
    )

    def guarded() -> None:
        for _ in repeat(None, STRIKES):
            guard.call(_place)

    added: dict[str, list[float]] = {"off": [], "armed": []}
    taken: dict[str, list[float]] = {"strike": [], "raise": [], "guarded": [], "armed": []}
    try:
        for _ in range(TURNS):
            bare_ns = _timed(clock, _loop_without)
            added["off"].append((_timed(clock, _loop_with) - bare_ns) / PASSES)
            taken["guarded"].append(_timed(clock, guarded) / STRIKES)
            taken["raise"].append(_timed(clock, _raised) / STRIKES)
            _POINT.arm(Armed(_NEVER, IN_FORCE_S, target=_POINT.name))
            added["armed"].append((_timed(clock, _loop_with) - bare_ns) / PASSES)
            taken["armed"].append(_timed(clock, guarded) / STRIKES)
            _POINT.arm(Armed(_ALWAYS, IN_FORCE_S, target=_POINT.name))
            taken["strike"].append(_timed(clock, _struck) / STRIKES)
            _POINT.disarm()
    finally:
        _POINT.disarm()
    return PointCost(
        off_ns=statistics.median(added["off"]),
        armed_ns=statistics.median(added["armed"]),
        strike_us=statistics.median(taken["strike"]) / 1e3,
        raise_us=statistics.median(taken["raise"]) / 1e3,
        guarded_us=statistics.median(taken["guarded"]) / 1e3,
        guarded_armed_us=statistics.median(taken["armed"]) / 1e3,
    )


def _timed(clock: Clock, call: Callable[[], None]) -> int:
    started_ns = clock.monotonic_ns()
    call()
    return clock.monotonic_ns() - started_ns


def _place() -> None:
    if _POINT.armed is not None:
        _POINT.strike()


def _loop_without() -> None:
    for _ in repeat(None, PASSES):
        pass


def _loop_with() -> None:
    for _ in repeat(None, PASSES):
        if _POINT.armed is not None:
            _POINT.strike()


def _struck() -> None:
    for _ in repeat(None, STRIKES):
        with contextlib.suppress(AlchemiserError):
            _POINT.strike()


def _raised() -> None:
    for _ in repeat(None, STRIKES):
        with contextlib.suppress(AlchemiserError):
            _fail()


def _fail() -> None:
    raise RegistryUnreachableError(
        "a fault struck at bench.place",
        why="It is raised by hand.",
        next_step="Nothing to do.",
        context={"fault_point": "bench.place", "lease": ""},
    )
