"""What a guarded call costs when it succeeds, beside tenacity with pybreaker in the same run.

Run it as ``python benchmarks/guarded_call.py [--rounds N] [--json]``.

A guarded call names its operation for errors, retries with a budget, and goes through a circuit
breaker. Each round measures the bare call, ours and theirs right after one another, so that all
see the same machine; figures are medians over the rounds, of this thread's CPU time, so that
what else runs on the machine does not count. The second part wraps an operation of
fixed work (a loop) of about 100 us, 1 ms and 10 ms. What reads the clock as well, or is called
in another way, is reported without a target. Exits 1 when a target is missed.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pybreaker
import tenacity
from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.resilience import (
    BreakerPolicy,
    CircuitBreaker,
    Guard,
    Retry,
    RetryBudget,
    RetryPolicy,
)
from alchemiser_cli.resilience.breaker_store import BreakerStore
from alchemiser_cli.state import StateDatabase

__all__ = ["main", "measure_calls", "measure_operations"]

CALLS = 10_000
GUARDED_MICROSECONDS = 2.0
OVERHEAD_PERCENT = {100: 5.0, 1_000: None, 10_000: None}  # operation in us: target

Function = Callable[[int], int]


def measure_calls(rounds: int) -> Iterator[Figure]:
    """Yield what guarding adds to a call of nothing, and how theirs compares."""
    with tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        database = StateDatabase(f"sqlite:///{folder}/state.db", clock)
        guard = _guard()
        ways: dict[str, Function] = {
            "bare": _nothing,
            "guarded call": lambda number: guard.call(_nothing, number),
            "guarded decorator": guard(_nothing),
            "guarded, slow calls watched": _calling(_guard(slow_call_s=1.0)),
            "guarded, deadline": _calling(_guard(deadline_s=60.0)),
            "guarded, shared breaker": _calling(_guard(store=BreakerStore(database))),
            "tenacity + pybreaker": _theirs(_nothing),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                taken[name].append(_microseconds(way))
        database.close()
    yield from _compared(taken)
    yield _async_figure(rounds)


def measure_operations(rounds: int) -> Iterator[Figure]:
    """Yield what guarding adds to operations of 100 us, 1 ms and 10 ms, in percent."""
    guard = _guard()
    theirs = _theirs(_work)
    per_us = _iterations_per_microsecond()
    for duration_us, target in OVERHEAD_PERCENT.items():
        iterations = round(duration_us * per_us)
        repeats = max(rounds, round(rounds * 2_000 / duration_us))
        ratios: list[float] = []
        their_ratios: list[float] = []
        for _ in range(repeats):
            first = _timed(_work, iterations)
            ours = _timed(lambda number: guard.call(_work, number), iterations)
            their = _timed(theirs, iterations)
            bare = (first + _timed(_work, iterations)) / 2
            ratios.append(ours / bare)
            their_ratios.append(their / bare)
        ours_percent, theirs_percent = (
            (statistics.median(some) - 1) * 100 for some in (ratios, their_ratios)
        )
        yield Figure(
            f"overhead on {duration_us} us",
            ours_percent,
            target,
            "%",
            f"tenacity + pybreaker {theirs_percent:.2f} %",
        )


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25, help="rounds (default: 25)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = [*measure_calls(options.rounds), *measure_operations(options.rounds)]
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


def _guard(
    *,
    slow_call_s: float | None = None,
    deadline_s: float | None = None,
    store: BreakerStore | None = None,
) -> Guard:
    clock = SystemClock()
    breaker = CircuitBreaker("benchmark", BreakerPolicy(slow_call_s=slow_call_s), clock, store)
    retry = Retry(RetryPolicy(deadline_s=deadline_s), clock, budget=RetryBudget(clock))
    return Guard(retry, breaker, operation="measure", component="benchmark")


def _calling(guard: Guard) -> Function:
    return lambda number: guard.call(_nothing, number)


def _theirs(function: Function) -> Function:
    breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=30)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=10),
    )
    return lambda number: int(retrying(breaker.call, function, number))


def _compared(taken: dict[str, list[float]]) -> Iterator[Figure]:
    bare, theirs = taken["bare"], taken["tenacity + pybreaker"]
    their_cost = statistics.median(their - base for their, base in zip(theirs, bare, strict=True))
    for name, ours in taken.items():
        if name in ("bare", "tenacity + pybreaker"):
            continue
        cost = statistics.median(our - base for our, base in zip(ours, bare, strict=True))
        share = statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
        detail = f"{share:.3f} x tenacity + pybreaker, which adds {their_cost:.1f} us"
        target = GUARDED_MICROSECONDS if name == "guarded call" else None
        yield Figure(name, cost, target, "us", detail)


def _async_figure(rounds: int) -> Figure:
    guard = _guard()

    async def nothing(number: int) -> int:
        return number

    async def measured() -> list[float]:
        costs = []
        for _ in range(rounds):
            begun = time.thread_time_ns()
            for number in range(CALLS):
                await nothing(number)
            between = time.thread_time_ns()
            for number in range(CALLS):
                await guard.call_async(nothing, number)
            ended = time.thread_time_ns()
            costs.append(((ended - between) - (between - begun)) / CALLS / 1e3)
        return costs

    cost = statistics.median(asyncio.run(measured()))
    return Figure("guarded async call", cost, None, "us", "over the bare await")


def _nothing(number: int) -> int:
    return number


def _work(iterations: int) -> int:
    total = 0
    for number in range(iterations):
        total += number
    return total


def _iterations_per_microsecond() -> float:
    return 100_000 / min(_timed(_work, 100_000) for _ in range(20))


def _microseconds(function: Function) -> float:
    begun = time.thread_time_ns()
    for number in range(CALLS):
        function(number)
    return (time.thread_time_ns() - begun) / CALLS / 1e3


def _timed(function: Function, iterations: int) -> float:
    begun = time.thread_time_ns()
    function(iterations)
    return (time.thread_time_ns() - begun) / 1e3


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
