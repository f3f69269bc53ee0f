"""What holds for every retry policy, whatever fails and however chance falls."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import RateLimitError, RetryExhaustedError
from alchemiser_cli.resilience import Retry, RetryBudget, RetryPolicy

SECOND = 1_000_000_000
WORDS = {"why": "because", "next_step": "wait"}
seconds = st.floats(0, 1_000)


@st.composite
def policies(draw):
    base_s, cap_s = sorted((draw(seconds), draw(seconds)))
    return RetryPolicy(
        kind=draw(st.sampled_from(["exponential", "linear", "fixed", "fibonacci"])),
        base_s=base_s,
        cap_s=cap_s,
        attempts=draw(st.integers(1, 12)),
        deadline_s=draw(st.none() | seconds),
    )


def run(policy, retry_afters, seed, *, took_s=0.0):
    """Fail with each retry-after in turn; return when attempts began, the waits and the end."""
    clock, begun, waits = ManualClock(), [], []
    left, random = list(retry_afters), Random(seed)  # noqa: S311  reproducible

    def function():
        begun.append(clock.monotonic_ns() / SECOND)
        clock.advance(took_s)
        if left:
            raise RateLimitError("slow down", retry_after_s=left.pop(0), **WORDS)
        return "done"

    def hook(attempt, wait_s, error):
        waits.append((attempt, wait_s, error.retry_after_s or 0.0))

    try:
        end = Retry(policy, clock, random=random, on_retry=hook).call(function)
    except RetryExhaustedError as error:
        end = error.context["limit"]
    return begun, waits, end


retry_afters = st.lists(st.none() | seconds, max_size=14)


@given(policies(), retry_afters, st.integers())
def test_a_wait_is_the_retry_after_and_a_jitter_within_the_bound(policy, asked, seed):
    begun, waits, _ = run(policy, asked, seed)
    for attempt, wait_s, retry_after_s in waits:
        assert retry_after_s <= wait_s <= retry_after_s + policy.bound_s(attempt)
        assert policy.bound_s(attempt) <= policy.cap_s
    assert len(begun) == len(waits) + 1


@given(policies(), retry_afters, st.integers(), st.floats(0, 100))
def test_no_attempt_begins_after_the_deadline_nor_beyond_the_count(policy, asked, seed, took_s):
    begun, _, end = run(policy, asked, seed, took_s=took_s)
    assert len(begun) <= policy.attempts
    if policy.deadline_s is not None:
        assert begun[-1] <= policy.deadline_s + 1e-6
    if end == "done":
        assert len(begun) == len(asked) + 1
    elif end == "attempts":
        assert len(begun) == policy.attempts
    else:
        assert end == "deadline"
        assert policy.deadline_s is not None


@given(policies(), st.integers(1, 200))
def test_bounds_grow_as_their_kind_says(policy, failures):
    def grown(number):
        match policy.kind:
            case "fixed":
                return 1
            case "linear":
                return number
            case "exponential":
                return 2 ** (number - 1)
            case "fibonacci":
                one, two = 1, 1
                for _ in range(number - 1):
                    one, two = two, one + two
                return one

    exact = min(policy.cap_s, policy.base_s * grown(failures))
    if policy.base_s > 1e-6:  # below, the growth ends before the cap: after 2**64 or F(91)
        assert policy.bound_s(failures) == pytest.approx(exact)
    assert policy.bound_s(failures) <= policy.bound_s(failures + 1) <= policy.cap_s


steps = st.lists(
    st.tuples(st.sampled_from(["call", "retry", "wait"]), st.floats(0, 50)), max_size=200
)


@given(st.floats(0, 2), st.floats(0, 5), st.floats(1, 20), steps)
def test_a_budget_never_gives_more_than_was_paid_in(ratio, minimum_per_s, capacity, steps):
    clock = ManualClock()
    budget = RetryBudget(clock, ratio=ratio, minimum_per_s=minimum_per_s, capacity=capacity)
    calls = taken = 0
    for what, wait_s in steps:
        if what == "call":
            budget.calls += 1
            calls += 1
        elif what == "wait":
            clock.advance(wait_s)
        else:
            taken += budget.take()
        elapsed_s = clock.monotonic_ns() / SECOND
        assert taken <= capacity + ratio * calls + minimum_per_s * elapsed_s + 1e-6
        assert 0 <= budget.tokens <= capacity


def test_a_quiet_component_may_still_retry_now_and_then():
    clock = ManualClock()
    budget = RetryBudget(clock, ratio=0.0, minimum_per_s=0.5, capacity=1.0)
    assert budget.take()
    assert not budget.take()
    clock.advance(2)
    assert budget.take()
