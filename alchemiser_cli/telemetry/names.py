"""Every Prometheus metric: its name, kind, labels, help text and buckets, in this one place."""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BREAKER_LEVELS",
    "BREAKER_OPENED",
    "BREAKER_OPEN_SECONDS",
    "BREAKER_STATE",
    "BUILD_INFO",
    "CALIBRATION_ERROR",
    "CONSUMED",
    "CONSUMER_LAG",
    "DAILY_PNL",
    "DEAD_LETTERS",
    "EMIT_LATENCY_SECONDS",
    "ENQUEUE_DELAY_SECONDS",
    "ENVIRONMENT_FAULTS",
    "ERRORS",
    "FAILED",
    "FEED_NOT_DELIVERED",
    "FEED_TICKS",
    "HANDLER_SECONDS",
    "HEALTH_LEVELS",
    "HEALTH_STATUS",
    "HIT_RATIO",
    "INCIDENTS_OPEN",
    "INFERENCES",
    "INFERENCE_SECONDS",
    "JOURNAL_DROPPED",
    "KILL_SWITCH_STATE",
    "MAX_DAILY_LOSS",
    "METRICS",
    "MODEL_LOADS",
    "MODEL_LOAD_FAILURES",
    "NOTIFICATIONS_FAILED",
    "NOTIFICATIONS_HELD",
    "NOTIFICATIONS_SENT",
    "NOTIFICATION_DELAY_SECONDS",
    "PROCESSED",
    "QUARANTINED",
    "RECOVERIES",
    "SEQUENCE_DUPLICATES",
    "SEQUENCE_GAPS",
    "SEQUENCE_REORDERED",
    "SHM_AGE_SECONDS",
    "SHM_CHECKSUM_FAILURES",
    "SHM_GENERATION",
    "SHM_PUBLISHED",
    "SHM_READ_RETRIES",
    "SLIPPAGE",
    "STALE_SYMBOLS",
    "STATE_UP",
    "STRATEGIES_CONFIGURED",
    "STRATEGIES_LOADED",
    "STRATEGY_DISABLED",
    "STRATEGY_FAILURES",
    "STRATEGY_TICKS_SKIPPED",
    "TICKS_IMPLAUSIBLE",
    "TRADE_APPROVALS",
    "TRADE_REJECTS",
    "TRADING_LAST_ACTIVITY",
    "TRADING_LAST_OUTPUT",
    "TRANSIT_SECONDS",
    "VALIDATOR_WARNINGS",
    "WS_CONNECTED",
    "WS_LAST_MESSAGE_AGE",
    "WS_RECONNECT_ATTEMPTS",
    "WS_REST_FALLBACK_RATIO",
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
CONSUMER_LAG = Metric(
    "alchemiser_consumer_lag_messages",
    "gauge",
    "Messages behind the end of the consumer's partitions, as far as the last fetches told.",
    ("topic",),
)
SEQUENCE_GAPS = Metric(
    "market_sequence_gaps_total",
    "counter",
    "Sequences that never came.",
    ("topic",),
)
SEQUENCE_DUPLICATES = Metric(
    "market_sequence_duplicates_total",
    "counter",
    "Ticks that came again.",
    ("topic",),
)
SEQUENCE_REORDERED = Metric(
    "market_sequence_reordered_total",
    "counter",
    "Ticks that came late, within the reorder window.",
    ("topic",),
)
STALE_SYMBOLS = Metric(
    "market_stale_symbols",
    "gauge",
    "Symbols (or whole venues) that are silent for longer than usual.",
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
TICKS_IMPLAUSIBLE = Metric(
    "market_tick_implausible_total",
    "counter",
    "Ticks that broke a rule of plausibility.",
    ("rule",),
)
# From a producer beside the venue's feed to a venue whose clock is behind.
_OVER_A_NETWORK = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0)
ENQUEUE_DELAY_SECONDS = Metric(
    "market_tick_enqueue_delay_seconds",
    "histogram",
    "Time from a tick's event at the venue until the producer takes it.",
    ("topic",),
    buckets=_OVER_A_NETWORK,
    setting="market_tick_enqueue_delay_seconds",
)
EMIT_LATENCY_SECONDS = Metric(
    "market_tick_emit_latency_seconds",
    "histogram",
    "Time from when the producer takes a tick until the broker acknowledges it.",
    ("topic",),
    buckets=_OVER_A_NETWORK,
    setting="market_tick_emit_latency_seconds",
)
TRANSIT_SECONDS = Metric(
    "market_tick_transit_seconds",
    "histogram",
    "Time from a message's timestamp until the consumer receives it.",
    ("topic",),
    buckets=_OVER_A_NETWORK,
    setting="market_tick_transit_seconds",
)
DEAD_LETTERS = Metric(
    "trading_dlq_messages_total",
    "counter",
    "Messages set aside in a dead-letter topic, by the topic they came from.",
    ("topic", "reason"),
)
QUARANTINED = Metric(
    "trading_quarantined_messages_total",
    "counter",
    "Implausible messages set aside in a quarantine topic, by the topic they came from.",
    ("topic", "rule"),
)
WS_CONNECTED = Metric(
    "ws_connected",
    "gauge",
    "Whether a symbol's live data comes over the feed's present connection: 1 yes, 0 no.",
    ("feed", "symbol"),
)
WS_LAST_MESSAGE_AGE = Metric(
    "ws_last_msg_age_seconds",
    "gauge",
    "Seconds since a symbol's last live message, or since the feed's start before the first.",
    ("feed", "symbol"),
)
WS_RECONNECT_ATTEMPTS = Metric(
    "ws_reconnect_attempts_total",
    "counter",
    "Attempts of a feed to connect again.",
    ("feed",),
)
WS_REST_FALLBACK_RATIO = Metric(
    "ws_rest_fallback_ratio",
    "gauge",
    "Share of a feed's last 1,000 ticks that were polled by REST.",
    ("feed",),
)
FEED_TICKS = Metric(
    "feed_ticks_total",
    "counter",
    "Ticks that a feed delivered, by origin: live, replayed or polled.",
    ("feed", "origin"),
)
FEED_NOT_DELIVERED = Metric(
    "feed_not_delivered_total",
    "counter",
    "What a feed received and did not deliver: duplicate, dropped, conflated or invalid.",
    ("feed", "reason"),
)
SHM_GENERATION = Metric(
    "shm_generation",
    "gauge",
    "Generation that a segment's writer published, or that a reader took over, last.",
    ("segment",),
)
SHM_AGE_SECONDS = Metric(
    "shm_age_seconds",
    "gauge",
    "Seconds since the publication of what a reader of a segment holds, at its last look.",
    ("segment",),
)
SHM_READ_RETRIES = Metric(
    "shm_read_retries_total",
    "counter",
    "Attempts to read a segment that its writer overtook.",
    ("segment",),
)
SHM_CHECKSUM_FAILURES = Metric(
    "shm_checksum_failures_total",
    "counter",
    "Copies out of a segment that failed their checksum and were discarded.",
    ("segment",),
)
SHM_PUBLISHED = Metric(
    "shm_published_total",
    "counter",
    "Generations that a segment's writer published.",
    ("segment",),
)
ENVIRONMENT_FAULTS = Metric(
    "trading_env_data_faults_total",
    "counter",
    "Faults of the data that trading environments met, by the name of their log line.",
    ("event",),
)
TRADING_LAST_ACTIVITY = Metric(
    "trading_last_activity_timestamp_unix",
    "gauge",
    "When a stage of trading last did something, at first its start; UTC seconds since 1970.",
    ("service", "stage", "broker"),
)
TRADING_LAST_OUTPUT = Metric(
    "trading_last_output_timestamp_unix",
    "gauge",
    "When a stage of trading last gave the next one something to do, 0 before; UTC seconds.",
    ("service", "stage", "broker"),
)
VALIDATOR_WARNINGS = Metric(
    "validator_warnings_total",
    "counter",
    "Looks at the stages of trading that found one of them wanting.",
    ("stage", "broker", "issue"),
)
MODEL_LOADS = Metric(
    "ml_model_load_success_total",
    "counter",
    "Models that a strategy took over, verified.",
    ("strategy_id",),
)
MODEL_LOAD_FAILURES = Metric(
    "ml_model_load_failure_total",
    "counter",
    "Models that a strategy could not take over, which disables it.",
    ("strategy_id",),
)
INFERENCES = Metric(
    "ml_inference_total",
    "counter",
    "Times that a strategy with a model was asked for a signal.",
    ("strategy_id",),
)
INFERENCE_SECONDS = Metric(
    "ml_inference_latency_seconds",
    "histogram",
    "Time that a strategy with a model takes for a signal.",
    ("strategy",),
    # From a logistic regression's few microseconds to a policy with a transformer.
    buckets=(1e-05, 2.5e-05, 5e-05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0),
    setting="ml_inference_latency_seconds",
)
STRATEGIES_CONFIGURED = Metric(
    "strategies_configured",
    "gauge",
    "Strategies that were to be loaded.",
    ("broker",),
)
STRATEGIES_LOADED = Metric(
    "strategies_loaded",
    "gauge",
    "Strategies that are loaded and were not disabled since.",
    ("broker",),
)
STRATEGY_FAILURES = Metric(
    "strategy_failures_total",
    "counter",
    "Ticks at which a strategy failed, by how: raised, hung or nonsense.",
    ("strategy_id", "reason"),
)
STRATEGY_DISABLED = Metric(
    "strategy_disabled_total",
    "counter",
    "Strategies that were disabled because they failed too often in a row.",
    ("strategy_id",),
)
STRATEGY_TICKS_SKIPPED = Metric(
    "strategy_ticks_skipped_total",
    "counter",
    "Ticks that were not later than the newest of their symbol, shown to no strategy.",
    ("broker",),
)
TRADE_REJECTS = Metric(
    "trade_rejects_total",
    "counter",
    "Signals that the risk gate refused, by the reason of its decision.",
    ("broker", "reason"),
)
TRADE_APPROVALS = Metric(
    "trade_approvals_total",
    "counter",
    "Signals that the risk gate approved, also at a smaller size, and positions it let flatten.",
    ("broker",),
)
KILL_SWITCH_STATE = Metric(
    "killswitch_state",
    "gauge",
    "Whether the kill switch was set at the last look: 1 yes, 0 no.",
)
DAILY_PNL = Metric(
    "daily_pnl",
    "gauge",
    "Profit since the day's start, in the account's currency.",
    ("broker",),
)
MAX_DAILY_LOSS = Metric(
    "max_daily_loss",
    "gauge",
    "Loss since the day's start at which trading stops, in the account's currency.",
    ("broker",),
)
HIT_RATIO = Metric(
    "hit_ratio_rolling",
    "gauge",
    "Share of the last 100 closed trades that made money after commission.",
    ("broker",),
)
SLIPPAGE = Metric(
    "slippage_realized_vs_predicted",
    "gauge",
    "How much worse the last 100 fills were than the prices their signals rested on, as a share.",
    ("broker",),
)
CALIBRATION_ERROR = Metric(
    "pwin_calibration_ece",
    "gauge",
    "Expected calibration error of the confidence of the last 500 closed trades that had one.",
    ("broker",),
)
NOTIFICATIONS_SENT = Metric(
    "notifications_sent_total",
    "counter",
    "Messages that a channel took.",
    ("channel", "kind"),
)
NOTIFICATIONS_FAILED = Metric(
    "notifications_failed_total",
    "counter",
    "Messages that were given up, after every attempt or at an answer that is final.",
    ("channel",),
)
NOTIFICATIONS_HELD = Metric(
    "notifications_held_total",
    "counter",
    "Messages held back by a limit or a silence, which a digest tells of.",
    ("channel",),
)
INCIDENTS_OPEN = Metric(
    "incidents_open",
    "gauge",
    "Incidents that are not over, by severity.",
    ("severity",),
)
NOTIFICATION_DELAY_SECONDS = Metric(
    "notification_delay_seconds",
    "histogram",
    "Time from when an incident began until the first channel took its first message.",
    # From a critical one at once to a low one whose policy waits, over a channel that was down.
    buckets=(0.5, 1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 14_400.0),
    setting="notification_delay_seconds",
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
    CONSUMER_LAG,
    SEQUENCE_GAPS,
    SEQUENCE_DUPLICATES,
    SEQUENCE_REORDERED,
    STALE_SYMBOLS,
    HANDLER_SECONDS,
    TICKS_IMPLAUSIBLE,
    ENQUEUE_DELAY_SECONDS,
    EMIT_LATENCY_SECONDS,
    TRANSIT_SECONDS,
    DEAD_LETTERS,
    QUARANTINED,
    WS_CONNECTED,
    WS_LAST_MESSAGE_AGE,
    WS_RECONNECT_ATTEMPTS,
    WS_REST_FALLBACK_RATIO,
    FEED_TICKS,
    FEED_NOT_DELIVERED,
    SHM_GENERATION,
    SHM_AGE_SECONDS,
    SHM_READ_RETRIES,
    SHM_CHECKSUM_FAILURES,
    SHM_PUBLISHED,
    ENVIRONMENT_FAULTS,
    TRADING_LAST_ACTIVITY,
    TRADING_LAST_OUTPUT,
    VALIDATOR_WARNINGS,
    MODEL_LOADS,
    MODEL_LOAD_FAILURES,
    INFERENCES,
    INFERENCE_SECONDS,
    STRATEGIES_CONFIGURED,
    STRATEGIES_LOADED,
    STRATEGY_FAILURES,
    STRATEGY_DISABLED,
    STRATEGY_TICKS_SKIPPED,
    TRADE_REJECTS,
    TRADE_APPROVALS,
    KILL_SWITCH_STATE,
    DAILY_PNL,
    MAX_DAILY_LOSS,
    HIT_RATIO,
    SLIPPAGE,
    CALIBRATION_ERROR,
    NOTIFICATIONS_SENT,
    NOTIFICATIONS_FAILED,
    NOTIFICATIONS_HELD,
    INCIDENTS_OPEN,
    NOTIFICATION_DELAY_SECONDS,
    BUILD_INFO,
)

BREAKER_LEVELS = {"closed": 0.0, "half-open": 1.0, "open": 2.0, "isolated": 3.0}
HEALTH_LEVELS = {"healthy": 0.0, "degraded": 1.0, "critical": 2.0}
