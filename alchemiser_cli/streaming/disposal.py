"""What becomes of messages that cannot be worked off: told, limited, and kept in their topics."""

from collections.abc import Callable

from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.streaming.dead_letters import (
    DeadLetterLimit,
    DeadLetters,
    Quarantine,
    reason_of,
)
from alchemiser_cli.streaming.received import Received

__all__ = ["Disposal", "FailureCallback"]

FailureCallback = Callable[[Received, AlchemiserError], None]


class Disposal:
    """Sets messages aside; a topic that is None keeps nothing of its kind."""

    def __init__(
        self,
        dead_letters: DeadLetters | None,
        limit: DeadLetterLimit | None,
        quarantine: Quarantine | None,
        on_failed: FailureCallback = lambda _received, _error: None,
    ) -> None:
        """Tell ``on_failed``, which must not block, of each failed message first."""
        self._dead_letters = dead_letters
        self._limit = limit
        self._quarantine = quarantine
        self._on_failed = on_failed

    async def failed(self, received: Received, error: AlchemiserError, deliveries: int) -> bool:
        """Keep a message that cannot be read or handled; tell whether a topic of ours has it.

        Raises:
            DeadLetterStormError: ``dead-letter-storm``; this message is not set aside.
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        self._on_failed(received, error)
        if self._limit is not None:
            self._limit.failed(reason_of(error), injected=error.injected)
        if self._dead_letters is None:
            return False
        await self._dead_letters.put(received, error, deliveries)
        return True

    async def implausible(self, received: Received) -> None:
        """Keep a message whose tick violates a rule.

        Raises:
            DeliveryFailedError: ``delivery-failed``; the brokers do not have it.
        """
        if self._quarantine is not None and received.violation is not None:
            await self._quarantine.put(received, received.violation)

    def worked_off(self, count: int) -> None:
        """Note ``count`` messages that did not fail."""
        if self._limit is not None:
            self._limit.succeeded(count)
