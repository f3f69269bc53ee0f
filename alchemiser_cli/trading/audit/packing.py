"""Packing a past day's file, so that a kill at any moment loses nothing and no change is missed.

The file is gzip (RFC 1952), which any tool unpacks. Its header has an extra field with the SHA-256
of all bytes behind the header: gzip's own checksum is of the content only, and bits that do not
touch the content (a time, an unused code) could be changed unseen.
"""

import hashlib
import os
import zlib
from io import BufferedWriter
from pathlib import Path

from alchemiser_cli.trading.audit.days import UNPACKING, TrailDay

__all__ = ["is_untouched", "pack", "same_content", "sync_folder"]

# Deflate, with an extra field, no time, no operating system; the field is ours and 32 bytes long.
_HEADER = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + b"\x24\x00" + b"AL" + b"\x20\x00"
_CONTENT_AT = len(_HEADER) + 32
_BLOCK = 1 << 20
_LEVEL = 3  # the writer waits for it
_MASK = 0xFFFFFFFF


def pack(day: TrailDay, *, durable: bool = True) -> None:
    """Write the packed file, put it in place, and only then remove the original.

    ``durable`` forces each step to the disk before the next, against a loss of power.

    Raises:
        OSError: as the system answers; the original is still there then.
    """
    unfinished = day.packed_file.with_name(f"{day.packed_file.name}.unfinished")
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as packed:
            packed.write(_HEADER + bytes(32))
            digest = _deflate(day.plain_file, packed)
            packed.seek(len(_HEADER))
            packed.write(digest)
            packed.flush()
            if durable:
                os.fsync(descriptor)
        unfinished.replace(day.packed_file)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(day.folder)
    day.plain_file.unlink()


def is_untouched(file: Path) -> bool:
    """Tell whether every byte of a packed file is as it was written.

    Raises:
        OSError: as the system answers.
    """
    with file.open("rb") as packed:
        header = packed.read(_CONTENT_AT)
        digest = hashlib.file_digest(packed, "sha256").digest()
    return header == _HEADER + digest


def same_content(day: TrailDay) -> bool:
    """Tell whether the packed file of a day holds what its original does.

    Raises:
        OSError: as the system answers.
    """
    try:
        with (
            TrailDay(day.folder, day.day, plain=False, packed=True).opened() as packed,
            day.plain_file.open("rb") as plain,
        ):
            while block := plain.read(_BLOCK):
                if packed.read(len(block)) != block:
                    return False
            return not packed.read(1)
    except UNPACKING:
        return False


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk.

    Raises:
        OSError: as the system answers.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _deflate(source: Path, packed: BufferedWriter) -> bytes:
    """Write the content and gzip's trailer; return the SHA-256 of both."""
    squeeze = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    checksum, size, digest = 0, 0, hashlib.sha256()

    def put(content: bytes) -> None:
        digest.update(content)
        packed.write(content)

    with source.open("rb") as plain:
        while block := plain.read(_BLOCK):
            checksum, size = zlib.crc32(block, checksum), size + len(block)
            put(squeeze.compress(block))
    put(squeeze.flush())
    put(checksum.to_bytes(4, "little") + (size & _MASK).to_bytes(4, "little"))
    return digest.digest()
