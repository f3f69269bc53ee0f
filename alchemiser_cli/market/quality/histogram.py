"""Percentiles of any number of durations in fixed memory."""

import math
from array import array
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LatencyHistogram"]

# 64 buckets an octave: a bucket's middle is at most 1/128 away from what is in it.
PER_OCTAVE = 64
# Octaves from 2**-31 s (half a nanosecond) up to 2**24 s (half a year).
LOWEST, HIGHEST = -31, 24

_BUCKETS = (HIGHEST - LOWEST) * PER_OCTAVE + 2  # zero's, and one for all that is longer
_LEAST, _MOST = 2.0**LOWEST, 2.0**HIGHEST
_PARTS = 2 * PER_OCTAVE
_FIRST = (LOWEST + 1) * PER_OCTAVE + PER_OCTAVE - 1  # bucket 1 begins at the least duration


class LatencyHistogram:
    """Counts durations in buckets that are linear within each octave, as HdrHistogram does.

    Percentiles are at most 0.8 % away from the exact ones. What is below half a nanosecond
    counts as zero, so do negative durations (two clocks that disagree); what is above half a
    year counts as the longest one that came. Takes 28 KB whatever comes.

    Source: G. Tene, HdrHistogram.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._counts = array("q", bytes(8 * _BUCKETS))
        self.count = 0
        self.longest_s = 0.0

    def record(self, seconds: float, times: int = 1) -> None:
        """Count a duration that came ``times`` times.

        Raises:
            ValueError: ``seconds`` is NaN or infinite.
        """
        if _LEAST <= seconds < _MOST:
            mantissa, exponent = math.frexp(seconds)  # the mantissa is from 0.5 up to 1
            bucket = exponent * PER_OCTAVE + int(mantissa * _PARTS) - _FIRST
        else:
            bucket = _outside(seconds)
        self._counts[bucket] += times
        self.count += times
        if seconds > self.longest_s:  # noqa: PLR1730  a call of max costs half of all this
            self.longest_s = seconds

    def record_many(self, seconds: "npt.ArrayLike") -> None:
        """Count durations of any shape, as ``record`` would; none where one is refused.

        Raises:
            ValueError: one of them is NaN or infinite.
        """
        import numpy as np

        values = np.asarray(seconds, np.float64).ravel()
        if not np.isfinite(values).all():
            _refuse()
        if not values.size:
            return
        mantissa, exponent = np.frexp(np.maximum(values, _LEAST))
        bucket = exponent * PER_OCTAVE + (mantissa * _PARTS).astype(np.int64) - _FIRST
        bucket = np.where(values < _LEAST, 0, np.minimum(bucket, _BUCKETS - 1))
        counts: npt.NDArray[Any] = np.frombuffer(self._counts, np.int64)
        counts += np.bincount(bucket, minlength=_BUCKETS)
        self.count += values.size
        self.longest_s = max(self.longest_s, float(values.max()))

    def percentile(self, percent: float) -> float | None:
        """Return the duration in seconds that ``percent`` of all are not above, or None if empty.

        Interpolates linearly between two neighbours, as ``numpy.percentile`` does.

        Raises:
            ValueError: ``percent`` is not from 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError("a percentile is from 0 to 100")
        if not self.count:
            return None
        below, share = divmod(percent / 100 * (self.count - 1), 1)
        lower = self._at(int(below))
        return lower + share * (self._at(int(below) + (share > 0)) - lower)

    def _at(self, rank: int) -> float:
        """Return the duration of ``rank``, counted from 0, in rising order."""
        import numpy as np

        counts = np.frombuffer(self._counts, np.int64)
        bucket = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        if bucket == 0:
            return 0.0
        if bucket == _BUCKETS - 1:
            return self.longest_s
        octave, part = divmod(bucket - 1, PER_OCTAVE)
        middle = math.ldexp(1 + (part + 0.5) / PER_OCTAVE, octave + LOWEST)
        return min(middle, self.longest_s)


def _outside(seconds: float) -> int:
    if not math.isfinite(seconds):
        _refuse()
    return 0 if seconds < _LEAST else _BUCKETS - 1


def _refuse() -> NoReturn:
    raise ValueError("a duration is a finite number of seconds")
