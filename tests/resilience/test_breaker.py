"""The circuit breaker: when it opens, whom it lets through to try, and how it closes again."""

import asyncio
import threading

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerUnreachableError, CircuitOpenError, ValidationError
from alchemiser_cli.resilience import BreakerPolicy, BreakerState, CircuitBreaker

WORDS = {"why": "because", "next_step": "mend it"}


@pytest.fixture
def make(clock):
    def breaker(**numbers):
        return CircuitBreaker("broker", BreakerPolicy(**numbers), clock)

    return breaker


def fail(breaker, error=None):
    def failing():
        raise error or BrokerUnreachableError("no broker answered", **WORDS)

    with pytest.raises(type(error) if error else BrokerUnreachableError):
        breaker.call(failing)


def succeed(breaker):
    assert breaker.call(lambda: "done") == "done"


def opened(breaker):
    for _ in range(breaker.policy.minimum_calls):
        fail(breaker)
    assert breaker.state is BreakerState.OPEN
    return breaker


def refused(breaker):
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(pytest.fail, "it was called")
    return caught.value


def test_a_closed_circuit_passes_arguments_results_and_errors(make):
    breaker = make()
    assert breaker.call(divmod, 7, 2) == (3, 1)
    assert breaker.call(int, "11", base=2) == 3
    fail(breaker, ValidationError("not a price", **WORDS))


@pytest.mark.provokes("circuit-open")
def test_the_failure_rate_opens_it_after_the_minimum_of_calls(make):
    breaker = make(failure_rate=0.5, minimum_calls=4, window=10, open_s=30)
    for outcome in (succeed, succeed, fail):
        outcome(breaker)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.state is BreakerState.OPEN
    error = refused(breaker)
    assert error.retry_after_s == 30
    assert error.why == "2 of 4 calls failed, the last with broker-unreachable"
    assert error.context == {"breaker": "broker", "state": "open"}


def test_successes_push_old_failures_out_of_the_window(make):
    breaker = make(failure_rate=0.5, minimum_calls=4, window=4)
    for outcome in (fail, fail, *[succeed] * 3, fail):
        outcome(breaker)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.metrics().failure_rate == 0.25


def test_failures_in_a_row_open_it_whatever_the_minimum(make):
    breaker = make(failure_rate=None, consecutive_failures=3)
    for outcome in (fail, fail, succeed, fail, fail):
        outcome(breaker)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.state is BreakerState.OPEN


def test_slow_calls_open_it_although_they_succeed(make, clock):
    breaker = make(slow_call_s=1.0, slow_rate=0.5, minimum_calls=2)
    for took_s in (0.5, 1.0):
        breaker.call(clock.advance, took_s)
    assert refused(breaker).why == "1 of 2 calls were slow"
    clock.advance(30)
    breaker.call(clock.advance, 1.0)  # a slow probe is a failed one
    assert breaker.state is BreakerState.OPEN


def test_a_window_of_time_forgets(make, clock):
    breaker = make(window_s=10, minimum_calls=2, failure_rate=0.5)
    fail(breaker)
    clock.advance(10)
    fail(breaker)
    assert breaker.state is BreakerState.CLOSED
    succeed(breaker)
    assert breaker.metrics().calls == 2
    fail(breaker)
    assert breaker.state is BreakerState.OPEN


def test_errors_that_do_not_count_are_neither_failure_nor_success(make):
    breaker = make(consecutive_failures=2, failure_rate=None)
    fail(breaker)
    fail(breaker, ValidationError("not a price", **WORDS))
    fail(breaker, LookupError("foreign"))
    assert breaker.metrics().calls == 1
    fail(breaker)
    assert breaker.state is BreakerState.OPEN


def test_listed_foreign_exceptions_count(make):
    breaker = make(consecutive_failures=1, foreign=(OSError,))
    fail(breaker, ConnectionError())
    assert breaker.state is BreakerState.OPEN


def test_a_probe_that_succeeds_closes_it_and_the_past_is_forgotten(make, clock):
    breaker = opened(make())
    clock.advance(30)
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.metrics().calls == 1


def test_a_probe_that_fails_opens_it_again_for_the_whole_time(make, clock):
    breaker = opened(make(open_s=30))
    clock.advance(31)
    fail(breaker)
    assert breaker.metrics().opened_count == 2
    assert refused(breaker).retry_after_s == 30


def test_a_probe_that_does_not_count_gives_its_place_to_the_next(make, clock):
    breaker = opened(make(probes=1))
    clock.advance(30)
    fail(breaker, ValidationError("not a price", **WORDS))
    assert breaker.state is BreakerState.HALF_OPEN
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_only_so_many_probes_are_under_way_at_once(make, clock):
    breaker = opened(make(probes=2, close_after=3, probe_wait_s=20))
    clock.advance(30)
    one, two = breaker.passage(), breaker.passage()
    one.__enter__()
    two.__enter__()
    clock.advance(5)
    assert refused(breaker).retry_after_s == 15
    one.__exit__(None, None, None)
    succeed(breaker)
    assert breaker.state is BreakerState.HALF_OPEN
    two.__exit__(None, None, None)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_that_never_returns_counts_as_failed(make, clock):
    breaker = opened(make(probe_wait_s=20, open_s=30))
    clock.advance(30)
    lost = breaker.passage()
    lost.__enter__()
    clock.advance(20)
    assert refused(breaker).why == "a probe did not return in time"
    lost.__exit__(None, None, None)  # too late: its period is over
    assert breaker.state is BreakerState.OPEN
    clock.advance(30)
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_of_an_earlier_period_does_not_decide_a_later_one(make, clock):
    breaker = opened(make(probe_wait_s=20, open_s=30))
    clock.advance(30)
    lost = breaker.passage()
    lost.__enter__()
    clock.advance(20)
    refused(breaker)
    clock.advance(30)
    with breaker.passage():
        lost.__exit__(BrokerUnreachableError, BrokerUnreachableError("late", **WORDS), None)
        assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.state is BreakerState.CLOSED


