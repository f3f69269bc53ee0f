"""Retry: what may be tried again is, within attempts, deadline and budget; nothing else is."""

import asyncio
import inspect
from random import Random

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    CircuitOpenError,
    OrderOutcomeUnknownError,
    RetryExhaustedError,
)
from alchemiser_cli.resilience import Retry, RetryBudget, RetryPolicy

WORDS = {"why": "because", "next_step": "mend it"}


def test_success_is_a_plain_call(clock, scripted):
    function = scripted()
    assert Retry(RetryPolicy(), clock).call(function, 1, two=2) == "done"
    assert function.calls == [((1,), {"two": 2})]
    assert clock.monotonic_ns() == 0


def test_success_does_not_read_the_clock_without_a_deadline(scripted):
    class NoClock(ManualClock):
        def monotonic_ns(self):
            raise AssertionError

    assert Retry(RetryPolicy(), NoClock()).call(scripted()) == "done"


def test_a_failure_that_may_be_retried_is(clock, safe, scripted):
    function = scripted(safe, safe)
    assert Retry(RetryPolicy(attempts=3), clock).call(function) == "done"
    assert len(function.calls) == 3


@pytest.mark.provokes("retry-exhausted")
def test_used_up_attempts_name_the_last_error_as_their_cause(clock, safe, scripted):
    function = scripted(*[safe] * 9)
    with pytest.raises(RetryExhaustedError) as caught:
        Retry(RetryPolicy(attempts=4), clock).call(function)
    assert len(function.calls) == 4
    assert caught.value.__cause__ is safe
    assert caught.value.context["attempts"] == 4
    assert caught.value.context["waited_s"] == pytest.approx(clock.monotonic_ns() / 1e9)
    assert caught.value.context["limit"] == "attempts"
    assert caught.value.context["last"] == "broker-unreachable"


def test_an_order_of_unknown_outcome_is_never_sent_again(clock, never, scripted):
    function = scripted(never)
    retry = Retry(RetryPolicy(attempts=5, foreign=(Exception,)), clock).idempotent()
    with pytest.raises(OrderOutcomeUnknownError) as caught:
        retry.call(function)
    assert caught.value is never
    assert len(function.calls) == 1


def test_a_call_that_is_not_idempotent_is_not_repeated_where_that_matters(
    clock, if_idempotent, scripted
):
    retry = Retry(RetryPolicy(), clock)
    with pytest.raises(type(if_idempotent)):
        retry.call(scripted(if_idempotent))
    assert retry.idempotent().call(scripted(if_idempotent)) == "done"


def test_foreign_exceptions_are_retried_only_when_listed(clock, scripted):
    with pytest.raises(ConnectionResetError):
        Retry(RetryPolicy(), clock).call(scripted(ConnectionResetError()))
    listed = Retry(RetryPolicy(foreign=(ConnectionError,)), clock)
    assert listed.call(scripted(ConnectionResetError())) == "done"


def test_an_error_that_must_not_be_retried_ends_the_attempts_as_it_is(clock, safe, never, scripted):
    with pytest.raises(OrderOutcomeUnknownError):
        Retry(RetryPolicy(attempts=5), clock).call(scripted(safe, never))


def test_a_keyboard_interrupt_is_no_failure(clock, scripted):
    with pytest.raises(KeyboardInterrupt):
        Retry(RetryPolicy(foreign=(Exception,)), clock).call(scripted(KeyboardInterrupt()))


@pytest.mark.provokes("rate-limited")
def test_nobody_comes_back_before_the_service_said(clock, rate_limited, scripted):
    Retry(RetryPolicy(base_s=0.1, cap_s=0.1), clock).call(scripted(rate_limited(25.0)))
    assert 25.0 <= clock.monotonic_ns() / 1e9 <= 25.1


@pytest.mark.provokes("rate-limited", "retry-exhausted")
def test_a_retry_after_beyond_the_deadline_gives_up_at_once(clock, rate_limited, scripted):
    function = scripted(rate_limited(61.0))
    with pytest.raises(RetryExhaustedError) as caught:
        Retry(RetryPolicy(deadline_s=60), clock).call(function)
    assert clock.monotonic_ns() == 0
    assert len(function.calls) == 1
    assert caught.value.context["limit"] == "deadline"


def test_the_time_of_the_attempts_counts_towards_the_deadline(clock, safe):
    def slow():
        clock.advance(40)
        raise safe

    with pytest.raises(RetryExhaustedError):
        Retry(RetryPolicy(attempts=99, deadline_s=60), clock).call(slow)
    assert clock.monotonic_ns() / 1e9 >= 80  # begun before the deadline, and not cut off
    assert clock.monotonic_ns() / 1e9 < 120


