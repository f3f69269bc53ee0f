"""What a feed did, in numbers: for its result, and as metrics."""

from collections import deque
from dataclasses import dataclass, field
from typing import get_args

import msgspec

from alchemiser_cli.market.feeds.silence import SilenceWatch
from alchemiser_cli.market.feeds.venue import Origin
from alchemiser_cli.telemetry import Counter, Telemetry
from alchemiser_cli.telemetry.names import (
    FEED_NOT_DELIVERED,
    FEED_TICKS,
    WS_CONNECTED,
    WS_LAST_MESSAGE_AGE,
    WS_RECONNECT_ATTEMPTS,
    WS_REST_FALLBACK_RATIO,
)

__all__ = ["FeedCounts", "FeedMetrics", "FeedTally"]

_RATIO_TICKS = 1_000
_REASONS = ("duplicates", "dropped", "conflated", "invalid")
_REASON_LABELS = {"duplicates": "duplicate"}


class FeedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed did up to now.

    ``live``, ``replayed`` and ``polled`` are ticks taken in once each; ``duplicates`` came live
    although they, or a newer quote, were there already. ``dropped`` and ``conflated`` were pushed
    out of a full buffer, ``invalid`` counts unreadable messages, ``missing`` the trades and bars
    that the sequences show and that never came. ``fallback_ratio`` is the polled share of the
    last 1,000.
    """

    live: int
    replayed: int
    polled: int
    duplicates: int
    dropped: int
    conflated: int
    invalid: int
    missing: int
    connections: int
    reconnect_attempts: int
    silences: int
    rest_failures: int
    fallback_ratio: float


@dataclass
class FeedTally:
    """The running numbers of one feed."""

    origins: dict[Origin, int] = field(
        default_factory=lambda: {"live": 0, "replayed": 0, "polled": 0}
    )
    duplicates: int = 0
    dropped: int = 0
    conflated: int = 0
    invalid: int = 0
    connections: int = 0
    reconnect_attempts: int = 0
    silences: int = 0
    rest_failures: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_RATIO_TICKS))
    _recent_polled: int = 0

    def admitted(self, origin: Origin) -> None:
        """Count one tick."""
        self.origins[origin] += 1
        polled = origin == "polled"
        recent = self._recent
        if len(recent) == _RATIO_TICKS:
            self._recent_polled -= recent[0]
        recent.append(polled)
        self._recent_polled += polled

    @property
    def fallback_ratio(self) -> float:
        """The polled share of the last 1,000 ticks, between 0 and 1."""
        return self._recent_polled / len(self._recent) if self._recent else 0.0

    def counts(self, missing: int) -> FeedCounts:
        """Return the numbers of now."""
        return FeedCounts(
            **self.origins,
            duplicates=self.duplicates,
            dropped=self.dropped,
            conflated=self.conflated,
            invalid=self.invalid,
            missing=missing,
            connections=self.connections,
            reconnect_attempts=self.reconnect_attempts,
            silences=self.silences,
            rest_failures=self.rest_failures,
            fallback_ratio=round(self.fallback_ratio, 4),
        )


class FeedMetrics:
    """Tells Prometheus what changed since it was told last; off the receive path."""

    def __init__(self, feed: str, symbols: tuple[str, ...], telemetry: Telemetry) -> None:
        """Bind the instruments of ``feed``."""
        self._attempts = telemetry.counter(WS_RECONNECT_ATTEMPTS, feed=feed)
        self._ratio = telemetry.gauge(WS_REST_FALLBACK_RATIO, feed=feed)
        self._told: dict[str, int] = {}
        self._origins: dict[Origin, Counter] = {
            origin: telemetry.counter(FEED_TICKS, feed=feed, origin=origin)
            for origin in get_args(Origin)
        }
        self._reasons = {
            reason: telemetry.counter(
                FEED_NOT_DELIVERED, feed=feed, reason=_REASON_LABELS.get(reason, reason)
            )
            for reason in _REASONS
        }
        self._symbols = {
            symbol: (
                telemetry.gauge(WS_CONNECTED, feed=feed, symbol=symbol),
                telemetry.gauge(WS_LAST_MESSAGE_AGE, feed=feed, symbol=symbol),
            )
            for symbol in symbols
        }

    def tell(self, tally: FeedTally, watch: SilenceWatch) -> None:
        """Bring every instrument up to date."""
        for origin, counter in self._origins.items():
            counter.inc(self._news(origin, tally.origins[origin]))
        for reason, counter in self._reasons.items():
            counter.inc(self._news(reason, getattr(tally, reason)))
        self._attempts.inc(self._news("attempts", tally.reconnect_attempts))
        self._ratio.set(tally.fallback_ratio)
        for symbol, (connected, age) in self._symbols.items():
            connected.set(float(watch.proven(symbol)))
            age.set(watch.age_s(symbol))

    def _news(self, name: str, total: int) -> int:
        news = total - self._told.get(name, 0)
        self._told[name] = total
        return news
