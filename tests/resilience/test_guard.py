"""A guarded call: its context outermost, then the retry, and the breaker sees every attempt."""

import asyncio

import pytest

from alchemiser_cli.errors import (
    BrokerUnreachableError,
    CircuitOpenError,
    OrderOutcomeUnknownError,
    RetryExhaustedError,
    context_of,
    current_context,
)
from alchemiser_cli.resilience import (
    BreakerPolicy,
    BreakerState,
    CircuitBreaker,
    Guard,
    Retry,
    RetryPolicy,
)

WORDS = {"why": "because", "next_step": "mend it"}


@pytest.fixture
def breaker(clock):
    return CircuitBreaker("broker", BreakerPolicy(consecutive_failures=3), clock)


@pytest.fixture
def guard(clock, breaker):
    async def sleep(seconds):
        clock.advance(seconds)

    retry = Retry(RetryPolicy(attempts=2), clock, sleep=sleep)
    return Guard(retry, breaker, operation="fetch prices", component="feed", symbol="AAPL")


def test_a_call_runs_in_its_context_and_leaves_none_behind(guard):
    context = guard.call(current_context)
    assert (context.operation, context.component, context.symbol) == (
        "fetch prices",
        "feed",
        "AAPL",
    )
    assert current_context().operation == ""


def test_arguments_and_results_pass_through(guard):
    assert guard.call(int, "11", base=2) == 3


@pytest.mark.provokes("retry-exhausted", "circuit-open")
def test_each_attempt_counts_for_the_breaker_and_an_open_one_ends_the_retries(
    guard, breaker, safe, scripted
):
    function = scripted(*[safe] * 9)
    with pytest.raises(RetryExhaustedError) as caught:
        guard.call(function)
    assert context_of(caught.value).operation == "fetch prices"
    assert breaker.metrics().consecutive_failures == 2
    with pytest.raises(CircuitOpenError) as refused:
        guard.call(function)
    assert context_of(refused.value).component == "feed"
    assert len(function.calls) == 3
    assert breaker.state is BreakerState.OPEN


def test_an_error_that_must_not_be_retried_leaves_as_it_is_with_its_context(guard, never, scripted):
    with pytest.raises(OrderOutcomeUnknownError) as caught:
        guard.call(scripted(never))
    assert caught.value is never
    assert context_of(caught.value).symbol == "AAPL"


@pytest.mark.parametrize("parts", ["neither", "retry", "breaker"])
def test_parts_may_be_left_out(clock, breaker, parts, safe, scripted):
    guard = Guard(
        Retry(RetryPolicy(), clock) if parts == "retry" else None,
        breaker if parts == "breaker" else None,
        operation="fetch",
        component="feed",
    )
    assert guard.call(divmod, 7, 2) == (3, 1)
    if parts == "retry":
        assert guard.call(scripted(safe)) == "done"
    else:
        with pytest.raises(BrokerUnreachableError):
            guard.call(scripted(safe))


async def test_async_calls_are_guarded_alike(guard, breaker, safe, scripted):
    function = scripted(safe)

    @guard
    async def fetch(number):
        """Fetch."""
        await asyncio.sleep(0)
        function(number)
        return current_context().operation, number

    assert await fetch(5) == ("fetch prices", 5)
    assert fetch.__doc__ == "Fetch."
    assert len(function.calls) == 2
    assert current_context().operation == ""


async def test_tasks_at_once_keep_their_contexts_apart(clock):
    async def work():
        await asyncio.sleep(0)
        return current_context().operation

    guards = [Guard(None, None, operation=f"work {n}", component="x") for n in range(5)]
    found = await asyncio.gather(*(guard.call_async(work) for guard in guards))
    assert found == [f"work {n}" for n in range(5)]


def test_a_guard_may_be_entered_again_from_within(guard):
    assert guard.call(lambda: guard.call(lambda: current_context().operation)) == "fetch prices"
