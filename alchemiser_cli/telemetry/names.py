"""Every Prometheus metric: its name, kind, labels, help text and buckets, in this one place."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BREAKER_LEVELS",
    "BREAKER_OPENED",
    "BREAKER_OPEN_SECONDS",
    "BREAKER_STATE",
    "BUILD_INFO",
    "CONSUMED",
    "ERRORS",
    "FAILED",
    "HANDLER_SECONDS",
    "HEALTH_LEVELS",
    "HEALTH_STATUS",
    "JOURNAL_DROPPED",
    "METRICS",
    "PROCESSED",
    "RECOVERIES",
    "STATE_UP",
    "Kind",
    "Metric",
]

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True)
class Metric:
    """One metric as Prometheus knows it; ``buckets`` are upper bounds in the metric's unit.

    A histogram's ``setting`` is its key under ``telemetry.buckets``.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    setting: str = ""


ERRORS = Metric(
    "alchemiser_errors_total",
    "counter",
    "Failures that were captured.",
    ("code", "component", "severity", "injected"),
)
RECOVERIES = Metric(
    "alchemiser_error_recoveries_total",
    "counter",
    "Attempts to recover from a failure, by how they ended (recovered or failed).",
    ("code", "outcome"),
)
JOURNAL_DROPPED = Metric(
    "alchemiser_journal_dropped_total",
    "counter",
    "Failures that the journal had no room for.",
)
BREAKER_STATE = Metric(
    "breaker_state",
    "gauge",
    "State of a circuit breaker: 0 closed, 1 half-open, 2 open, 3 isolated by hand.",
    ("breaker",),
)
BREAKER_OPENED = Metric(
    "breaker_open_total",
    "counter",
    "Times that a circuit breaker opened.",
    ("breaker",),
)
BREAKER_OPEN_SECONDS = Metric(
    "breaker_open_seconds_total",
    "counter",
    "Seconds that a circuit breaker refused calls (open or isolated), the running ones included.",
    ("breaker",),
)
HEALTH_STATUS = Metric(
    "alchemiser_health_status",
    "gauge",
    "Health at the last look: 0 healthy, 1 degraded, 2 critical.",
)
STATE_UP = Metric(
    "alchemiser_state_up",
    "gauge",
    "Whether the state database answered this scrape: 1 yes, 0 no.",
)
CONSUMED = Metric(
    "alchemiser_consumer_messages_consumed_total",
    "counter",
    "Messages taken from a topic.",
    ("topic",),
)
PROCESSED = Metric(
    "alchemiser_consumer_messages_processed_total",
    "counter",
    "Messages whose handling succeeded.",
    ("topic",),
)
FAILED = Metric(
    "alchemiser_consumer_messages_failed_total",
    "counter",
    "Messages whose handling failed.",
    ("topic",),
)
HANDLER_SECONDS = Metric(
    "alchemiser_consumer_handler_seconds",
    "histogram",
    "Time that the handling of one message takes.",
    ("topic",),
    # From a tick's own cost of some 10 µs to a callback that waits for a service.
    buckets=(1e-05, 5e-05, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0),
    setting="consumer_handler_seconds",
)
BUILD_INFO = Metric(
    "alchemiser_build_info",
    "gauge",
    "The version that runs; the value is always 1.",
    ("version", "python"),
)

METRICS = (
    ERRORS,
    RECOVERIES,
    JOURNAL_DROPPED,
    BREAKER_STATE,
    BREAKER_OPENED,
    BREAKER_OPEN_SECONDS,
    HEALTH_STATUS,
    STATE_UP,
    CONSUMED,
    PROCESSED,
    FAILED,
    HANDLER_SECONDS,
    BUILD_INFO,
)

BREAKER_LEVELS = {"closed": 0.0, "half-open": 1.0, "open": 2.0, "isolated": 3.0}
HEALTH_LEVELS = {"healthy": 0.0, "degraded": 1.0, "critical": 2.0}
