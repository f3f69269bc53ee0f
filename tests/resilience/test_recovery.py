"""Recovery: each class of error by its own strategy, once, journalled, and never in circles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    ErrorContext,
    FeedSilentError,
    MarketDataError,
    OrderExecutionError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    RateLimitError,
    RecoveryExhaustedError,
    operation,
)
from alchemiser_cli.resilience import (
    FallBackToSource,
    ReconcileOrder,
    Recovery,
    RecoveryGuard,
    WaitForRateLimit,
)

WORDS = {"why": "because", "next_step": "mend it"}


class Sources:
    """Market data from a list of sources, the best first."""

    def __init__(self, *names):
        self.names = list(names)
        self.stale = None

    def fall_back(self, error, context):
        return self.names.pop(0) if self.names else None

    def mark_stale(self, reason):
        self.stale = reason


@pytest.fixture
def told():
    return []


@pytest.fixture
def recovery(clock, told):
    guard = RecoveryGuard(clock, limit=3, window_s=60)
    return Recovery(clock, guard=guard, on_result=lambda *pair: told.append(pair))


def test_an_error_without_a_strategy_is_skipped_and_told(recovery, told, safe):
    result = recovery.recover(safe)
    assert (result.outcome, result.advice, result.strategy) == ("skipped", "stop", "")
    assert told == [(safe, result)]


@pytest.mark.provokes("rate-limited")
def test_a_rate_limit_is_waited_out(recovery, clock, rate_limited):
    recovery.register(RateLimitError, WaitForRateLimit(clock, longest_s=60))
    result = recovery.recover(rate_limited(12.5))
    assert (result.outcome, result.advice, result.duration_s) == ("recovered", "retry", 12.5)
    assert clock.monotonic_ns() == 12_500_000_000
    too_long = recovery.recover(rate_limited(61.0))
    assert (too_long.outcome, too_long.advice) == ("failed", "stop")
    assert clock.monotonic_ns() == 12_500_000_000


@pytest.mark.parametrize(
    ("kind", "found", "outcome", "advice"),
    [
        (OrderOutcomeUnknownError, "executed", "recovered", "continue"),
        (OrderOutcomeUnknownError, "absent", "recovered", "retry"),
        (OrderOutcomeUnknownError, "unknown", "failed", "stop"),
        (OrderRejectedError, "executed", "recovered", "continue"),
        (OrderRejectedError, "absent", "recovered", "stop"),
        (OrderRejectedError, "unknown", "failed", "stop"),
    ],
)
def test_an_order_is_reconciled_before_anything_is_decided(recovery, kind, found, outcome, advice):
    asked = []
    strategy = ReconcileOrder(lambda error, context: asked.append(context.order_id) or found)
    recovery.register(OrderExecutionError, strategy)
    error = kind("the order failed", **WORDS)
    result = recovery.recover(error, ErrorContext(order_id="o-1"))
    assert (result.outcome, result.advice) == (outcome, advice)
    assert asked == ["o-1"]


def test_market_data_falls_back_and_is_stale_either_way(recovery):
    sources = Sources("iex")
    recovery.register(MarketDataError, FallBackToSource(sources))
    error = FeedSilentError("nothing for 30 s", **WORDS)
    result = recovery.recover(error)
    assert (result.outcome, result.advice) == ("recovered", "continue")
    assert "iex" in result.detail
    assert sources.stale == "nothing for 30 s"
    assert recovery.recover(error).outcome == "failed"


def test_the_nearest_class_decides(recovery, clock):
    general, special = Sources(), Sources("iex")
    recovery.register(MarketDataError, FallBackToSource(general))
    recovery.register(FeedSilentError, FallBackToSource(special))
    assert recovery.recover(FeedSilentError("silent", **WORDS)).outcome == "recovered"
    assert general.stale is None


def test_a_strategy_that_raises_has_failed(recovery, never):
    def broken(error, context):
        raise BrokerUnreachableError("the broker is away too", **WORDS)

    recovery.register(OrderExecutionError, ReconcileOrder(broken))
    result = recovery.recover(never)
    assert result.outcome == "failed"
    assert result.detail == "broker-unreachable: the broker is away too"


def test_a_journal_that_fails_does_not_stop_recovery(clock, rate_limited):
    def broken(error, result):
        raise OSError

    recovery = Recovery(clock, on_result=broken)
    recovery.register(RateLimitError, WaitForRateLimit(clock))
    assert recovery.recover(rate_limited()).outcome == "recovered"


@pytest.mark.provokes("recovery-loop")
def test_recovering_in_circles_is_stopped_and_told(recovery, clock, told, rate_limited):
    recovery.register(RateLimitError, WaitForRateLimit(clock))
    for _ in range(3):
        recovery.recover(rate_limited(1.0))
    error = rate_limited(1.0)
    error.injected = True
    with pytest.raises(RecoveryExhaustedError) as caught:
        recovery.recover(error)
    assert caught.value.__cause__ is error
    assert caught.value.injected
    assert [result.outcome for _, result in told] == ["recovered"] * 3 + ["failed"]
    clock.advance(60)
    assert recovery.recover(rate_limited(1.0)).outcome == "recovered"


def test_repetition_is_counted_by_code_and_component_or_by_fingerprint(
    recovery, clock, rate_limited
):
    recovery.register(RateLimitError, WaitForRateLimit(clock))

    def failed_in(component):
        error = rate_limited(0.0)
        with pytest.raises(RateLimitError), operation("fetch", component=component):
            raise error
        return error

    keys = {recovery.recover(failed_in(component)).key for component in ("feed", "broker") * 3}
    assert keys == {"rate-limited:feed", "rate-limited:broker"}
    for number in range(9):
        recovery.recover(rate_limited(0.0), fingerprint=str(number))


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30))))
def test_no_window_holds_more_recoveries_than_the_limit(limit, attempts):
    clock = ManualClock()
    guard = RecoveryGuard(clock, limit=limit, window_s=60)
    admitted = {"a": [], "b": []}
    now = 0
    for key, wait_s in attempts:
        clock.advance(wait_s)
        now += wait_s
        recent = [at for at in admitted[key] if at > now - 60]
        try:
            guard.admit(key)
        except RecoveryExhaustedError:
            assert len(recent) == limit
        else:
            assert len(recent) < limit
            admitted[key].append(now)


def test_the_guard_forgets_what_is_long_past(clock):
    guard = RecoveryGuard(clock, window_s=1)
    for number in range(10_000):
        guard.admit(str(number))
        clock.advance(0.01)
    assert len(guard._seen) < 2_000


@pytest.mark.parametrize("numbers", [{"limit": 0}, {"window_s": 0}])
def test_numbers_that_guard_nothing_are_refused(clock, numbers):
    with pytest.raises(ValueError, match="needs"):
        RecoveryGuard(clock, **numbers)
