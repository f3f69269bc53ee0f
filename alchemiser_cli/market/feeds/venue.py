"""What a plugin knows of a venue: its addresses, messages and manners. It does no I/O itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

from alchemiser_cli.market.ticks import Tick, TickKind

__all__ = ["ConnectionRules", "FeedTick", "Origin", "RestRequest", "Subscription", "Venue"]

Origin = Literal["live", "replayed", "polled"]
"""How a tick came: ``live`` over the WebSocket; ``polled`` by REST while there was no live data;
``replayed`` by REST right after a reconnection, to fill what was missed."""


class FeedTick(msgspec.Struct, frozen=True, gc=False):
    """One tick as a feed delivers it; ``received_ns`` is our clock at receipt, UTC nanoseconds."""

    tick: Tick
    origin: Origin
    received_ns: int


@dataclass(frozen=True)
class Subscription:
    """What is asked of a venue: every kind of tick for every symbol."""

    symbols: tuple[str, ...]
    kinds: tuple[TickKind, ...]


@dataclass(frozen=True)
class ConnectionRules:
    """How a connection to the venue is kept.

    A ping is sent every ``ping_interval_s`` and must be answered within ``ping_timeout_s``,
    which finds half-open sockets. ``heartbeat_s`` is how often the venue sends messages that
    carry no tick, at the latest: with it such a message proves that the connection lives; where
    it is None only ticks do.
    """

    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0
    heartbeat_s: float | None = None
    max_message_bytes: int = 1 << 20


@dataclass(frozen=True)
class RestRequest:
    """One GET of the venue's REST interface; ``path`` begins with / and carries the query."""

    path: str
    symbol: str
    kind: TickKind


@runtime_checkable
class Venue(Protocol):
    """A venue's protocol, as a plugin gives it by the hook ``alchemiser_feeds``.

    Ticks of one symbol and kind carry the venue's own ids as ``sequence``. Those of trades and
    bars must have no gaps, for gaps are counted as loss; those of quotes only have to grow: a
    quote replaces the one before it, and what was skipped between them is not missed.
    """

    name: str
    url: str
    rest_url: str
    kinds: frozenset[TickKind]
    rules: ConnectionRules

    def stream_url(self, base: str, subscription: Subscription) -> str:
        """Return the URL to connect to, below ``base``."""
        ...

    def subscribe_messages(self, subscription: Subscription) -> Sequence[str]:
        """Return what to send once connected; nothing where the URL says it all."""
        ...

    def parse(self, message: bytes, received_ns: int) -> list[Tick]:
        """Read one message; empty for what carries no tick, such as an acknowledgement.

        ``received_ns`` stands in where the venue gives no time.

        Raises:
            FeedMessageError: ``feed-message-invalid``.
        """
        ...

    def rest_requests(self, subscription: Subscription) -> Sequence[RestRequest]:
        """Return the requests that together fetch the newest ticks."""
        ...

    def parse_rest(self, request: RestRequest, body: bytes, received_ns: int) -> list[Tick]:
        """Read the answer to ``request``, oldest tick first, with the ids of the live ones.

        Raises:
            FeedMessageError: ``feed-message-invalid``.
        """
        ...
