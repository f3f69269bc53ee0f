"""The exchange's calendar: which session is on now, and when trading opens next."""

import datetime as dt
import difflib
import warnings
from typing import Any, NoReturn

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.errors import SettingInvalidError

__all__ = ["SessionState", "session_at"]

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
    breaks = _breaks(exchange)

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


def _calendar_around(calendar: str, now_ns: int) -> Any:
    """Build the calendar for a few weeks around ``now_ns`` only: decades take seconds."""
    import exchange_calendars  # type: ignore[import-untyped]  # it ships no types
    from exchange_calendars.errors import (  # type: ignore[import-untyped]  # see above
        CalendarError,
        InvalidCalendarName,
    )

    today = dt.datetime.fromtimestamp(now_ns // NS_PER_SECOND, dt.UTC).date()
    start = (today - dt.timedelta(days=DAYS_BEFORE)).isoformat()
    end = (today + dt.timedelta(days=DAYS_AFTER)).isoformat()
    try:
        with warnings.catch_warnings():
            # exchange_calendars 4.13 uses what pandas 3.1 deprecates; no operator can change it
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return exchange_calendars.get_calendar(calendar, start=start, end=end)
            except ValueError:  # a calendar with bounds: take it up to its last known session
                exchange = exchange_calendars.get_calendar(calendar, start=start)
    except InvalidCalendarName:
        _refuse_name(calendar, exchange_calendars.get_calendar_names(include_aliases=True))
    except (CalendarError, ValueError) as error:
        _refuse_date(calendar, now_ns, str(error))
    if now_ns >= int(exchange.closes_nanos[-1]):
        _refuse_date(calendar, now_ns, f"Its last known session is {exchange.last_session:%F}.")
    return exchange


def _breaks(exchange: Any) -> list[tuple[int, int]]:
    if not exchange.has_break:
        return []
    starts = exchange.break_starts_nanos.tolist()
    ends = exchange.break_ends_nanos.tolist()
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start > 0]  # NaT < 0


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
