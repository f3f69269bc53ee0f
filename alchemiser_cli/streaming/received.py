"""One message as it came, and what may be done with it."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.market.quality import Violation
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.acknowledged import Header

__all__ = ["EventCallback", "MessageCallback", "Received", "StopConsuming", "TickCallback"]


class Received(msgspec.Struct, frozen=True):
    """One message as it came: its ``tick`` or ``event``, or else why it is ``undecodable``.

    A ``violation`` says which rule the tick breaks. A message without any of these was not
    decoded, because nobody wants its type.

    ``timestamp_ms`` is UTC, as the producer or the broker stamped it.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    tick: Tick | None = None
    undecodable: AlchemiserError | None = None
    violation: Violation | None = None
    event: EventEnvelope | None = None

    @property
    def content(self) -> Tick | EventEnvelope | None:
        """What the message says; None where it is not decoded."""
        return self.event if self.tick is None else self.tick

    @property
    def place(self) -> tuple[str, int]:
        """The message's topic and partition."""
        return self.topic, self.partition


class StopConsuming(Exception):  # noqa: N818  a wish, not an error
    """A callback raises it to end the run; its message is not finished and comes again."""


TickCallback = Callable[[Tick, Received], Awaitable[None]]
EventCallback = Callable[[EventEnvelope, Received], Awaitable[None]]
MessageCallback = TickCallback | EventCallback
