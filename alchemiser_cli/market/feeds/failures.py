"""The errors of a whole feed: it is silent, or it gave up."""

from alchemiser_cli.errors import FeedReconnectsExhaustedError, FeedSilentError, MarketDataError
from alchemiser_cli.market.feeds.silence import Silence
from alchemiser_cli.settings import FeedSettings

__all__ = ["feed_silent", "reconnects_exhausted"]


def feed_silent(feed: str, settings: FeedSettings, silence: Silence) -> FeedSilentError:
    """Return the error of a feed whose socket stands and brings nothing."""
    who = f"the symbol {silence.symbol}" if silence.symbol else "the connection"
    return FeedSilentError(
        f"the feed {feed!r} is connected and {who} brings nothing",
        why=f"Nothing came for {silence.silent_s:.1f} s while the socket stood; "
        f"`silence_s` of the feed is {settings.silence_s:g} s.",
        next_step="Nothing yet: the feed connects and subscribes again. If it comes back "
        "each time, ask the venue whether it has data, or raise `silence_s`.",
        context={
            "feed": feed,
            "symbol": silence.symbol,
            "silent_s": round(silence.silent_s, 3),
        },
    )


def reconnects_exhausted(
    feed: str, settings: FeedSettings, lost: MarketDataError
) -> FeedReconnectsExhaustedError:
    """Return the error of a feed that gave up; ``lost`` is what its last attempt ended with."""
    error = FeedReconnectsExhaustedError(
        f"the feed {feed!r} gave up after {settings.max_attempts} attempts",
        why=f"They are all that it may make within {settings.attempt_window_s:g} s; the last "
        f"connection ended so: {lost.why}",
        next_step="Look at the venue's status page and at the network, then start the feed "
        "again; raise `max_attempts` only when the venue allows it.",
        context={"feed": feed, "attempts": settings.max_attempts, "last": lost.code},
    )
    error.__cause__ = lost
    error.injected = lost.injected
    return error
