"""A copy of a segment as it was found, for whoever looks into it later."""

import errno
import os
import shutil
from pathlib import Path

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import DiskFullError, HomeNotWritableError

__all__ = ["save_copy"]


def save_copy(file: Path, folder: Path, clock: Clock) -> Path:
    """Copy ``file`` into ``folder`` with mode 0600, and return the copy's path.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``; no part of a copy is left.
    """
    moment = iso_from_ns(clock.now_ns()).replace(":", "").replace("+0000", "Z")
    copy = folder / f"{file.name}-{moment}.segment"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        if not isinstance(error, FileExistsError):
            copy.unlink(missing_ok=True)
        raise (DiskFullError if full else HomeNotWritableError)(
            f"no copy of {file.name} could be saved in {folder}",
            why=f"{error}.",
            next_step="Make room there, or set another home with --home; nothing was changed.",
        ) from error
    return copy
