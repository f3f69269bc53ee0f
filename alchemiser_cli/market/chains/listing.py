"""What is listed and when it expires: five strikes around the money, the third Friday's close."""

import dataclasses
import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import NS_PER_SECOND, ns_from_datetime

__all__ = ["STRIKES", "Listing", "close_of", "expiry_after", "list_at", "listed_step"]
__all__ += ["listed_strikes"]

STRIKES = 5
NEW_YORK = "America/New_York"
CLOSE = dt.time(16, 0)
FRIDAY = 4
STEP_SHARE = 0.005  # of spot: 5 points for an index at 1,000 to 2,000

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Five strikes, ascending, and the UTC nanoseconds at which their options expire."""

    strikes: Floats
    expiry_ns: int


def list_at(event_time_ns: int, spot: float, strike_step: float) -> Listing:
    """Return what is listed at this time for an underlying at ``spot``, which is above zero."""
    return Listing(listed_strikes(spot, strike_step), expiry_after(event_time_ns))


def expiry_after(event_time_ns: int) -> int:
    """Return 16:00 in New York of the third Friday of the month after this time's date there.

    Index options expire on third Fridays (Cboe). Where that is a holiday, Good Friday, the
    listed ones expire a day earlier; here they expire all the same, and are settled at the
    first price at or after it.

    Args:
        event_time_ns: UTC nanoseconds.

    Returns:
        UTC nanoseconds, two to seven weeks later.
    """
    date = dt.datetime.fromtimestamp(event_time_ns // NS_PER_SECOND, ZoneInfo(NEW_YORK))
    year, month = divmod(date.year * 12 + date.month, 12)  # the next month, counted from 0
    first = dt.date(year, month + 1, 1)
    friday = 1 + (FRIDAY - first.weekday()) % 7 + 14
    return close_of(first.replace(day=friday))


def close_of(date: dt.date) -> int:
    """Return 16:00 of ``date`` in New York, in UTC nanoseconds."""
    return ns_from_datetime(dt.datetime.combine(date, CLOSE, ZoneInfo(NEW_YORK)))


def listed_strikes(spot: float, strike_step: float) -> Floats:
    """Return strikes at ``spot * (1 + strike_step * (-2..2))``, each on a listed step.

    Args:
        spot: Price of the underlying at listing, above zero.
        strike_step: Distance of strikes as a share of spot, above 0 and below 0.5.

    Returns:
        float64 of shape (5,), strictly ascending.
    """
    step = listed_step(spot, strike_step)
    wanted = spot * (1 + strike_step * np.arange(-2, 3))
    return np.round(np.round(wanted / step) * step, 12)


def listed_step(spot: float, strike_step: float) -> float:
    """Return the grid of strikes: the largest 1, 2.5 or 5 times a power of ten that is fine enough.

    Fine enough is half a percent of ``spot``, and half the distance of the strikes, so that no
    two of them fall together: 5 points at 1,200, 0.5 at 100, 0.005 at 1.10.
    """
    most = spot * min(STEP_SHARE, strike_step / 2) * (1 + 1e-9)
    power = 10.0 ** math.floor(math.log10(most))
    return max(part for part in (power, 2.5 * power, 5 * power) if part <= most)
