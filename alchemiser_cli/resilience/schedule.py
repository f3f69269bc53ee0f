"""How long to wait before trying again: four kinds of growth, a cap and full jitter."""

from dataclasses import dataclass
from random import Random
from typing import Literal

__all__ = ["RetryKind", "RetryPolicy"]

RetryKind = Literal["exponential", "linear", "fixed", "fibonacci"]

_DOUBLINGS = 64  # 2**64 of any base is past every cap, and a float takes it
_FIBONACCI_STEPS = 90


@dataclass(frozen=True)
class RetryPolicy:
    """The numbers of a retry: ``base_s`` and its growth, never more than ``cap_s``, in seconds.

    ``attempts`` counts the first one. No attempt starts later than ``deadline_s`` after the
    first; without a deadline no clock is read on success. ``foreign`` lists exceptions that are
    not ours and may be tried again. A ``circuit-open`` is raised at once, unless
    ``wait_for_circuit``: failing fast is what the breaker is for.

    Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 (full
    jitter: a uniform wait between zero and the bound).
    """

    kind: RetryKind = "exponential"
    base_s: float = 0.1
    cap_s: float = 10.0
    attempts: int = 3
    deadline_s: float | None = None
    foreign: tuple[type[Exception], ...] = ()
    wait_for_circuit: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that make no schedule."""
        if not 0 <= self.base_s <= self.cap_s:
            raise ValueError("a retry policy needs 0 <= base_s <= cap_s")
        if self.attempts < 1:
            raise ValueError("a retry policy needs at least one attempt")
        if self.deadline_s is not None and self.deadline_s < 0:
            raise ValueError("a deadline is not negative")

    def bound_s(self, failures: int) -> float:
        """Return the longest wait in seconds after ``failures`` failed attempts (one or more)."""
        return min(self.cap_s, self.base_s * _growth(self.kind, failures))

    def wait_s(self, failures: int, random: Random) -> float:
        """Draw the wait in seconds: uniform between zero and ``bound_s``."""
        return random.random() * self.bound_s(failures)


def _growth(kind: RetryKind, failures: int) -> float:
    if kind == "fixed":
        return 1.0
    if kind == "linear":
        return float(failures)
    if kind == "exponential":
        return 2.0 ** min(failures - 1, _DOUBLINGS)
    before, now = 0, 1
    for _ in range(min(failures - 1, _FIBONACCI_STEPS)):
        before, now = now, before + now
    return float(now)
