"""How lines are chained: each holds a hash over the line before it and over itself.

The hash is SHA-256 (FIPS 180-4) over ``prev_hash`` and the bytes of the line in front of
``,"hash":``. With a key it is HMAC-SHA256 (RFC 2104) over the same, which nobody without the key
can compute. ``prev_hash`` of a trail's first line names which of the two it is.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

__all__ = [
    "HASH_FIELD",
    "LINE_END",
    "SIGNED",
    "UNSIGNED",
    "AuditHead",
    "Digest",
    "Link",
    "fits",
    "link_of",
    "split_line",
    "starter",
]

UNSIGNED: Literal["sha256"] = "sha256"
SIGNED: Literal["hmac-sha256"] = "hmac-sha256"

HASH_FIELD = b',"hash":"'
LINE_END = b'"}\n'
HASH_LENGTH = 64
_TAIL = len(HASH_FIELD) + HASH_LENGTH + len(LINE_END)


class Digest(Protocol):
    """What both hashes have in common."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Take in more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the hash in hexadecimal."""
        ...


class AuditHead(msgspec.Struct, frozen=True):
    """The newest line of a trail: ``sequence`` counts from 0, ``at_ns`` is UTC nanoseconds.

    Of a trail without lines, ``sequence`` is -1, and ``hash`` names the kind of hash.
    """

    trail: str
    sequence: int
    hash: str
    at_ns: int


class Link(msgspec.Struct, frozen=True):
    """What a line says of its place in the chain, and of what the trail itself did."""

    sequence: int
    at_ns: int
    event: str
    reason: str
    detail: msgspec.Raw
    prev_hash: str


_links = msgspec.json.Decoder(Link)


def starter(key: bytes | None) -> Callable[[], Digest]:
    """Return what begins a hash: SHA-256, or HMAC-SHA256 with a ``key``."""
    return hashlib.sha256().copy if key is None else hmac.new(key, digestmod="sha256").copy


def split_line(line: bytes) -> tuple[bytes, str] | None:
    """Return what a line's hash is over, but for ``prev_hash``, and the hash.

    None where the line, with its newline, does not end in a hash.
    """
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if not (tail.startswith(HASH_FIELD) and tail.endswith(LINE_END)):
        return None
    found = tail[len(HASH_FIELD) : -len(LINE_END)]
    return (body, found.decode()) if len(found) == HASH_LENGTH and found.isalnum() else None


def link_of(line: bytes) -> Link | None:
    """Return a line's place in the chain, or None where the line cannot be read."""
    try:
        return _links.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def fits(start: Callable[[], Digest], prev_hash: str, body: bytes, found: str) -> bool:
    """Tell whether ``found`` is the hash of ``prev_hash`` and ``body``."""
    digest = start()
    digest.update(prev_hash.encode())
    digest.update(body)
    return hmac.compare_digest(digest.hexdigest(), found)
