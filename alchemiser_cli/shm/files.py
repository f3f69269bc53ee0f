"""The files of segments: their names, how one is made, and what is checked before one is mapped."""

import errno
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from alchemiser_cli.errors import (
    AlchemiserError,
    SegmentAttachError,
    SegmentCorruptError,
    SegmentCreateError,
    SegmentExistsError,
    SegmentForeignError,
    SegmentLayoutError,
    SegmentNotFoundError,
    SharedMemoryFullError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.shm.layout import (
    CONTROL,
    MAGIC,
    PREAMBLE,
    Header,
    HeaderReading,
    Problem,
    read_header,
)
from alchemiser_cli.shm.words import PUBLISHED, WORD, seal

__all__ = [
    "MODE",
    "SEGMENT_PREFIX",
    "attach_error",
    "create_file",
    "open_file",
    "segment_file",
    "segment_name",
    "segment_names",
    "side_file",
]

SEGMENT_PREFIX = "alchemiser-"
MODE = 0o600

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_LOG = get_logger("application", "shm")

_INSPECT = "Look at the file and at who has it open (`fuser -v FILE`)."
_REMOVE = "Move it aside when no process has it open; the writer makes a new one."
_PROBLEMS: dict[Problem, tuple[type[AlchemiserError], str]] = {
    "unfinished": (SegmentAttachError, "Start its writer, which finishes or replaces it."),
    "unreadable": (SegmentAttachError, _INSPECT),
    "truncated": (SegmentAttachError, _REMOVE),
    "foreign": (SegmentForeignError, _INSPECT),
    "layout": (SegmentLayoutError, "Run writer and readers of one version of alchemiser."),
    "corrupt": (SegmentCorruptError, _REMOVE),
}


def segment_file(directory: Path, name: str) -> Path:
    """Return where the segment ``name`` lies.

    Raises:
        SegmentNotFoundError: ``segment-not-found`` for a name that no segment can have.
    """
    if not _NAME.fullmatch(name):
        raise SegmentNotFoundError(
            f"{name!r} is no name of a segment",
            why="A name has up to 100 letters, digits, points, hyphens and underscores.",
            next_step="Use a plain name, such as policy.",
        )
    return directory / f"{SEGMENT_PREFIX}{name}"


def segment_name(file: Path) -> str:
    """Return the name of the segment that lies in ``file``."""
    return file.name.removeprefix(SEGMENT_PREFIX)


def side_file(file: Path, purpose: str) -> Path:
    """Return the hidden file beside the segment's ``file`` that is locked for ``purpose``."""
    return file.with_name(f".{file.name}.{purpose}")


def segment_names(directory: Path) -> list[str]:
    """Return the names of the segments in ``directory``, whatever their state, in order."""
    found = (segment_name(file) for file in directory.glob(f"{SEGMENT_PREFIX}*"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def create_file(file: Path, header: Header, generation: int = 0) -> None:
    """Make a segment's file with mode 0600, all of it allocated, and write its magic last.

    The generation that counts as published is ``generation``; no slot holds it.

    Raises:
        SegmentExistsError: ``segment-exists``.
        SharedMemoryFullError: ``shared-memory-full``; nothing is left behind.
        SegmentCreateError: ``segment-create-failed``; nothing is left behind.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
    except FileExistsError as error:
        _LOG.info("shm_already_exists", segment=file.name)
        raise SegmentExistsError(
            f"{file} is there already",
            why="Another writer made it, or an earlier one left it.",
            next_step="Open it instead of creating it, or choose another name.",
        ) from error
    except OSError as error:
        raise _create_error(file, header, error) from error
    try:
        os.fchmod(descriptor, MODE)  # whatever the umask
        _allocate(descriptor, header.size)
        preamble, manifest = header.encoded()
        os.pwrite(descriptor, manifest + preamble, header.size - PREAMBLE - len(manifest))
        os.pwrite(descriptor, manifest, 2 * PREAMBLE)
        os.pwrite(descriptor, _native(seal(PUBLISHED, generation)), CONTROL)
        os.pwrite(descriptor, preamble[len(MAGIC) :], len(MAGIC))
        os.pwrite(descriptor, MAGIC, 0)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise _create_error(file, header, error) from error
    finally:
        os.close(descriptor)
    _LOG.info("shm_created", segment=file.name, bytes=header.size)


def open_file(file: Path) -> tuple[int, Header]:
    """Open a segment's file to read and write; return the descriptor and the checked header.

    The owner, the mode, the size and the header's checksum are checked before anything is mapped:
    touching a page beyond the end of a file kills the process.

    Raises:
        SegmentNotFoundError: ``segment-not-found``.
        SegmentAttachError: ``segment-attach-failed`` if it is not finished, truncated, not to be
            opened, or does not have mode 0600.
        SegmentForeignError: ``segment-foreign`` if it is no segment, or not of this user.
        SegmentLayoutError: ``segment-layout-unsupported``.
        SegmentCorruptError: ``segment-corrupt`` if the header fails its checksum.
    """
    try:
        descriptor = _opened(file)
    except AlchemiserError as error:
        _LOG.warning("shm_attach_failed", segment=file.name, code=error.code, why=error.why)
        raise
    reading = read_header(descriptor)
    if reading.header is not None:
        return descriptor, reading.header
    os.close(descriptor)
    unusable = attach_error(file, reading)
    _LOG.warning("shm_attach_failed", segment=file.name, code=unusable.code, why=unusable.why)
    raise unusable


def attach_error(file: Path, reading: HeaderReading) -> AlchemiserError:
    """Return the coded error for a header that could not be read."""
    kind, next_step = _PROBLEMS[reading.problem or "corrupt"]
    return kind(f"{file} cannot be used", why=f"{reading.finding}.", next_step=next_step)


def _opened(file: Path) -> int:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SegmentNotFoundError(
            f"there is no {file}",
            why="No writer has made it, or it was removed.",
            next_step="Start its writer, and see which there are: alchemiser shm status",
        ) from error
    except OSError as error:
        cannot = SegmentForeignError if error.errno in _NO_SEGMENT else SegmentAttachError
        raise cannot(f"{file} cannot be opened", why=f"{error}.", next_step=_INSPECT) from error
    fault = _fault(os.fstat(descriptor))
    if fault is None:
        return descriptor
    os.close(descriptor)
    kind, why = fault
    raise kind(f"{file} cannot be used", why=why, next_step=_INSPECT)


# A link, a folder, a socket or a device under the name of a segment.
_NO_SEGMENT = {errno.ELOOP, errno.EISDIR, errno.ENXIO}


def _fault(found: os.stat_result) -> tuple[type[AlchemiserError], str] | None:
    if not stat.S_ISREG(found.st_mode):
        return SegmentForeignError, "It is not a regular file."
    if found.st_uid != os.geteuid():
        return SegmentForeignError, f"It belongs to user {found.st_uid}, not {os.geteuid()}."
    mode = stat.S_IMODE(found.st_mode)
    if mode != MODE:
        return SegmentAttachError, f"It has mode {mode:04o}, not {MODE:04o}."
    return None


def _allocate(descriptor: int, size: int) -> None:
    """Take all the memory now: a page that is missing later is a SIGBUS."""
    allocate: Any = getattr(os, "posix_fallocate", None)
    if allocate is None:  # macOS
        os.ftruncate(descriptor, size)
        _LOG.warning("shm_not_reserved", why="this system has no posix_fallocate", bytes=size)
    else:
        allocate(descriptor, 0, size)


def _create_error(file: Path, header: Header, error: OSError) -> AlchemiserError:
    reason = f"The system answered: {error.strerror or error}."
    _LOG.error("shm_create_failed", segment=file.name, bytes=header.size, why=reason)
    if error.errno in {errno.ENOSPC, errno.ENOMEM, errno.EDQUOT}:
        return SharedMemoryFullError(
            f"{file.parent} has no room for {header.size} bytes",
            why=reason,
            next_step="Remove segments that nobody uses, or enlarge the tmpfs.",
            context={"bytes": header.size},
        )
    return SegmentCreateError(
        f"{file} cannot be made",
        why=reason,
        next_step="Set shm.directory to a tmpfs that this user can write to.",
        context={"bytes": header.size, "errno": error.errno},
    )


def _native(word: int) -> bytes:
    return word.to_bytes(WORD, sys.byteorder)