@pytest.mark.provokes("circuit-open")
def test_an_open_circuit_is_waited_for_only_on_request(clock, scripted):
    def refusal(retry_after_s):
        error = CircuitOpenError("open", **WORDS)
        error.retry_after_s = retry_after_s
        return error

    with pytest.raises(CircuitOpenError):
        Retry(RetryPolicy(), clock).call(scripted(refusal(5.0)))
    patient = Retry(RetryPolicy(wait_for_circuit=True), clock)
    assert patient.call(scripted(refusal(5.0))) == "done"
    with pytest.raises(CircuitOpenError):
        patient.call(scripted(refusal(None)))


def test_the_hook_hears_of_each_wait_and_cannot_break_the_call(clock, safe, scripted):
    heard = []

    def hook(attempt, wait_s, error):
        heard.append((attempt, wait_s, error))
        raise LookupError

    retry = Retry(RetryPolicy(attempts=3), clock, on_retry=hook, random=Random(1))  # noqa: S311  reproducible
    assert retry.call(scripted(safe, safe)) == "done"
    assert [(attempt, error) for attempt, _, error in heard] == [(1, safe), (2, safe)]
    assert sum(wait_s for _, wait_s, _ in heard) == pytest.approx(clock.monotonic_ns() / 1e9)


def test_one_seed_gives_one_schedule(safe, scripted):
    def ended():
        clock = ManualClock()
        random = Random(7)  # noqa: S311  reproducible
        Retry(RetryPolicy(attempts=5), clock, random=random).call(scripted(*[safe] * 4))
        return clock.monotonic_ns()

    assert ended() == ended() > 0


@pytest.mark.provokes("retry-exhausted")
def test_an_empty_budget_ends_the_retries_of_all_who_share_it(clock, safe, scripted):
    budget = RetryBudget(clock, ratio=0.0, minimum_per_s=0.0, capacity=3.0)
    one, other = (Retry(RetryPolicy(attempts=3, base_s=0), clock, budget=budget) for _ in "ab")
    assert one.call(scripted(safe, safe)) == "done"
    with pytest.raises(RetryExhaustedError) as caught:
        other.call(scripted(safe, safe))
    assert caught.value.context["limit"] == "budget"


def test_an_injected_failure_stays_marked(clock, safe, scripted):
    safe.injected = True
    with pytest.raises(RetryExhaustedError) as caught:
        Retry(RetryPolicy(attempts=1), clock).call(scripted(safe))
    assert caught.value.injected


def test_an_exception_that_cannot_say_itself_is_told_by_its_class(clock):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    def fail():
        raise MuteError

    with pytest.raises(RetryExhaustedError, match="MuteError"):
        Retry(RetryPolicy(attempts=1, foreign=(MuteError,)), clock).call(fail)


def test_decorated_functions_keep_their_name_and_kind(clock, safe, scripted):
    retry = Retry(RetryPolicy(), clock)
    function = scripted(safe)

    @retry
    def fetch(number):
        """Fetch."""
        return function(number)

    @retry.idempotent()
    async def fetch_async(number):
        return number

    assert fetch(3) == "done"
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch.")
    assert inspect.iscoroutinefunction(fetch_async)
    assert asyncio.run(fetch_async(4)) == 4


async def test_an_async_call_sleeps_without_blocking_and_obeys_the_same_rules(
    clock, safe, never, scripted
):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    function = scripted(safe, safe)

    async def awaited(*args, **keywords):
        return function(*args, **keywords)

    retry = Retry(RetryPolicy(attempts=3), clock, sleep=sleep)
    assert await retry.call_async(awaited, 5) == "done"
    assert len(waits) == 2
    function = scripted(*[safe] * 3)
    with pytest.raises(RetryExhaustedError):
        await retry.call_async(awaited)
    function = scripted(never)
    with pytest.raises(OrderOutcomeUnknownError):
        await retry.call_async(awaited)


async def test_the_event_loops_own_sleep_is_the_default(clock, safe, scripted):
    function = scripted(safe)

    async def awaited():
        return function()

    assert await Retry(RetryPolicy(base_s=0, cap_s=0), clock).call_async(awaited) == "done"


async def test_a_cancelled_task_is_not_retried(clock):
    calls = []

    async def cancelled():
        calls.append(1)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Retry(RetryPolicy(foreign=(Exception,)), clock).call_async(cancelled)
    assert calls == [1]


@pytest.mark.parametrize(
    "numbers",
    [{"base_s": -1}, {"base_s": 2, "cap_s": 1}, {"attempts": 0}, {"deadline_s": -1}],
)
def test_numbers_that_make_no_schedule_are_refused(numbers):
    with pytest.raises(ValueError, match=r"needs|negative"):
        RetryPolicy(**numbers)


def test_errors_keep_the_failures_before_them(clock, scripted):
    first = BrokerUnreachableError("first", **WORDS)
    last = BrokerUnreachableError("last", **WORDS)
    with pytest.raises(RetryExhaustedError) as caught:
        Retry(RetryPolicy(attempts=2), clock).call(scripted(first, last))
    assert caught.value.__cause__ is last
