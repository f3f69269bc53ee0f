"""Which feeds there are, and what one of them brought."""

import msgspec

from alchemiser_cli.market.feeds import FeedEntry
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.streaming.feed_publisher import FeedResult

__all__ = ["feed_view", "feeds_view"]

_RIGHT = frozenset({"value", "ticks"})
_TROUBLE = (
    "dropped",
    "conflated",
    "invalid",
    "missing",
    "reconnect_attempts",
    "silences",
    "rest_failures",
)


def feeds_view(entries: list[FeedEntry]) -> View:
    """Return the feeds of the settings and the venues that plugins speak."""
    document = {"feeds": [msgspec.to_builtins(entry) for entry in entries]}
    if not entries:
        told = (
            "No feed is configured and no plugin gives a venue. Install one, such as "
            "alchemiser-binance-feed, and name it in `plugins` of the settings."
        )
        return View(document, [TextBlock(told)])
    rows: list[tuple[Cell | str, ...]] = [
        (
            entry.name,
            entry.plugin if entry.available else Cell(f"{entry.plugin} (not loaded)", "red"),
            "settings" if entry.configured else "plugin",
            ", ".join(entry.symbols) or "-",
            ", ".join(entry.kinds),
            entry.url or "-",
        )
        for entry in entries
    ]
    return View(
        document, [TableBlock(("feed", "venue", "from", "symbols", "kinds", "address"), rows)]
    )


def feed_view(result: FeedResult) -> View:
    """Return what a feed brought, whence, and what went wrong on the way."""
    document = msgspec.to_builtins(result)
    document |= document.pop("counts")
    counts = result.counts
    rows: list[tuple[Cell | str, ...]] = [
        ("feed", result.feed),
        ("topic", result.topic),
        ("published", f"{result.published:,}"),
        ("live", f"{counts.live:,}"),
        ("replayed", f"{counts.replayed:,}"),
        ("polled", _count(counts.polled)),
        ("duplicates", f"{counts.duplicates:,}"),
        ("connections", f"{counts.connections:,}"),
        *((name.replace("_", " "), _count(getattr(counts, name))) for name in _TROUBLE),
        ("polled of the last 1,000", f"{counts.fallback_ratio:.1%}"),
        ("rate", f"{result.throughput_per_s:,.0f}/s"),
    ]
    blocks: list[Block] = [TableBlock(("feed", "value"), rows, right=_RIGHT)]
    if result.symbols:
        symbols = [(symbol, f"{ticks:,}") for symbol, ticks in result.symbols.items()]
        blocks.append(TableBlock(("symbol", "ticks"), symbols, right=_RIGHT))
    return View(document, blocks)


def _count(number: int) -> Cell:
    return Cell(f"{number:,}", "yellow" if number else "")
