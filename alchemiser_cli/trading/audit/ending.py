"""The end of a trail: its last whole line, and what a crash left behind that."""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import msgspec

from alchemiser_cli.errors import AuditCorruptError
from alchemiser_cli.trading.audit.chain import (
    UNSIGNED,
    AuditHead,
    Digest,
    fits,
    link_of,
    split_line,
    starter,
)
from alchemiser_cli.trading.audit.days import UNPACKING, TrailDay, trail_days
from alchemiser_cli.trading.audit.packing import sync_folder

__all__ = [
    "TornTail",
    "TrailEnd",
    "cut_torn_tail",
    "find_end",
    "refuse_other_than",
    "told",
    "torn_facts",
    "untold",
]

_BLOCK = 64 << 10
_UNTOLD = ".untold"
_TORN = re.compile(r"^torn-(\d+)(\.untold)?$")


class TornTail(msgspec.Struct, frozen=True):
    """What was cut off after a crash: the file that keeps it, its bytes and their SHA-256."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class TrailEnd:
    """Where a trail goes on: after ``head``; ``signed`` tells whether that line has the key's."""

    head: AuditHead
    signed: bool
    empty: bool


def cut_torn_tail(folder: Path) -> None:
    """Move an incomplete last line into a file of its own, TRAIL/torn-N.

    Until the trail tells of it, that file's name ends in ``.untold``: a second crash forgets
    nothing.

    Raises:
        OSError: as the system answers.
    """
    for day in reversed(trail_days(folder)):
        if not day.plain or day.packed:  # whole, or it would not have been packed
            return
        line, torn = _last_line(day.plain_file)
        if torn:
            _keep(folder, torn)
            with day.plain_file.open("r+b") as file:
                file.truncate(day.plain_file.stat().st_size - len(torn))
                os.fsync(file.fileno())
        if line:
            return


def untold(folder: Path) -> list[Path]:
    """Return the torn tails that the trail does not tell of yet, the oldest first."""
    return sorted(one for one in folder.iterdir() if one.name.endswith(_UNTOLD))


def torn_facts(file: Path) -> TornTail:
    """Return what the trail tells of a torn tail, under the name that it has when told.

    Raises:
        OSError: as the system answers.
    """
    content = file.read_bytes()
    name = file.name.removesuffix(_UNTOLD)
    return TornTail(name, len(content), hashlib.sha256(content).hexdigest())


def told(file: Path) -> None:
    """Give a torn tail its lasting name.

    Raises:
        OSError: as the system answers.
    """
    file.rename(file.with_name(file.name.removesuffix(_UNTOLD)))


def find_end(folder: Path, key: bytes | None) -> TrailEnd:
    """Find the newest whole line, and make sure that its hash fits.

    Raises:
        AuditCorruptError: ``audit-corrupt``.
        OSError: as the system answers.
    """
    for day in reversed(trail_days(folder)):
        if line := _last_of(day):
            return _end(folder, line, key)
    head = AuditHead(folder.name, -1, UNSIGNED, 0)
    return TrailEnd(head, signed=False, empty=True)


def refuse_other_than(anchored: AuditHead, folder: Path, head: AuditHead) -> None:
    """Make sure that a trail, which ends at ``head``, still holds the line that was anchored.

    Going on behind a trail that was cut or rewritten would in the end move its anchor, too.

    Raises:
        AuditCorruptError: ``audit-corrupt``.
        OSError: as the system answers.
    """
    if head.sequence < anchored.sequence:
        raise _unusable(
            folder,
            f"It ends after {head.sequence + 1} lines, and line {anchored.sequence} was anchored.",
        )
    if _hash_at(folder, anchored.sequence) != anchored.hash:
        raise _unusable(folder, f"Line {anchored.sequence} is not the one that was anchored.")


def _hash_at(folder: Path, sequence: int) -> str | None:
    """Return the hash that a line holds, found in its day's file by counting."""
    for day in reversed(trail_days(folder)):
        try:
            with day.opened() as lines:
                first = next(lines, b"")
                link = link_of(first)
                if link is None or link.sequence > sequence:
                    continue
                line = next(islice(chain((first,), lines), sequence - link.sequence, None), b"")
        except UNPACKING as error:
            raise _unusable(folder, f"{day.packed_file.name} cannot be unpacked.") from error
        parts = split_line(line)
        return None if parts is None else parts[1]
    return None


def _end(folder: Path, line: bytes, key: bytes | None) -> TrailEnd:
    parts, link = split_line(line), link_of(line)
    if parts is None or link is None:
        raise _unusable(folder, "Its last line is not one of an audit trail.")
    head = AuditHead(folder.name, link.sequence, parts[1], link.at_ns)

    def fits_with(start: Callable[[], Digest]) -> bool:
        return fits(start, link.prev_hash, *parts)

    if key is not None and fits_with(starter(key)):
        return TrailEnd(head, signed=True, empty=False)
    if fits_with(starter(None)):
        return TrailEnd(head, signed=False, empty=False)
    without = "no key is set" if key is None else "another key is set now"
    raise _unusable(
        folder, f"The hash of its last line does not fit: it was edited, or signed while {without}."
    )


def _unusable(folder: Path, why: str) -> AuditCorruptError:
    return AuditCorruptError(
        f"the audit trail {folder.name} cannot be continued",
        why=why,
        next_step=f"See what is wrong: alchemiser audit verify {folder.name}",
        context={"trail": folder.name},
    )


def _last_of(day: TrailDay) -> bytes:
    """Return a day's last whole line, empty where it has none."""
    if day.plain:
        return _last_line(day.plain_file)[0]
    line = b""
    try:
        with day.opened() as lines:
            for line in lines:  # noqa: B007  the last one is what is wanted
                pass
    except UNPACKING as error:
        raise _unusable(day.folder, f"{day.packed_file.name} cannot be unpacked.") from error
    return line


def _last_line(file: Path) -> tuple[bytes, bytes]:
    """Return the last line that has its newline, and what follows it, read from the end."""
    with file.open("rb") as opened:
        at = opened.seek(0, os.SEEK_END)
        tail = b""
        while at and tail.count(b"\n") < 2:
            size = min(at, _BLOCK)
            at = opened.seek(at - size)
            tail = opened.read(size) + tail
    whole, newline, torn = tail.rpartition(b"\n")
    if not newline:
        return b"", torn
    return whole.rpartition(b"\n")[2] + newline, torn


def _keep(folder: Path, torn: bytes) -> None:
    numbers = [int(match[1]) for one in folder.iterdir() if (match := _TORN.match(one.name))]
    kept = folder / f"torn-{max(numbers, default=0) + 1}{_UNTOLD}"
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(torn)
        file.flush()
        os.fsync(descriptor)
    with suppress(OSError):  # some file systems do not sync folders
        sync_folder(folder)
