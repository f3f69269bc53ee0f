"""Which feeds deliver, which are mute, and which are not there: event time is what counts."""

from typing import TYPE_CHECKING, Literal

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.state.stream_progress import Progress, read_progress
from alchemiser_cli.trading.activity_store import PREFIX

if TYPE_CHECKING:
    from alchemiser_cli.market.calendar import SessionState

__all__ = ["Feed", "FeedState", "feed_of", "feeds"]

FeedState = Literal["flowing", "quiet", "mute", "disconnected", "gone", "ended"]

# A stream reports once a second; without a report for so long, its process is not running.
GONE_AFTER_S = 120.0
# How long a process that ended without saying so is worth mentioning.
REMEMBERED_S = 24 * 3_600.0
# Exchanges report trades before the open and after the close; later ones keep no such hours.
EXTENDED_HOURS_S = 6 * 3_600.0


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One feed or consumer: what it does, and for how many seconds nothing new has come.

    ``flowing``: newer events keep coming. ``mute``: connected, and nothing comes. ``quiet``:
    nothing comes because the exchange is closed, or opened only just now.
    ``disconnected``: its process runs without a connection. ``gone``: its process ended without
    saying so. ``ended``: it ended cleanly, or long ago.
    """

    name: str
    state: FeedState
    silent_s: float
    reported_s: float
    last_event_ns: int | None
    count: int


def feeds(database: StateDatabase, settings: Settings, now_ns: int) -> list[Feed]:
    """Return every feed that ever reported, by name.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    return [
        feed_of(
            row,
            now_ns,
            calendar=settings.market.calendar,
            max_silence_s=settings.health.max_silence_s,
        )
        for row in read_progress(database)
        if not row.name.startswith(PREFIX)  # stages of trading are judged by what they owe
    ]


def feed_of(row: Progress, now_ns: int, *, calendar: str, max_silence_s: float) -> Feed:
    """Judge one feed's progress at ``now_ns``, on the exchange ``calendar`` (ISO 10383)."""
    silent_s = max(0.0, (now_ns - row.last_change_ns) / NS_PER_SECOND)
    reported_s = max(0.0, (now_ns - row.at_ns) / NS_PER_SECOND)
    state: FeedState = "flowing"
    if reported_s > REMEMBERED_S or (not row.connected and reported_s > GONE_AFTER_S):
        state = "ended"
    elif reported_s > GONE_AFTER_S:
        state = "gone"
    elif not row.connected:
        # The last report of a clean end says so too, but it comes while events still flow.
        silent_then_s = (row.at_ns - row.last_change_ns) / NS_PER_SECOND
        state = "disconnected" if silent_then_s > max_silence_s else "ended"
    elif silent_s > max_silence_s:
        state = "mute" if _owes_data(row, now_ns, calendar, max_silence_s) else "quiet"
    return Feed(
        name=row.name,
        state=state,
        silent_s=round(silent_s, 1),
        reported_s=round(reported_s, 1),
        last_event_ns=row.last_event_ns,
        count=row.count,
    )


def _owes_data(row: Progress, now_ns: int, calendar: str, max_silence_s: float) -> bool:
    """Tell whether a silent feed should have had something to deliver since its last progress.

    Before an open and after a close an exchange's feed owes nothing, provided that it kept up
    until the close. One that moved on while the exchange was long closed (a replay, a market
    that never closes) keeps no such hours, and owes data at any time.
    """
    # Loading the calendar takes longer than all else here, and only a silent feed needs it.
    from alchemiser_cli.market.calendar import session_at

    try:
        now = session_at(calendar, now_ns)
        then = session_at(calendar, row.last_change_ns)
    except AlchemiserError:
        return True  # Without a calendar nothing excuses the silence.
    silence_ns = round(max_silence_s * NS_PER_SECOND)
    if now.opens_at_ns is not None and now.closes_at_ns is not None:
        if now.is_open:
            return now_ns - max(now.opens_at_ns, row.last_change_ns) > silence_ns
        if now.opens_at_ns <= now_ns < now.closes_at_ns:
            return False  # A break at noon.
    if then.next_open_ns is None or then.next_open_ns <= now_ns:
        return True  # A session has passed since.
    if row.last_event_ns is None:
        return then.is_open  # Started while it was closed, it could not deliver yet.
    return not _belongs_to_session(row.last_change_ns, then, silence_ns)


def _belongs_to_session(at_ns: int, session: "SessionState", silence_ns: int) -> bool:
    """Tell whether a last progress is what an exchange's feed makes before or after a session."""
    if session.opens_at_ns is None or session.closes_at_ns is None:
        return False
    extended_ns = round(EXTENDED_HOURS_S * NS_PER_SECOND)
    before_open = session.opens_at_ns - extended_ns <= at_ns < session.opens_at_ns
    after_close = session.closes_at_ns - silence_ns <= at_ns <= session.closes_at_ns + extended_ns
    return before_open or after_close
