"""Whether the brokers have been away for so long that somebody should know."""

from collections.abc import Callable

from confluent_kafka import KafkaError

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, BrokerUnreachableError
from alchemiser_cli.streaming.clients import LibraryLog
from alchemiser_cli.streaming.failures import broker_unreachable

__all__ = ["BrokerAbsence", "OutageCallback"]

OutageCallback = Callable[[AlchemiserError], object]
"""Told once of each outage that a consumer waits out by itself; must not block."""


class BrokerAbsence:
    """Notes when a client lost all its brokers; belongs to the client's thread.

    A client connects again by itself, and a short loss is its own business. One that lasts for
    ``longest_s`` seconds is told once, until a broker is there again.
    """

    def __init__(self, bootstrap: str, client_id: str, clock: Clock, longest_s: float) -> None:
        """Begin with brokers that are there."""
        self._bootstrap = bootstrap
        self._log = LibraryLog(client_id)
        self._clock = clock
        self._longest_s = longest_s
        self._since_ns: int | None = None
        self._told = False

    def noted(self, error: KafkaError) -> None:
        """Take one error that concerns no single request; librdkafka calls this."""
        self._log.failed(error)
        away = error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  librdkafka's own code
        if away and self._since_ns is None:
            self._since_ns = self._clock.monotonic_ns()

    def over(self) -> None:
        """Note that a broker is there."""
        self._since_ns, self._told = None, False

    def overdue(self, reachable: Callable[[], bool]) -> BrokerUnreachableError | None:
        """Return what is to be told now; ``reachable`` asks whether they are still away."""
        since_ns = self._since_ns
        if since_ns is None:
            return None
        away_s = (self._clock.monotonic_ns() - since_ns) / NS_PER_SECOND
        if away_s < self._longest_s:
            return None
        if reachable():
            self.over()
            return None
        if self._told:
            return None
        self._told = True
        return broker_unreachable(
            self._bootstrap,
            f"For {away_s:.1f} s there is no connection; the consumer waits and goes on by itself",
        )
