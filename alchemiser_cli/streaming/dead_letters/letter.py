"""One dead letter as it lies in its topic."""

import hashlib
from collections.abc import Sequence

import msgspec

from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.dead_letters.families import Failure

__all__ = ["DeadLetter"]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter; ``topic``, ``partition`` and ``offset`` say where it lies itself.

    ``timestamp_ms`` is UTC and the message's own; ``tick`` is there where the value decodes.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    failure: Failure
    tick: Tick | None = None

    @property
    def id(self) -> str:
        """Its name for the operator, PARTITION-OFFSET of the dead-letter topic."""
        return f"{self.partition}-{self.offset}"

    @property
    def size(self) -> int:
        """The length of the value in bytes."""
        return len(self.value or b"")

    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits of its content, source place and times included.

        It tells it from a letter at the same place of a topic that was made anew.
        """
        content = (self.timestamp_ms, self.key, self.value, list(self.headers))
        return hashlib.blake2b(msgspec.msgpack.encode(content), digest_size=16).hexdigest()
