"""Who a process is, so that a number that was given again is not taken for it."""

import os
from pathlib import Path
from typing import Literal

import msgspec

__all__ = ["Liveness", "ProcessIdentity", "current_process", "liveness"]

PROC = Path("/proc")
START_TIME = 22 - 3  # in /proc/PID/stat, counted from the state, which follows the name
UNKNOWN_BOOT = "0" * 32


class ProcessIdentity(msgspec.Struct, frozen=True):
    """One process for ever: ``started`` is in clock ticks since boot, 0 where it is unknown.

    ``boot`` is the kernel's boot id in hexadecimal, ``namespace`` the inode of the pid namespace;
    both are zero on a system that does not tell.
    """

    pid: int
    started: int
    boot: str
    namespace: int


class Liveness(msgspec.Struct, frozen=True):
    """Whether a process lives, and by what evidence."""

    state: Literal["alive", "dead", "unknown"]
    evidence: str


def current_process() -> ProcessIdentity:
    """Return the identity of this process."""
    pid = os.getpid()
    return ProcessIdentity(pid, _status(pid)[1], _boot(), _namespace())


def liveness(who: ProcessIdentity) -> Liveness:  # noqa: PLR0911  one piece of evidence each
    """Return whether ``who`` lives, as far as this process can see; never raises."""
    here = current_process()
    if who.boot != here.boot:
        return Liveness("dead", "it ran before the last boot of this machine")
    if who.namespace != here.namespace:
        return Liveness("unknown", f"it is in pid namespace {who.namespace}, we in another")
    if not PROC.is_dir():  # macOS
        return _by_signal(who.pid)
    state, started = _status(who.pid)
    if not state:
        return Liveness("dead", f"there is no process {who.pid}")
    if started != who.started:
        return Liveness("dead", f"process {who.pid} is another one, which started later")
    if state in "ZX":
        return Liveness("dead", f"process {who.pid} has ended and waits for its parent")
    return Liveness("alive", f"process {who.pid} runs (state {state})")


def _status(pid: int) -> tuple[str, int]:
    """Return the state's letter and the start time; empty and 0 if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", 0
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[START_TIME])


def _boot() -> str:
    try:
        text = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return UNKNOWN_BOOT
    return text.strip().replace("-", "")


def _namespace() -> int:
    try:
        return (PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _by_signal(pid: int) -> Liveness:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return Liveness("dead", f"there is no process {pid}")
    except OSError:
        return Liveness("unknown", f"process {pid} may be another one; this system does not tell")
    return Liveness("unknown", f"there is a process {pid}; this system does not tell its start")
