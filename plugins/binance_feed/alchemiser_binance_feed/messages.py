"""Binance's messages as it documents them: streams in an envelope, and REST answers."""

from typing import Annotated

import msgspec

__all__ = ["Bar", "BarUpdate", "BookTicker", "Depth", "Envelope", "RestBar", "RestTrade", "Trade"]

Id = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 43)]  # until the year 2248
Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{2,20}$")]


class Envelope(msgspec.Struct):
    """A message of the combined streams; one without a stream answers a request of ours."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    error: msgspec.Raw = msgspec.Raw()


class Trade(msgspec.Struct):
    """``<symbol>@trade``."""

    symbol: Symbol = msgspec.field(name="s")
    id: Id = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    at_ms: Milliseconds = msgspec.field(name="T")


class BookTicker(msgspec.Struct):
    """``<symbol>@bookTicker``; it has no time."""

    update_id: Id = msgspec.field(name="u")
    symbol: Symbol = msgspec.field(name="s")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")


class Bar(msgspec.Struct):
    """The bar within a ``BarUpdate``."""

    opens_ms: Milliseconds = msgspec.field(name="t")
    closes_ms: Milliseconds = msgspec.field(name="T")
    open: str = msgspec.field(name="o")
    high: str = msgspec.field(name="h")
    low: str = msgspec.field(name="l")
    close: str = msgspec.field(name="c")
    volume: str = msgspec.field(name="v")
    closed: bool = msgspec.field(name="x")


class BarUpdate(msgspec.Struct):
    """``<symbol>@kline_1m``."""

    symbol: Symbol = msgspec.field(name="s")
    bar: Bar = msgspec.field(name="k")


class RestTrade(msgspec.Struct):
    """One row of ``/api/v3/trades``."""

    id: Id
    price: str
    quantity: str = msgspec.field(name="qty")
    at_ms: Milliseconds = msgspec.field(name="time")


class Depth(msgspec.Struct):
    """The answer of ``/api/v3/depth``: levels of [price, quantity], best first."""

    update_id: Id = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class RestBar(msgspec.Struct, array_like=True):
    """One row of ``/api/v3/klines``, up to the close time; what follows is ignored."""

    opens_ms: Milliseconds
    open: str
    high: str
    low: str
    close: str
    volume: str
    closes_ms: Milliseconds
