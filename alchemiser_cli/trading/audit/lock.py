"""One writer a trail: a lock that the kernel drops when its holder ends, however it ends."""

import fcntl
import os
from pathlib import Path

from alchemiser_cli.errors import AuditLockedError

__all__ = ["LOCK", "TrailLock"]

LOCK = "lock"


class TrailLock:
    """An exclusive ``flock`` on the file ``lock`` of a trail, which holds the holder's process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock, or fail at once.

        Raises:
            AuditLockedError: ``audit-locked``.
            OSError: as the system answers.
        """
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refused(folder) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back. Twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _refused(self, folder: Path) -> AuditLockedError:
        holder = os.pread(self._descriptor, 20, 0).decode(errors="replace")
        self.release()
        return AuditLockedError(
            f"the audit trail {folder.name} is written by process {holder or 'unknown'}",
            why="Two writers would break its chain.",
            next_step="Stop that process first, or trade through another broker's account.",
            context={"trail": folder.name, "pid": int(holder) if holder.isdigit() else None},
        )
