"""Binance's public market data: combined WebSocket streams, and REST while they are away.

Source: Binance's public documentation of the spot API, "WebSocket Streams" and "General API
Information".
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from alchemiser_binance_feed.messages import (
    BarUpdate,
    BookTicker,
    Depth,
    Envelope,
    RestBar,
    RestTrade,
    Trade,
)
from alchemiser_binance_feed.ticks import bar_tick, depth_tick, quote_tick, trade_tick
from alchemiser_cli.errors import FeedMessageError
from alchemiser_cli.market import Tick, TickKind, feeds

__all__ = ["BinanceVenue"]

STREAMS: dict[TickKind, str] = {"trade": "trade", "quote": "bookTicker", "bar": "kline_1m"}
MOST_TRADES = 1_000  # of one REST answer
NS_PER_MS = 1_000_000

_envelope = msgspec.json.Decoder(Envelope)
_trade = msgspec.json.Decoder(Trade)
_book = msgspec.json.Decoder(BookTicker)
_bar = msgspec.json.Decoder(BarUpdate)
_rest_trades = msgspec.json.Decoder(list[RestTrade])
_rest_bars = msgspec.json.Decoder(list[RestBar])
_depth = msgspec.json.Decoder(Depth)


class BinanceVenue:
    """Binance as a ``Venue``: symbols as it writes them (BTCUSDT), venue ``BINANCE``."""

    name = "binance"
    url = "wss://stream.binance.com:9443"
    rest_url = "https://api.binance.com"
    kinds: frozenset[TickKind] = frozenset(STREAMS)
    # The venue pings every 20 s, which the client answers; ours find a half-open socket sooner.
    rules = feeds.ConnectionRules(ping_interval_s=10.0, ping_timeout_s=10.0)

    def stream_url(self, base: str, subscription: feeds.Subscription) -> str:
        """Return the URL of the combined streams; it subscribes by itself."""
        names = [
            f"{symbol.lower()}@{STREAMS[kind]}"
            for symbol in subscription.symbols
            for kind in subscription.kinds
        ]
        return f"{base.rstrip('/')}/stream?streams={'/'.join(names)}"

    def subscribe_messages(self, subscription: feeds.Subscription) -> Sequence[str]:  # noqa: ARG002
        """Return nothing: the URL said it all."""
        return ()

    def parse(self, message: bytes, received_ns: int) -> list[Tick]:
        """Read one message of the combined streams.

        Raises:
            FeedMessageError: ``feed-message-invalid``.
        """
        try:
            return self._ticks(_envelope.decode(message), received_ns)
        except (msgspec.DecodeError, ValueError) as error:
            raise _invalid(message, error) from error

    def rest_requests(self, subscription: feeds.Subscription) -> Sequence[feeds.RestRequest]:
        """Return one request for each symbol and kind."""
        return [
            feeds.RestRequest(_rest_path(symbol, kind), symbol, kind)
            for symbol in subscription.symbols
            for kind in subscription.kinds
        ]

    def parse_rest(self, request: feeds.RestRequest, body: bytes, received_ns: int) -> list[Tick]:
        """Read a REST answer, oldest tick first; a bar that is not closed yet is left out.

        Raises:
            FeedMessageError: ``feed-message-invalid``.
        """
        symbol = request.symbol
        try:
            if request.kind == "trade":
                return [trade_tick(trade, symbol) for trade in _rest_trades.decode(body)]
            if request.kind == "bar":
                bars = _rest_bars.decode(body)
                return [
                    bar_tick(bar, symbol) for bar in bars if bar.closes_ms * NS_PER_MS < received_ns
                ]
            quote = depth_tick(_depth.decode(body), symbol, received_ns)
        except (msgspec.DecodeError, ValueError) as error:
            raise _invalid(body, error) from error
        return [quote] if quote is not None else []

    def _ticks(self, envelope: Envelope, received_ns: int) -> list[Tick]:
        if bytes(envelope.error):
            raise ValueError(f"the venue refused a request: {bytes(envelope.error)!r}")
        stream, data = envelope.stream, envelope.data
        if stream is None:
            if envelope.id is None:
                raise ValueError("neither a stream's message nor an answer")
            return []
        kind = stream.partition("@")[2]
        if kind == "trade":
            trade = _trade.decode(data)
            return [trade_tick(trade, trade.symbol)]
        if kind == "bookTicker":
            return [quote_tick(_book.decode(data), received_ns)]
        if kind == "kline_1m":
            update = _bar.decode(data)
            return [bar_tick(update.bar, update.symbol)] if update.bar.closed else []
        raise ValueError(f"nobody subscribed to the stream {stream[:40]!r}")


def _rest_path(symbol: str, kind: TickKind) -> str:
    if kind == "trade":
        return "/api/v3/trades?" + urlencode({"symbol": symbol, "limit": MOST_TRADES})
    if kind == "bar":
        return "/api/v3/klines?" + urlencode({"symbol": symbol, "interval": "1m", "limit": 60})
    return "/api/v3/depth?" + urlencode({"symbol": symbol, "limit": 5})


def _invalid(message: bytes, error: Exception) -> FeedMessageError:
    return FeedMessageError(
        "Binance sent a message that is not of its documented format",
        why=f"{error}.",
        next_step="The feed goes on without it. If all messages are so, look into Binance's "
        "change log, and update the plugin.",
        context={"message": message[:200].decode(errors="replace"), "bytes": len(message)},
    )
