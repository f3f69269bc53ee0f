"""One process a run: a lock that the kernel drops when its holder ends, however it ends."""

import fcntl
import os
from pathlib import Path

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import RunNotResumableError, translating

__all__ = ["RunLock", "is_held", "is_locked"]

LOCK = "run.lock"
PATIENCE_S = 0.02


class RunLock:
    """An exclusive ``flock`` on the lock file of a run, which holds the holder's process id."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Take the lock of the run in ``folder``, or fail within ``PATIENCE_S``.

        Raises:
            RunNotResumableError: ``run-not-resumable`` while another process runs it.
        """
        with translating(f"lock the run {folder.name}"):
            self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        give_up_ns = clock.monotonic_ns() + round(PATIENCE_S * NS_PER_SECOND)
        while not self._taken():  # somebody may be just looking, see is_locked
            if clock.monotonic_ns() >= give_up_ns:
                raise self._refused(folder)
            clock.sleep(PATIENCE_S / 10)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back. Twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _refused(self, folder: Path) -> RunNotResumableError:
        holder = os.pread(self._descriptor, 20, 0).decode(errors="replace")
        self.release()
        return RunNotResumableError(
            f"run {folder.name} is being run by process {holder or 'unknown'}",
            why="Two processes cannot continue one run.",
            next_step="Wait for that process, or stop it with SIGINT: it saves before it ends.",
            context={"run": folder.name, "pid": int(holder) if holder.isdigit() else None},
        )


def is_locked(folder: Path) -> bool:
    """Tell whether some process runs the run in ``folder`` now; it is held only to look."""
    return is_held(folder / LOCK) is True


def is_held(file: Path) -> bool | None:
    """Tell whether a process of this machine holds ``file`` locked; None if there is no file."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
