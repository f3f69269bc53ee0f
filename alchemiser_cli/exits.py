"""The one table of exit codes that scripts and cron jobs rely on."""

from enum import IntEnum
from typing import Self

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Process exit status of every ``alchemiser`` command, with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> Self:
        """Attach the documented meaning to the numeric value."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done, or healthy"
    FAILED = 1, "the work failed, or a check is critical"
    USAGE = 2, "the command line is wrong"
    DEGRADED = 3, "done or running, with warnings that the caller asked to hear of"
    CONFIG = 4, "the configuration is invalid"
    UNREACHABLE = 5, "a needed service did not answer"
    REFUSED = 6, "policy forbids it"
    CORRUPT = 7, "stored data failed its integrity check"
    NOT_FOUND = 8, "the named thing does not exist"
    INTERNAL = 70, "a defect of ours"
    INTERRUPTED = 130, "stopped by a signal"
