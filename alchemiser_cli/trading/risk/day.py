"""The day's losses: from where it started, and from the highest that it reached."""

import datetime as dt

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.trading.hours import TradingHours

__all__ = ["DayLosses", "TradingDay"]

DAY_NS = 86_400 * NS_PER_SECOND
EPOCH = dt.date(1970, 1, 1)


class TradingDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day of the account; ``day`` is its date, equities are in the currency."""

    day: str
    start_equity: float
    peak_equity: float


class DayLosses:
    """The equity at the day's start and its peak since, as far as it was looked at.

    A day is the exchange's session; without an exchange it is that of UTC. What was looked at
    first is its start, so look before the first trade, and restore the day after a restart.
    """

    def __init__(self, hours: TradingHours | None) -> None:
        """Begin with no day."""
        self._hours = hours
        self._date = dt.date.min
        self._number, self._utc_date = 0, EPOCH
        self.start_equity = 0.0
        self.peak_equity = 0.0

    @property
    def today(self) -> TradingDay:
        """The day as it stands."""
        return TradingDay(
            day=self._date.isoformat(),
            start_equity=self.start_equity,
            peak_equity=self.peak_equity,
        )

    def look(self, now_ns: int, equity: float) -> None:
        """Take in the equity of this moment (UTC nanoseconds); a new day starts with it."""
        date = self._day_of(now_ns)
        if date != self._date:
            self._date = date
            self.start_equity = self.peak_equity = equity
        elif equity > self.peak_equity:
            self.peak_equity = equity

    def restore(self, day: str, start_equity: float, peak_equity: float | None = None) -> None:
        """Go on with a day that began before a restart; its date is in ISO 8601."""
        self._date = dt.date.fromisoformat(day)
        self.start_equity = start_equity
        self.peak_equity = max(start_equity, start_equity if peak_equity is None else peak_equity)

    def losses(self, equity: float) -> tuple[float, float]:
        """Return the losses since the day's start and since its peak, as shares of these.

        A gain is negative. An account without equity has lost everything, whatever it began with.
        """
        start, peak = self.start_equity, self.peak_equity
        return (
            (start - equity) / start if start > 0.0 else 1.0,
            (peak - equity) / peak if peak > 0.0 else 1.0,
        )

    def _day_of(self, now_ns: int) -> dt.date:
        if self._hours is not None:
            return self._hours.day_of(now_ns)
        number = now_ns // DAY_NS
        if number != self._number:
            self._number, self._utc_date = number, EPOCH + dt.timedelta(days=number)
        return self._utc_date
