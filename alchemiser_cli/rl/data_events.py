"""Faults of the data that an environment met: each counted, and logged now and then."""

from typing import Literal, get_args

from alchemiser_cli.clock import Clock, SystemClock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry import names as metric

__all__ = ["DATA_EVENTS", "DataEvent", "DataEvents"]

DataEvent = Literal[
    "trading_env_non_positive_price_or_strike",
    "trading_env_step_non_positive_prices",
    "trading_env_portfolio_non_positive_prices",
    "trading_env_obs_nan_or_inf",
    "trading_env_reward_div_by_zero",
    "trading_env_reward_non_positive_recent_values",
    "trading_env_reward_returns_nan_or_inf",
    "trading_env_balance_catastrophic_negative",
]
DATA_EVENTS: tuple[DataEvent, ...] = get_args(DataEvent)

INTERVAL_S = 60.0
NS_PER_SECOND = 1_000_000_000

_log = get_logger("trading", "rl.environment")


class DataEvents:
    """Counts events, and logs each kind at once and then at most every ``interval_s`` seconds.

    A line says in ``suppressed`` how many of its kind came since the line before. ``counts`` is of
    all, by event.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        telemetry: Telemetry = SILENT,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Read time from ``clock``, by default the system's, and count into ``telemetry``."""
        self.counts: dict[DataEvent, int] = {}
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._interval_ns = round(interval_s * NS_PER_SECOND)
        self._telemetry = telemetry
        self._next_ns: dict[DataEvent, int] = {}
        self._suppressed: dict[DataEvent, int] = {}

    def note(self, event: DataEvent, count: int = 1, **facts: object) -> None:
        """Count ``event``, which ``count`` environments met in one step, and log it if it is time.

        ``facts`` go into the log line.
        """
        if count < 1:
            return
        self.counts[event] = self.counts.get(event, 0) + count
        self._telemetry.counter(metric.ENVIRONMENT_FAULTS, event=event).inc(count)
        now_ns = self._now_ns()
        if now_ns < self._next_ns.get(event, now_ns):
            self._suppressed[event] = self._suppressed.get(event, 0) + count
            return
        self._next_ns[event] = now_ns + self._interval_ns
        _log.warning(event, count=count, suppressed=self._suppressed.pop(event, 0), **facts)

    def close(self) -> None:
        """Log what was suppressed since each event's last line."""
        for event, suppressed in self._suppressed.items():
            _log.warning(event, count=0, suppressed=suppressed)
        self._suppressed.clear()
