"""Words in shared memory: how they are stored, ordered and sealed.

**One store.** ``memoryview.cast("Q")`` reads and writes an aligned 8-byte word by a ``memcpy`` of
constant size, which compilers make one machine instruction; on x86-64 and arm64 an aligned one is
never seen by halves. Words that decide anything are therefore 8 bytes, native-endian, and alone
on their cache line.

**Order.** CPython compiles each access into a call of its own, so that no compiler reorders two of
them; the processor may. A fence is what keeps it from that: a lock that is released and then
acquired again. Nothing before the release moves behind it, nothing behind the acquisition moves
before it, and a release and the acquisition that follows it keep their order (an atomic
read-modify-write on x86-64, RCsc acquire and release on arm64); this is why one pair of acquire
and release would not do. A large ``memcpy`` that bypasses the cache ends with a store fence of its
own in the C library.

**Seals.** A word carries a CRC-16 of its 48-bit value, begun with the word's kind. Any one to three
flipped bits are detected, more with a chance of 65,535 in 65,536, and a word of one kind is never
one of another. Order and seals only spare work: what a reader accepts rests on the slot's checksum.
"""

import threading
from binascii import crc_hqx
from collections.abc import Callable

__all__ = ["COMPLETE", "LARGEST", "PUBLISHED", "RETIRED", "TO_COMPLETE", "TO_WRITING"]
__all__ += ["WORD", "WRITING", "fence_of_one_thread", "seal", "unseal"]

WORD = 8
LARGEST = (1 << 48) - 1

# What a word says; each is the initial value of the CRC.
PUBLISHED = 0x5075
WRITING = 0x5772
COMPLETE = 0x436F
RETIRED = 0x5265


def fence_of_one_thread() -> Callable[[], None]:
    """Return a full memory fence, which one thread at a time may call."""
    lock = threading.Lock()
    acquire, release = lock.acquire, lock.release
    acquire()

    def fence() -> None:
        release()
        acquire()

    return fence


def seal(kind: int, value: int) -> int:
    """Return the word of ``kind`` with ``value``, which is at most ``LARGEST``."""
    return crc_hqx(value.to_bytes(6, "big"), kind) << 48 | value


def unseal(kind: int, word: int) -> int | None:
    """Return the value of ``word``, or None if it is not one of ``kind``."""
    value = word & LARGEST
    return value if word == seal(kind, value) else None


# A CRC is linear: for one value, the words of two kinds differ by a constant.
TO_WRITING = seal(PUBLISHED, 0) ^ seal(WRITING, 0)
TO_COMPLETE = seal(PUBLISHED, 0) ^ seal(COMPLETE, 0)
