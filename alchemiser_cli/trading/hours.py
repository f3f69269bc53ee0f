"""Trading hours: whether an exchange is open at a moment, and which day it then is there.

It answers for every tick, so it looks a moment up among sessions that are known already, and
remembers the stretch of time that the last answer holds for.
"""

import datetime as dt
from bisect import bisect_right
from zoneinfo import ZoneInfo

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, ns_from_datetime
from alchemiser_cli.market.calendar import breaks_of, calendar_between

__all__ = ["TradingHours"]

YEARS = 10
"""Years of one calendar that is built: a decade costs about as much as a month, 0.3 s."""
MARGIN = dt.timedelta(days=21)  # longer than any run of holidays
DAY = dt.timedelta(days=1)
NEVER = -1


class Sessions(msgspec.Struct, frozen=True):
    """The sessions of some years; all times are UTC nanoseconds, ascending.

    Session ``i`` has the date ``dates[i]`` and lasts from ``opens[i]`` to ``closes[i]``. Trading
    is possible from ``starts[j]`` to ``ends[j]``: sessions without their lunch breaks, and joined
    where one follows another at once. ``last_ns`` is the last moment that they tell about.
    """

    dates: list[dt.date]
    opens: list[int]
    closes: list[int]
    starts: list[int]
    ends: list[int]
    zone: ZoneInfo | dt.tzinfo
    last_ns: int


class TradingHours:
    """The trading hours of one exchange; opening and close both count as open.

    A daily bar, which is stamped at the close, is therefore inside. A calendar without hours,
    24/7, is always open. It belongs to one thread.
    """

    def __init__(self, calendar: str) -> None:
        """Name the exchange: ISO 10383 code or alias; it is looked up with the first question."""
        self.calendar = calendar
        self._decades: dict[int, Sessions] = {}
        self._open = False
        self._open_from, self._open_until = 0, NEVER
        self._day = dt.date.min
        self._day_from, self._day_until = 0, NEVER

    def is_open(self, at_ns: int) -> bool:
        """Tell whether the exchange trades at ``at_ns`` (UTC ns); not in a lunch break.

        Raises:
            SettingInvalidError: ``setting-invalid``, where no calendar has this name, or it ends
                before ``at_ns``.
        """
        if not self._open_from <= at_ns <= self._open_until:
            self._look_up_open(at_ns)
        return self._open

    def day_of(self, at_ns: int) -> dt.date:
        """Return the date of the session under way, otherwise the exchange's local date.

        An evening session may have the next day's date. Where one session ends as the next one
        starts, the moment belongs to the next one.

        Raises:
            SettingInvalidError: As for ``is_open``.
        """
        if not self._day_from <= at_ns <= self._day_until:
            self._look_up_day(at_ns)
        return self._day

    def _look_up_open(self, at_ns: int) -> None:
        sessions = self._sessions(at_ns)
        index = bisect_right(sessions.starts, at_ns) - 1
        following = index + 1
        if index >= 0 and at_ns <= sessions.ends[index]:
            self._open, self._open_from = True, sessions.starts[index]
            self._open_until = min(sessions.ends[index], sessions.last_ns)
            return
        self._open = False
        self._open_from = sessions.ends[index] + 1 if index >= 0 else at_ns
        until = sessions.starts[following] - 1 if following < len(sessions.starts) else at_ns
        self._open_until = min(until, sessions.last_ns)

    def _look_up_day(self, at_ns: int) -> None:
        sessions = self._sessions(at_ns)
        index = bisect_right(sessions.opens, at_ns) - 1
        following = index + 1
        until = sessions.opens[following] - 1 if following < len(sessions.opens) else at_ns
        if index >= 0 and at_ns <= sessions.closes[index]:
            self._day, self._day_from = sessions.dates[index], sessions.opens[index]
            self._day_until = min(sessions.closes[index], until)
            return
        self._day = dt.datetime.fromtimestamp(at_ns // NS_PER_SECOND, sessions.zone).date()
        midnights = (_midnight(date, sessions.zone) for date in (self._day, self._day + DAY))
        first, last = next(midnights), next(midnights) - 1
        self._day_from = max(first, sessions.closes[index] + 1) if index >= 0 else at_ns
        self._day_until = min(last, until)

    def _sessions(self, at_ns: int) -> Sessions:
        year = dt.datetime.fromtimestamp(at_ns // NS_PER_SECOND, dt.UTC).year
        decade = year - year % YEARS
        known = self._decades.get(decade)
        if known is None or at_ns > known.last_ns:
            known = self._decades[decade] = _sessions_of(self.calendar, decade, at_ns)
        return known


def _sessions_of(calendar: str, decade: int, at_ns: int) -> Sessions:
    first, last = dt.date(decade, 1, 1), dt.date(decade + YEARS - 1, 12, 31)
    exchange = calendar_between(calendar, first - MARGIN, last + MARGIN, asked_ns=at_ns)
    opens: list[int] = exchange.opens_nanos.tolist()
    closes: list[int] = exchange.closes_nanos.tolist()
    starts, ends = opens[:1], []
    edges = sorted([*zip(closes[:-1], opens[1:], strict=True), *breaks_of(exchange)])
    for end, start in edges:
        if end < start:
            ends.append(end)
            starts.append(start)
    ends.append(closes[-1])
    return Sessions(
        dates=[label.date() for label in exchange.sessions],
        opens=opens,
        closes=closes,
        starts=starts,
        ends=ends,
        zone=exchange.tz,
        last_ns=closes[-1] - 1,  # of a calendar with bounds nothing is known after it
    )


def _midnight(date: dt.date, zone: dt.tzinfo) -> int:
    return ns_from_datetime(dt.datetime.combine(date, dt.time(), zone))
