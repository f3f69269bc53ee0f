"""A process that takes part in a sweep: the proof that it lives, for its machine and for others."""

import contextlib
import fcntl
import os
import platform
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna import Trial
from optuna.trial import FrozenTrial

from alchemiser_cli.clock import NS_PER_SECOND, Clock, ns_from_datetime
from alchemiser_cli.errors import StudyUnavailableError, translating
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.runs.lock import is_held
from alchemiser_cli.rl.sweep.study import OpenStudy, reaching

__all__ = ["Worker", "is_abandoned", "worker"]

FOLDER = ".sweeps"
BEAT_S = 10.0
HOST, LOCK, BEAT = "host", "lock", "beat_ns"

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOG = get_logger("application", "rl")


class Worker:
    """One process of a sweep; its lock file is held as long as it lives."""

    def __init__(self, lock: Path, clock: Clock) -> None:
        """Keep what ``worker`` made."""
        self._lock = lock
        self._clock = clock

    def marks(self) -> dict[str, Any]:
        """Return what to write at a trial, so that others can tell whether this process lives."""
        return {HOST: _host(), LOCK: str(self._lock), BEAT: self._clock.now_ns()}

    @contextmanager
    def beating(self, opened: OpenStudy, trial: Trial) -> Iterator[None]:
        """Write a sign of life to ``trial`` every ``BEAT_S`` seconds during a block."""
        ended = threading.Event()
        thread = threading.Thread(
            target=self._beat, args=(opened, trial, ended), name="sweep-beat", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _beat(self, opened: OpenStudy, trial: Trial, ended: threading.Event) -> None:
        try:
            while not ended.wait(BEAT_S):
                try:
                    with reaching(opened.location):
                        trial.set_user_attr(BEAT, self._clock.now_ns())
                except StudyUnavailableError as error:
                    _LOG.warning("sweep_beat_failed", trial=trial.number, why=error.why)
                except RuntimeError:  # another process took the trial up
                    _LOG.warning("sweep_trial_taken_away", trial=trial.number)
                    return
        finally:
            with contextlib.suppress(Exception):  # this thread's own connection
                opened.storage.remove_session()


@contextmanager
def worker(runs_folder: Path, clock: Clock) -> Iterator[Worker]:
    """Yield this process as one that takes part in sweeps.

    Raises:
        DiskFullError: ``disk-full``.
        EnvironmentMisconfiguredError: ``environment-misconfigured`` if this user may not write.
    """
    file = runs_folder / FOLDER / secrets.token_hex(8)
    with translating("make the lock file of the sweep"):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Worker(file, clock)
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def is_abandoned(trial: FrozenTrial, clock: Clock, stale_after_s: float) -> bool:
    """Tell whether the process of a running ``trial`` is gone.

    On this machine the kernel says so at once: the lock of the process is free. Of another
    machine it is taken as given after ``stale_after_s`` seconds without a sign.
    """
    marks: Mapping[str, Any] = trial.user_attrs
    if marks.get(HOST) == _host():
        held = is_held(Path(marks[LOCK])) if LOCK in marks else None
        if held is not None:
            return not held
    began = trial.datetime_start
    begun_ns = 0 if began is None else ns_from_datetime(began.astimezone())
    silent_ns = clock.now_ns() - int(marks.get(BEAT, begun_ns))
    return silent_ns > stale_after_s * NS_PER_SECOND


def _host() -> str:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{platform.node()}/{boot}"
