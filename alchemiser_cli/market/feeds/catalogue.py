"""Which feeds there are: those of the settings, and the venues that plugins speak."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec

from alchemiser_cli.errors import PluginRejectedError, UsageError
from alchemiser_cli.hooks import PluginAnswers, load_plugins
from alchemiser_cli.market.feeds.venue import Venue
from alchemiser_cli.settings import FeedSettings, Settings

__all__ = ["FeedEntry", "FeedPlan", "list_feeds", "plan_feed", "venues"]


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One feed of the settings, or one venue that is ready to be named with symbols.

    ``available`` tells whether a loaded plugin speaks its protocol.
    """

    name: str
    plugin: str
    available: bool
    configured: bool
    symbols: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True)
class FeedPlan:
    """A feed that can be run: its name, its venue, and its settings with symbols."""

    name: str
    venue: Venue
    settings: FeedSettings


def venues(settings: Settings) -> dict[str, Venue]:
    """Return the venues of all allowed plugins, by name.

    Raises:
        PluginRejectedError: ``plugin-rejected``, also when two give a venue of one name.
    """
    found: dict[str, Venue] = {}
    for plugin, item in PluginAnswers(load_plugins(settings.plugins)).of(
        "alchemiser_feeds", "name its feeds", settings=settings
    ):
        if not isinstance(item, Venue) or item.name in found:
            problem = "gives a second" if isinstance(item, Venue) else "gives what is no venue:"
            what = item.name if isinstance(item, Venue) else repr(item)
            raise PluginRejectedError(
                f"the plugin {plugin!r} {problem} {what}",
                why="A feed's plugin returns venues, each with a name of its own.",
                next_step=f"Correct the plugin, or take {plugin!r} out of `plugins` in the "
                "settings.",
                context={"plugin": plugin},
            )
        found[item.name] = item
    return found


def list_feeds(settings: Settings) -> list[FeedEntry]:
    """Return the feeds of the settings and, after them, the venues that none of them uses.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """
    known = venues(settings)
    entries = [
        FeedEntry(
            name=name,
            plugin=feed.plugin,
            available=feed.plugin in known,
            configured=True,
            symbols=feed.symbols,
            kinds=feed.kinds,
            url=feed.url or (known[feed.plugin].url if feed.plugin in known else None),
        )
        for name, feed in settings.feeds.items()
    ]
    used = {entry.plugin for entry in entries}
    return entries + [
        FeedEntry(
            name=name,
            plugin=name,
            available=True,
            configured=False,
            kinds=tuple(sorted(venue.kinds)),
            url=venue.url,
        )
        for name, venue in known.items()
        if name not in used
    ]


def plan_feed(settings: Settings, name: str, symbols: Sequence[str] = ()) -> FeedPlan:
    """Return the feed ``name`` of the settings, or the venue ``name`` with ``symbols``.

    ``symbols`` take the place of those in the settings.

    Raises:
        UsageError: ``usage``, when there is no such feed, no symbol, or a kind that the venue
            does not have.
        PluginRejectedError: ``plugin-rejected``, also when no plugin speaks the feed's protocol.
    """
    known = venues(settings)
    feed = settings.feeds.get(name)
    if feed is None:
        if name not in known:
            raise _unknown(name, [*settings.feeds, *known])
        feed = FeedSettings(plugin=name)
    if feed.plugin not in known:
        raise PluginRejectedError(
            f"no plugin speaks {feed.plugin!r}, which the feed {name!r} needs",
            why=f"Loaded plugins speak: {', '.join(known) or 'nothing'}.",
            next_step=f"Install the plugin and add it to `plugins` in the settings, or correct "
            f"`feeds.{name}.plugin`.",
            context={"feed": name, "plugin": feed.plugin},
        )
    if symbols:
        feed = feed.model_copy(update={"symbols": tuple(symbols)})
    venue = known[feed.plugin]
    missing = [kind for kind in feed.kinds if kind not in venue.kinds]
    if missing or not feed.symbols:
        problem = f"has no {missing[0]}s" if missing else "was given no symbols"
        raise UsageError(
            f"the feed {name!r} {problem}",
            why=f"{venue.name} has these kinds of ticks: {', '.join(sorted(venue.kinds))}; "
            "each is subscribed to by symbol.",
            next_step=f"Correct `feeds.{name}.kinds`."
            if missing
            else f"Name them with --symbols, or in `feeds.{name}.symbols` of the settings.",
        )
    return FeedPlan(name, venue, feed)


def _unknown(name: str, known: list[str]) -> UsageError:
    close = get_close_matches(name, known, 1)
    return UsageError(
        f"there is no feed {name!r}",
        why=f"Feeds and venues: {', '.join(known) or 'none'}."
        + (f" Did you mean {close[0]!r}?" if close else ""),
        next_step="See `alchemiser feed list`. A venue's plugin must be installed and stand in "
        "`plugins` of the settings.",
    )
