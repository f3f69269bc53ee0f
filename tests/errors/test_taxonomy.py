"""The taxonomy: every failure has its family, how grave it is, and whether to try again."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors.base import (
    AlchemiserError,
    RetrySafety,
    Severity,
    error_classes,
)
from alchemiser_cli.errors.configuration import ConfigurationError, EnvironmentMisconfiguredError
from alchemiser_cli.errors.context import context_of, operation
from alchemiser_cli.errors.learning import (
    SegmentCorruptError,
    SharedMemoryError,
    StaleWeightsError,
    TrainingDivergedError,
    TrainingError,
    TrainingStageError,
)
from alchemiser_cli.errors.market import (
    DataProviderError,
    FeedSilentError,
    MarketDataError,
    MarketDataStaleError,
    WebSocketError,
)
from alchemiser_cli.errors.runbooks import error_codes
from alchemiser_cli.errors.services import (
    CircuitOpenError,
    LoggingError,
    NotificationError,
    ObjectStoreError,
    RateLimitError,
    RecoveryExhaustedError,
    ResilienceError,
    RetryExhaustedError,
    SecurityError,
    ServiceUnreachableError,
)
from alchemiser_cli.errors.streaming import StreamingError
from alchemiser_cli.errors.trading import (
    IndicatorCalculationError,
    InsufficientFundsError,
    OrderExecutionError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    PositionValidationError,
    StrategyExecutionError,
    TradingClientError,
    ValidationError,
)
from alchemiser_cli.exits import ExitCode

KINDS = list(error_classes())
LOW, MEDIUM, HIGH, CRITICAL = Severity
SAFE, IF_IDEMPOTENT, NEVER = RetrySafety
# error, its family, severity, whether to try again, exit code
TAXONOMY = [
    (OrderRejectedError, OrderExecutionError, HIGH, NEVER, ExitCode.FAILED),
    (OrderOutcomeUnknownError, OrderExecutionError, CRITICAL, NEVER, ExitCode.FAILED),
    (InsufficientFundsError, OrderExecutionError, HIGH, NEVER, ExitCode.FAILED),
    (PositionValidationError, TradingClientError, CRITICAL, NEVER, ExitCode.FAILED),
    (StrategyExecutionError, AlchemiserError, HIGH, SAFE, ExitCode.FAILED),
    (IndicatorCalculationError, AlchemiserError, MEDIUM, SAFE, ExitCode.FAILED),
    (ValidationError, AlchemiserError, MEDIUM, NEVER, ExitCode.FAILED),
    (ServiceUnreachableError, AlchemiserError, HIGH, IF_IDEMPOTENT, ExitCode.UNREACHABLE),
    (RateLimitError, AlchemiserError, MEDIUM, SAFE, ExitCode.FAILED),
    (NotificationError, AlchemiserError, HIGH, SAFE, ExitCode.FAILED),
    (ObjectStoreError, AlchemiserError, HIGH, IF_IDEMPOTENT, ExitCode.UNREACHABLE),
    (LoggingError, AlchemiserError, HIGH, SAFE, ExitCode.FAILED),
    (SecurityError, AlchemiserError, CRITICAL, NEVER, ExitCode.REFUSED),
    (CircuitOpenError, ResilienceError, HIGH, SAFE, ExitCode.UNREACHABLE),
    (RetryExhaustedError, ResilienceError, HIGH, NEVER, ExitCode.FAILED),
    (RecoveryExhaustedError, ResilienceError, CRITICAL, NEVER, ExitCode.FAILED),
    (TrainingStageError, TrainingError, HIGH, NEVER, ExitCode.FAILED),
    (TrainingDivergedError, TrainingError, HIGH, NEVER, ExitCode.FAILED),
    (SegmentCorruptError, SharedMemoryError, CRITICAL, NEVER, ExitCode.CORRUPT),
    (StaleWeightsError, SharedMemoryError, HIGH, SAFE, ExitCode.FAILED),
    (MarketDataStaleError, MarketDataError, HIGH, SAFE, ExitCode.FAILED),
    (FeedSilentError, MarketDataError, CRITICAL, SAFE, ExitCode.FAILED),
    (WebSocketError, MarketDataError, HIGH, SAFE, ExitCode.FAILED),
    (EnvironmentMisconfiguredError, ConfigurationError, HIGH, NEVER, ExitCode.CONFIG),
]


def _make(kind, **context):
    return kind("it broke", why="it was old", next_step="replace it", context=context)


@pytest.mark.provokes(
    "order-outcome-unknown",
    "strategy-failed",
    "indicator-failed",
    "validation-failed",
    "service-unreachable",
    "rate-limited",
    "notification-failed",
    "object-store-failed",
    "logging-failed",
    "security-violation",
    "circuit-open",
    "retry-exhausted",
    "recovery-loop",
    "training-stage-failed",
    "training-diverged",
    "segment-corrupt",
    "weights-stale",
    "market-data-stale",
    "feed-silent",
    "websocket-lost",
    "environment-misconfigured",
)
def test_an_error_is_caught_by_its_family_with_what_was_being_done():
    for kind, family, severity, retry, exit_code in TAXONOMY:
        with (
            pytest.raises(family) as caught,
            operation("place order", component="paper-broker", order_id="o-1", tries=2),
        ):
            raise _make(kind, limit=5)

        error = caught.value
        assert (type(error), error.severity, error.retry_safety) == (kind, severity, retry)
        assert error.exit_code is exit_code
        context = context_of(error)
        assert (context.operation, context.component) == ("place order", "paper-broker")
        assert (context.order_id, context.data) == ("o-1", {"tries": 2})
        assert error.context == {"limit": 5}


@pytest.mark.parametrize(
    ("family", "wider"),
    [
        (OrderExecutionError, TradingClientError),
        (MarketDataError, DataProviderError),
        (SharedMemoryError, AlchemiserError),
        (StreamingError, AlchemiserError),
        (TrainingError, AlchemiserError),
        (ResilienceError, AlchemiserError),
        (ConfigurationError, AlchemiserError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_families_nest_from_the_special_to_the_general(family, wider):
    assert issubclass(family, wider)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_what_may_be_tried_again_may_also_heal(kind):
    """A caller that retries by safety alone never retries what cannot get better."""
    assert kind.recoverable or kind.retry_safety is NEVER


def test_an_order_whose_outcome_is_open_is_never_sent_again():
    """It is reconciled: a second order could double the position."""
    for kind in KINDS:
        if issubclass(kind, TradingClientError):
            assert kind.retry_safety is NEVER


def test_the_table_of_codes_says_whether_to_try_again():
    assert {entry.code: entry.retry_safety for entry in error_codes()} == {
        kind.code: kind.retry_safety for kind in KINDS
    }


def test_a_refusal_for_being_too_fast_says_how_long_to_wait():
    error = RateLimitError("slow down", why="429", next_step="wait", retry_after_s=2.5)
    assert error.retry_after_s == 2.5


def test_an_error_knows_of_no_wait_unless_the_other_side_named_one():
    assert [_make(kind).retry_after_s for kind in KINDS] == [None] * len(KINDS)


facts = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())


@given(
    kind=st.sampled_from(KINDS),
    context=facts,
    injected=st.booleans(),
    retry_after_s=st.none() | st.floats(0, 3600),
    symbol=st.text(),
)
def test_whatever_was_noted_survives_a_process_boundary(
    kind, context, injected, retry_after_s, symbol
):
    error = _make(kind, **context)
    error.injected = injected
    error.retry_after_s = retry_after_s
    error.add_note("seen on the way")
    with pytest.raises(kind), operation("place order", symbol=symbol):
        raise error
    for clone in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):  # noqa: S301  ours
        assert type(clone) is kind
        assert clone.__dict__ == error.__dict__
        assert (clone.injected, clone.retry_after_s) == (injected, retry_after_s)
        assert context_of(clone).symbol == symbol


def test_a_copy_has_its_own_facts():
    error = _make(ValidationError, field="price")
    clone = copy.copy(error)
    clone.context["field"] = "size"
    assert error.context == {"field": "price"}
