"""The control lines of a mapped segment, as its writer writes and others read them."""

import xxhash

from alchemiser_cli.shm.identity import UNKNOWN_BOOT, ProcessIdentity
from alchemiser_cli.shm.layout import COUNTERS, PUBLISHED_WORD, TIMES, WRITER
from alchemiser_cli.shm.words import COMPLETE, PUBLISHED, RETIRED, unseal

__all__ = [
    "HEARTBEAT_WORD",
    "PUBLISHED_NS_WORD",
    "PUBLISHES_WORD",
    "REPAIRS_WORD",
    "RETIRED_WORD",
    "TAKEOVERS_WORD",
    "last_generation",
    "read_writer",
    "write_writer",
]

PUBLISHED_NS_WORD = TIMES
HEARTBEAT_WORD = TIMES + 1
PUBLISHES_WORD = COUNTERS
TAKEOVERS_WORD = COUNTERS + 1
REPAIRS_WORD = COUNTERS + 2
# Stands for a published generation in a file that was replaced or removed.
RETIRED_WORD = RETIRED << 48

_IDENTITY_WORDS = 5


def write_writer(words: memoryview, who: ProcessIdentity) -> None:
    """Write who writes from now on, with a checksum."""
    boot = int(who.boot or UNKNOWN_BOOT, 16)
    identity = (who.pid, who.started, boot >> 64, boot & (1 << 64) - 1, who.namespace)
    for index, word in enumerate(identity):
        words[WRITER + index] = word
    words[WRITER + _IDENTITY_WORDS] = _checksum(words)


def read_writer(words: memoryview) -> ProcessIdentity | None:
    """Return who wrote last, or None if nobody did or the line is damaged."""
    if words[WRITER] == 0 or words[WRITER + _IDENTITY_WORDS] != _checksum(words):
        return None
    pid, started, high, low, namespace = words[WRITER : WRITER + _IDENTITY_WORDS]
    return ProcessIdentity(pid, started, f"{high << 64 | low:032x}", namespace)


def last_generation(words: memoryview, marks: list[int]) -> int:
    """Return the largest generation that a reader may have seen, whatever is damaged.

    A published word that is whole says it; without one, so does the largest complete slot.
    """
    published = unseal(PUBLISHED, words[PUBLISHED_WORD])
    if published is not None:
        return published
    return max((unseal(COMPLETE, words[mark]) or 0) for mark in marks)


def _checksum(words: memoryview) -> int:
    return xxhash.xxh3_64_intdigest(words[WRITER : WRITER + _IDENTITY_WORDS])
