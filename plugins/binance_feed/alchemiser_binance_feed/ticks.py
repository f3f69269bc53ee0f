"""Binance's decimal text and milliseconds as ticks."""

import re

from alchemiser_binance_feed.messages import Bar, BookTicker, Depth, RestBar, RestTrade, Trade
from alchemiser_cli.market import Tick

__all__ = ["VENUE", "bar_tick", "depth_tick", "quote_tick", "trade_tick"]

VENUE = "BINANCE"

_NS_PER_MS = 1_000_000
_MS_PER_MINUTE = 60_000
_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")


def trade_tick(trade: Trade | RestTrade, symbol: str) -> Tick:
    """Return a trade; ValueError where its numbers are none."""
    return Tick(
        symbol=symbol,
        venue=VENUE,
        kind="trade",
        sequence=trade.id,
        event_time_ns=trade.at_ms * _NS_PER_MS,
        price=_price(trade.price),
        size=_decimal(trade.quantity),
    )


def quote_tick(book: BookTicker, received_ns: int) -> Tick:
    """Return the best bid and ask, priced at their middle; ValueError as ``trade_tick``."""
    return _quote(book.symbol, book.update_id, book.bid, book.ask, received_ns)


def depth_tick(depth: Depth, symbol: str, received_ns: int) -> Tick | None:
    """Return the best bid and ask, or None where one side is empty; ValueError as above."""
    if not depth.bids or not depth.asks:
        return None
    return _quote(symbol, depth.update_id, depth.bids[0][0], depth.asks[0][0], received_ns)


def bar_tick(bar: Bar | RestBar, symbol: str) -> Tick:
    """Return a closed bar of one minute, at its close; ValueError as ``trade_tick``."""
    return Tick(
        symbol=symbol,
        venue=VENUE,
        kind="bar",
        sequence=bar.opens_ms // _MS_PER_MINUTE,
        event_time_ns=bar.closes_ms * _NS_PER_MS,
        price=_price(bar.close),
        size=_decimal(bar.volume),
        open=_price(bar.open),
        high=_price(bar.high),
        low=_price(bar.low),
    )


def _quote(symbol: str, update_id: int, bid: str, ask: str, received_ns: int) -> Tick:
    best_bid, best_ask = _price(bid), _price(ask)
    return Tick(
        symbol=symbol,
        venue=VENUE,
        kind="quote",
        sequence=update_id,
        event_time_ns=received_ns,
        price=(best_bid + best_ask) / 2,
        bid=best_bid,
        ask=best_ask,
    )


def _price(text: str) -> float:
    value = _decimal(text)
    if value <= 0:
        raise ValueError(f"{text!r} is no price")
    return value


def _decimal(text: str) -> float:
    # float() alone would take nan, inf, 1e9 and 1_000 too.
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no decimal number")
    return float(text)