def test_successes_of_an_earlier_period_do_not_close_a_later_one(make, clock):
    breaker = opened(make(close_after=2, open_s=30))
    clock.advance(30)
    succeed(breaker)
    fail(breaker)
    clock.advance(30)
    succeed(breaker)
    assert breaker.state is BreakerState.HALF_OPEN
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_half_open_without_a_probe_under_way_has_no_hurry(make, clock):
    breaker = opened(make(close_after=2))
    clock.advance(30)
    succeed(breaker)
    clock.advance(3_600)
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.metrics().opened_count == 1


def test_a_call_from_before_the_opening_changes_nothing_after_it(make, clock):
    breaker = make(consecutive_failures=1)
    early = breaker.passage()
    early.__enter__()
    fail(breaker)
    early.__exit__(None, None, None)
    assert breaker.state is BreakerState.OPEN


def test_isolation_wins_until_reset(make, clock):
    breaker = opened(make())
    breaker.isolate("broker maintenance")
    clock.advance(10_000)
    error = refused(breaker)
    assert error.retry_after_s is None
    assert error.why == "broker maintenance"
    breaker.reset()
    succeed(breaker)
    assert breaker.metrics().opened_count == 1


def test_isolation_wins_over_a_probe_under_way(make, clock):
    breaker = opened(make())
    clock.advance(30)
    with breaker.passage():
        breaker.isolate("by hand")
    assert breaker.state is BreakerState.ISOLATED


def test_time_spent_refusing_is_added_up(make, clock):
    breaker = opened(make(open_s=30))
    clock.advance(40)
    assert breaker.metrics().open_total_ns == 40_000_000_000
    succeed(breaker)
    clock.advance(100)
    breaker.isolate("by hand")
    clock.advance(5)
    breaker.reset()
    assert breaker.metrics().open_total_ns == 45_000_000_000


def test_a_wall_clock_that_is_set_back_does_not_keep_it_open(make, clock):
    breaker = opened(make())
    clock.jump(-86_400)
    succeed(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_metrics_tell_what_happened(make):
    breaker = make(minimum_calls=4, window=10)
    for outcome in (succeed, fail, fail, fail, refused):
        outcome(breaker)
    metrics = breaker.metrics()
    assert (metrics.name, metrics.state, metrics.calls) == ("broker", BreakerState.OPEN, 4)
    assert (metrics.failure_rate, metrics.consecutive_failures) == (0.75, 3)
    assert (metrics.refused, metrics.opened_count, metrics.shared) == (1, 1, False)


def test_changes_are_told_once_each_and_a_hook_cannot_break_the_call(clock):
    heard = []

    def hook(before, after):
        heard.append((before.state, after.state))
        raise LookupError

    policy = BreakerPolicy(consecutive_failures=1, open_s=30)
    breaker = CircuitBreaker("broker", policy, clock, on_change=hook)
    fail(breaker)
    clock.advance(30)
    succeed(breaker)
    assert [f"{before} {after}" for before, after in heard] == [
        "closed open",
        "open half-open",
        "half-open closed",
    ]


def test_an_opening_by_injected_failures_is_marked_as_such(make):
    breaker = make(consecutive_failures=1)
    error = BrokerUnreachableError("injected", **WORDS)
    error.injected = True
    fail(breaker, error)
    assert refused(breaker).injected


def test_a_passage_learns_from_its_block(make):
    breaker = make(consecutive_failures=1)
    with breaker.passage():
        pass
    with pytest.raises(BrokerUnreachableError), breaker.passage():
        raise BrokerUnreachableError("no broker answered", **WORDS)
    assert breaker.state is BreakerState.OPEN


async def test_async_calls_are_guarded_alike(make, clock):
    breaker = make(consecutive_failures=1, open_s=30)

    @breaker
    async def fetch(error=None):
        await asyncio.sleep(0)
        if error:
            raise error
        return "done"

    assert await fetch() == "done"
    with pytest.raises(BrokerUnreachableError):
        await fetch(BrokerUnreachableError("no broker answered", **WORDS))
    with pytest.raises(CircuitOpenError):
        await fetch()
    clock.advance(30)
    assert await fetch() == "done"
    assert breaker.state is BreakerState.CLOSED


async def test_a_cancelled_probe_gives_its_place_back(make, clock):
    breaker = opened(make())
    clock.advance(30)
    task = asyncio.ensure_future(breaker.call_async(asyncio.Event().wait))
    await asyncio.sleep(0)
    assert breaker.state is BreakerState.HALF_OPEN
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    succeed(breaker)


def test_threads_never_exceed_the_probe_limit():
    clock = ManualClock()
    policy = BreakerPolicy(consecutive_failures=1, open_s=1, probes=3, close_after=100)
    breaker = CircuitBreaker("broker", policy, clock)
    fail(breaker)
    clock.advance(1)
    together, admitted = threading.Barrier(12), []

    def work():
        together.wait()
        passage = breaker.passage()
        try:
            passage.__enter__()
        except CircuitOpenError:
            return
        admitted.append(passage)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 3


@pytest.mark.parametrize(
    "numbers",
    [{"window": 0}, {"probes": 0}, {"open_s": -1}, {"failure_rate": 1.5}, {"slow_rate": 0.0}],
)
def test_numbers_that_make_no_breaker_are_refused(numbers):
    with pytest.raises(ValueError, match=r"least|negative|rates"):
        BreakerPolicy(**numbers)
