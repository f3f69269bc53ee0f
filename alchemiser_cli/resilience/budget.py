"""A retry budget: what keeps retries from making an overload worse."""

import threading

from alchemiser_cli.clock import Clock

__all__ = ["RetryBudget"]


class RetryBudget:
    """Lets a component retry a share of its calls, and a few each second whatever happens.

    A token bucket: each call puts in ``ratio`` tokens, each second ``minimum_per_s``, each retry
    takes one; it holds at most ``capacity``, with which it starts. So the retries of any period
    are at most ``capacity + ratio x calls + minimum_per_s x seconds``. Share one among all the
    callers of a component.

    Source: Finagle's ``RetryBudget`` and the retry throttling of gRPC (proposal A6).
    """

    __slots__ = (
        "_capacity",
        "_clock",
        "_lock",
        "_minimum_per_s",
        "_paid_at_ns",
        "_paid_calls",
        "_ratio",
        "_tokens",
        "calls",
    )

    def __init__(
        self,
        clock: Clock,
        *,
        ratio: float = 0.2,
        minimum_per_s: float = 1.0,
        capacity: float = 10.0,
    ) -> None:
        """Start full."""
        if ratio < 0 or minimum_per_s < 0 or capacity < 1:
            raise ValueError("a budget needs ratio >= 0, minimum_per_s >= 0 and capacity >= 1")
        self._clock = clock
        self._ratio = ratio
        self._minimum_per_s = minimum_per_s
        self._capacity = capacity
        self._tokens = capacity
        self._lock = threading.Lock()
        self._paid_at_ns = clock.monotonic_ns()
        self._paid_calls = 0
        # Counted by the callers without the lock; a lost count makes the budget stricter.
        self.calls = 0

    @property
    def tokens(self) -> float:
        """How many retries would be allowed now."""
        with self._lock:
            self._pay_in()
            return self._tokens

    def take(self) -> bool:
        """Take one retry out; False when there is none."""
        with self._lock:
            self._pay_in()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _pay_in(self) -> None:
        now_ns, calls = self._clock.monotonic_ns(), self.calls
        earned = (calls - self._paid_calls) * self._ratio
        earned += (now_ns - self._paid_at_ns) / 1e9 * self._minimum_per_s
        self._tokens = min(self._capacity, self._tokens + earned)
        self._paid_at_ns, self._paid_calls = now_ns, calls
