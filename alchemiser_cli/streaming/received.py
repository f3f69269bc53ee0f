"""One message as it came, and what may be done with it."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.acknowledged import Header

__all__ = ["FailureCallback", "Received", "TickCallback"]


class Received(msgspec.Struct, frozen=True):
    """One message as it came: with its ``tick``, or else with why it is ``undecodable``.

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

    @property
    def place(self) -> tuple[str, int]:
        """The message's topic and partition."""
        return self.topic, self.partition


TickCallback = Callable[[Tick, Received], Awaitable[None]]
FailureCallback = Callable[[Received, AlchemiserError], Awaitable[None]]
