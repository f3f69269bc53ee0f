"""Publishing once more what a slot holds, under another generation."""

import msgspec
import xxhash

from alchemiser_cli.shm.control import PUBLISHED_NS_WORD
from alchemiser_cli.shm.layout import PUBLISHED_WORD
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.slots import BODY, HEAD_BYTES, decode_head, pack_head, slot_of, staged_head
from alchemiser_cli.shm.words import COMPLETE, PUBLISHED, WRITING, fence_of_one_thread, seal

__all__ = ["publish_again", "slot_body"]


def slot_body(mapping: Mapping, index: int) -> bytes:
    """Return head and payload of slot ``index``, whose checksum was found right, as a copy."""
    body = mapping.slot(index)[BODY:]
    head = decode_head(bytes(body[:HEAD_BYTES]))
    return bytes(body[: HEAD_BYTES + head.payload_length])


def publish_again(
    mapping: Mapping, body: bytes, generation: int, times_ns: tuple[int, int] | None
) -> None:
    """Write ``body`` as ``generation`` into its slot, and publish it as a writer does.

    Without ``times_ns`` (UTC, monotonic) the weights stay as old as they are. The slot must not be
    the one that ``body`` came from: until the end, that one may be the only one that is whole.
    """
    head = decode_head(body[:HEAD_BYTES])
    times_ns = times_ns or (head.published_ns, head.published_monotonic_ns)
    provenance = msgspec.json.encode(head.provenance)
    staged = staged_head(provenance) + body[HEAD_BYTES:]
    described = len(provenance)
    pack_head(staged, generation, times_ns, head.step, head.payload_length, described)
    words, fence = mapping.words, fence_of_one_thread()
    index = slot_of(generation)
    mark = mapping.marks[index]
    words[mark] = seal(WRITING, generation)
    fence()
    mapping.slot(index)[BODY : BODY + len(staged)] = staged
    words[mark + 1] = xxhash.xxh3_64_intdigest(staged, generation)
    fence()
    words[mark] = seal(COMPLETE, generation)
    fence()
    words[PUBLISHED_WORD] = seal(PUBLISHED, generation)
    words[PUBLISHED_NS_WORD] = times_ns[0]
