"""The budget of reconnections: so many attempts in any window of time, and no more."""

from collections import deque

from alchemiser_cli.clock import NS_PER_SECOND, Clock

__all__ = ["AttemptBudget"]


class AttemptBudget:
    """Allows ``most`` attempts within any ``window_s`` seconds; an attempt leaves as it ages."""

    def __init__(self, most: int, window_s: float, clock: Clock) -> None:
        """Begin with the whole budget."""
        self._most = most
        self._window_ns = round(window_s * NS_PER_SECOND)
        self._clock = clock
        self._taken_ns: deque[int] = deque()

    @property
    def left(self) -> int:
        """How many attempts are allowed now."""
        self._forget()
        return self._most - len(self._taken_ns)

    def take(self) -> bool:
        """Take one attempt; False when the budget is used up."""
        if self.left <= 0:
            return False
        self._taken_ns.append(self._clock.monotonic_ns())
        return True

    def _forget(self) -> None:
        oldest_ns = self._clock.monotonic_ns() - self._window_ns
        while self._taken_ns and self._taken_ns[0] <= oldest_ns:
            self._taken_ns.popleft()
