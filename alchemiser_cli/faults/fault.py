"""What may be done to a fault point, and one fault as somebody asked for it."""

import errno
import os
import sqlite3
from collections.abc import Mapping
from enum import StrEnum

import msgspec

__all__ = ["RESOURCES", "Fault", "FaultKind", "denial"]


class FaultKind(StrEnum):
    """Ways to break something; what a target offers of them stands in its ``FaultTarget``."""

    RAISE = "raise"  # an error of the taxonomy
    DENY = "deny"  # a resource is exhausted or locked, said as the system says it
    DELAY = "delay"
    HANG = "hang"  # until the fault ends
    CORRUPT = "corrupt"
    DROP = "drop"
    DUPLICATE = "duplicate"
    KILL = "kill"  # SIGKILL to the process that comes by
    SKEW = "skew"  # of the wall clock
    DOWN = "down"  # connections are closed and refused
    ANSWER = "answer"  # an error of the Kafka protocol
    MOVE = "move"  # the leadership of partitions
    DELETE = "delete"  # the oldest records
    THROTTLE = "throttle"  # bytes a second
    RESET = "reset"  # of connections, in the middle
    HALF_CLOSE = "half-close"  # one direction ends, the other stays


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault.

    ``word`` completes the kind: the code of the error to raise, the resource to deny, the error
    of the protocol to answer. ``amount`` is seconds for a delay or a skew (which may be negative),
    bytes a second for a throttle, how many for a deletion.

    Each chance is taken with ``probability``, at most ``count`` times in each process; with
    ``every_s`` only in the first ``active_s`` of every period. ``seed`` makes the draws of a
    process repeatable.
    """

    kind: FaultKind
    word: str = ""
    amount: float = 0.0
    probability: float = 1.0
    count: int | None = None
    every_s: float | None = None
    active_s: float | None = None
    seed: int = 0


def _system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _locked() -> sqlite3.OperationalError:
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
    locked.sqlite_errorname = "SQLITE_BUSY"
    return locked


RESOURCES: Mapping[str, str] = {
    "disk-full": "no space left on the device (ENOSPC)",
    "too-many-files": "no file descriptor left (EMFILE)",
    "no-permission": "permission denied (EACCES)",
    "input-output": "the device fails (EIO)",
    "no-memory": "no memory left",
    "database-locked": "another process keeps the database locked",
}
"""The resources that can be denied, each with what a process then sees."""


def denial(resource: str) -> Exception:
    """Return what the system itself would raise without ``resource``, marked as injected."""
    numbers = {
        "disk-full": errno.ENOSPC,
        "too-many-files": errno.EMFILE,
        "no-permission": errno.EACCES,
        "input-output": errno.EIO,
    }
    error: Exception
    if resource in numbers:
        error = _system(numbers[resource])
    elif resource == "no-memory":
        error = MemoryError("cannot allocate memory")
    else:
        error = _locked()
    vars(error)["injected"] = True  # as translated() reads it
    return error
