"""The exchange's calendar: which session is on now, and when trading opens next."""

import datetime as dt
import difflib
import warnings
from typing import Any, NoReturn

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.errors import SettingInvalidError

__all__ = ["SessionState", "breaks_of", "calendar_between", "session_at"]

# Long enough to span an exchange's longest run of holidays, short enough to build quickly.
DAYS_BEFORE = 7
DAYS_AFTER = 21


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange at one moment; times are UTC nanoseconds.

    ``session`` is the session under way, otherwise that of the exchange's local date, or
    None where that date has none; ``opens_at_ns`` and ``closes_at_ns`` bound it. A lunch
    break counts as closed. ``next_open_ns`` is the first opening after the moment, be it of a
    session or after a break; None where the calendar ends before.
    """

    calendar: str
    is_open: bool
    session: dt.date | None
    opens_at_ns: int | None
    closes_at_ns: int | None
    next_open_ns: int | None
    is_early_close: bool


def session_at(calendar: str, now_ns: int) -> SessionState:
    """Return the state of the exchange ``calendar`` at ``now_ns``.

    Args:
        calendar: ISO 10383 code or alias that ``exchange_calendars`` knows: XNYS, NYSE, 24/7.
        now_ns: UTC nanoseconds since 1970.

    Returns:
        The state; a session is open from its opening up to, not including, its close.

    Raises:
        SettingInvalidError: ``setting-invalid``, where no calendar has this name or the
            calendar has no sessions around ``now_ns``.
    """
    exchange = _calendar_around(calendar, now_ns)
    local_date = dt.datetime.fromtimestamp(now_ns // NS_PER_SECOND, exchange.tz).date()
    dates = [label.date() for label in exchange.sessions]
    opens: list[int] = exchange.opens_nanos.tolist()
    closes: list[int] = exchange.closes_nanos.tolist()
    breaks = breaks_of(exchange)

    under_way = [i for i in range(len(dates)) if opens[i] <= now_ns < closes[i]]
    of_today = [i for i, date in enumerate(dates) if date == local_date]
    at = next(iter(under_way + of_today), None)
    on_break = any(start <= now_ns < end for start, end in breaks)
    openings = opens + [end for _, end in breaks]
    return SessionState(
        calendar=calendar,
        is_open=bool(under_way) and not on_break,
        session=None if at is None else dates[at],
        opens_at_ns=None if at is None else opens[at],
        closes_at_ns=None if at is None else closes[at],
        next_open_ns=min((opening for opening in openings if opening > now_ns), default=None),
        is_early_close=at is not None and exchange.sessions[at] in exchange.early_closes,
    )


def calendar_between(calendar: str, start: dt.date, end: dt.date, *, asked_ns: int) -> Any:
    """Build an exchange's calendar from ``start`` to ``end``, or as far as it is known.

    Args:
        calendar: ISO 10383 code or alias that ``exchange_calendars`` knows.
        start: First date; the first session may be later.
        end: Last date; the last session may be earlier.
        asked_ns: The moment that is asked about, in UTC nanoseconds.

    Returns:
        The ``ExchangeCalendar``; its last session closes after ``asked_ns``.

    Raises:
        SettingInvalidError: ``setting-invalid``, where no calendar has this name or the
            calendar has no sessions around ``asked_ns``.
    """
    import exchange_calendars  # type: ignore[import-untyped]  # it ships no types
    from exchange_calendars.errors import (  # type: ignore[import-untyped]  # see above
        CalendarError,
        InvalidCalendarName,
    )

    try:
        with warnings.catch_warnings():
            # exchange_calendars 4.13 uses what pandas 3.1 deprecates; no operator can change it
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                exchange = exchange_calendars.get_calendar(
                    calendar, start=start.isoformat(), end=end.isoformat()
                )
            except ValueError:  # a calendar with bounds: take what lies within them
                known = exchange_calendars.get_calendar(calendar)
                exchange = exchange_calendars.get_calendar(
                    calendar,
                    start=_later(start, known.bound_min()),
                    end=_earlier(end, known.bound_max()),
                )
    except InvalidCalendarName:
        _refuse_name(calendar, exchange_calendars.get_calendar_names(include_aliases=True))
    except (CalendarError, ValueError) as error:
        _refuse_date(calendar, asked_ns, str(error))
    if asked_ns >= int(exchange.closes_nanos[-1]):
        _refuse_date(calendar, asked_ns, f"Its last known session is {exchange.last_session:%F}.")
    return exchange


def breaks_of(exchange: Any) -> list[tuple[int, int]]:
    """Return start and end of every lunch break of a calendar, in UTC nanoseconds."""
    if not exchange.has_break:
        return []
    starts = exchange.break_starts_nanos.tolist()
    ends = exchange.break_ends_nanos.tolist()
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start > 0]  # NaT < 0


def _calendar_around(calendar: str, now_ns: int) -> Any:
    """Build the calendar for a few weeks around ``now_ns`` only."""
    today = dt.datetime.fromtimestamp(now_ns // NS_PER_SECOND, dt.UTC).date()
    start, end = today - dt.timedelta(days=DAYS_BEFORE), today + dt.timedelta(days=DAYS_AFTER)
    return calendar_between(calendar, start, end, asked_ns=now_ns)


def _later(date: dt.date, bound: Any) -> str:
    return date.isoformat() if bound is None else max(date, bound.date()).isoformat()


def _earlier(date: dt.date, bound: Any) -> str:
    return date.isoformat() if bound is None else min(date, bound.date()).isoformat()


def _refuse_name(calendar: str, known: list[str]) -> NoReturn:
    near = difflib.get_close_matches(calendar.upper(), known, n=3)
    hint = f"Did you mean {', '.join(near)}? " if near else ""
    raise SettingInvalidError(
        f"no exchange calendar is named {calendar!r}",
        why="Calendars go by ISO 10383 codes and a few aliases, in capitals: XNYS, NYSE, 24/7.",
        next_step=f"{hint}Set market.calendar to a calendar that exchange_calendars lists.",
        context={"setting": "market.calendar", "value": calendar, "near": near},
    )


def _refuse_date(calendar: str, now_ns: int, why: str) -> NoReturn:
    raise SettingInvalidError(
        f"the exchange calendar {calendar} knows no session around {iso_from_ns(now_ns)}",
        why=why,
        next_step="Update the exchange_calendars package, or set market.calendar to another one.",
        context={"setting": "market.calendar", "value": calendar, "now_ns": now_ns},
    )
