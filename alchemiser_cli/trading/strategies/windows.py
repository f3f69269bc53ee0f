"""Statistics over the last values, kept up to date: each new value costs the same, however many."""

from collections import deque
from math import fsum, sqrt

__all__ = ["MovingExtreme", "MovingMoments"]

# Below this share of the values themselves a deviation is rounding, not movement.
ROUNDING = 1e-11


class MovingMoments:
    """Mean and standard deviation of the last ``size`` values, in amortised constant time.

    The sums are of distances from a recent value, and are made anew once a window has passed:
    rounding does not pile up (Chan, Golub and LeVeque, 1983, on shifted data).
    """

    __slots__ = ("_squares", "_sum", "_until_anew", "_values", "origin", "size")

    def __init__(self, size: int) -> None:
        """Begin without values; ``size`` is 2 or more."""
        self.size = size
        self.origin = 0.0
        self._values: deque[float] = deque()
        self._sum = 0.0
        self._squares = 0.0
        self._until_anew = 0

    @property
    def full(self) -> bool:
        """Whether the window has all its values."""
        return len(self._values) == self.size

    @property
    def mean(self) -> float:
        """Mean of what the window holds, which is one value at least."""
        return self.origin + self._sum / len(self._values)

    @property
    def deviation(self) -> float:
        """Standard deviation with divisor n, in the values' unit; 0 where nothing moved."""
        count = len(self._values)
        mean = self._sum / count
        variance = self._squares / count - mean * mean
        least = ROUNDING * (abs(self.origin) + abs(mean))
        return sqrt(variance) if variance > least * least else 0.0

    def push(self, value: float) -> None:
        """Take in a finite value; the oldest one leaves where the window is full."""
        values = self._values
        if len(values) == self.size:
            gone = values.popleft() - self.origin
            self._sum -= gone
            self._squares -= gone * gone
        values.append(value)
        if self._until_anew == 0:
            self._begin_anew(value)
            return
        self._until_anew -= 1
        added = value - self.origin
        self._sum += added
        self._squares += added * added

    def _begin_anew(self, origin: float) -> None:
        self.origin = origin
        away = [value - origin for value in self._values]
        self._sum = fsum(away)
        self._squares = fsum(one * one for one in away)
        self._until_anew = self.size


class MovingExtreme:
    """The largest of the last ``size`` values (of their negatives: the smallest).

    A value that a newer one reaches can never be the answer again and is dropped, so that each
    value enters and leaves once (Lemire, 2006).
    """

    __slots__ = ("_at", "_best", "size")

    def __init__(self, size: int) -> None:
        """Begin without values; ``size`` is 1 or more."""
        self.size = size
        self._at = 0
        self._best: deque[tuple[int, float]] = deque()

    @property
    def full(self) -> bool:
        """Whether as many values were pushed as the window has."""
        return self._at >= self.size

    @property
    def value(self) -> float:
        """The largest value of the window, which holds one at least."""
        return self._best[0][1]

    def push(self, value: float) -> None:
        """Take in a value; the oldest one leaves where the window is full."""
        best = self._best
        while best and best[-1][1] <= value:
            best.pop()
        best.append((self._at, value))
        self._at += 1
        if best[0][0] < self._at - self.size:
            best.popleft()
