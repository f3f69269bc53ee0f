"""Setting a message aside: what keeps it, and its place in the tally once it is kept."""

from typing import Protocol

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.results import Tally

__all__ = ["OnlyCounted", "SetAside", "TalliedAside"]

_log = get_logger("market_data", "streaming.consumer")


class SetAside(Protocol):
    """Where messages go that cannot be worked off; the offset is committed after it returned.

    What it raises ends the consumer, and the message is read again by the next one.
    """

    async def failed(self, received: Received, error: AlchemiserError, deliveries: int) -> bool:
        """Keep a message that cannot be read or handled; tell whether a topic of ours has it."""
        ...

    async def implausible(self, received: Received) -> None:
        """Keep a message whose tick violates a rule."""
        ...

    def worked_off(self, count: int) -> None:
        """Note ``count`` messages that did not fail."""
        ...


class OnlyCounted:
    """Keeps nothing: failed messages are counted and logged."""

    async def failed(self, received: Received, error: AlchemiserError, deliveries: int) -> bool:
        """Keep nothing."""
        del received, error, deliveries
        return False

    async def implausible(self, received: Received) -> None:
        """Keep nothing."""

    def worked_off(self, count: int) -> None:
        """Note nothing."""


class TalliedAside:
    """Sets messages aside, and counts each once that is done; what it raises is not counted."""

    def __init__(self, aside: SetAside, tally: Tally) -> None:
        """Keep messages in ``aside``."""
        self._aside = aside
        self._tally = tally

    async def failed(self, received: Received, error: AlchemiserError, deliveries: int) -> None:
        """Set a message aside that cannot be read or handled."""
        kept = await self._aside.failed(received, error, deliveries)
        self._tally.consumed += 1
        self._tally.failed += 1
        self._tally.dead_lettered += kept

    async def unusable(self, received: Received) -> None:
        """Set a message aside that does not decode or breaks a rule."""
        if received.undecodable is not None:
            _log_undecodable(received, received.undecodable)
            await self.failed(received, received.undecodable, 1)
            return
        await self._aside.implausible(received)
        self._tally.consumed += 1
        self._tally.quarantined += 1

    def skipped(self) -> None:
        """Count a message that nobody wants."""
        self._tally.consumed += 1
        self._tally.skipped += 1

    def worked_off(self, count: int) -> None:
        """Count ``count`` messages that did not fail."""
        self._tally.consumed += count
        self._tally.processed += count
        self._aside.worked_off(count)


def _log_undecodable(received: Received, error: AlchemiserError) -> None:
    _log.warning(
        "deserialization_error",
        code=error.code,
        reason=error.context.get("reason"),
        why=error.why,
        topic=received.topic,
        partition=received.partition,
        offset=received.offset,
    )
