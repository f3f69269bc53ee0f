"""Time as the market tells it, for data that is replayed."""

from alchemiser_cli.clock import NS_PER_SECOND

__all__ = ["MarketClock"]


class MarketClock:
    """A clock at the newest event time; it never goes back, and nobody waits on it."""

    def __init__(self) -> None:
        """Stand at 1970 until the first tick."""
        self._now_ns = 0

    def advance_to(self, event_time_ns: int) -> None:
        """Move on to an event; one of the past changes nothing."""
        self._now_ns = max(self._now_ns, event_time_ns)

    def now_ns(self) -> int:
        """Return the newest event time in UTC nanoseconds."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Return the same reading, for durations."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Move on by ``seconds`` at once."""
        self._now_ns += round(max(0.0, seconds) * NS_PER_SECOND)
