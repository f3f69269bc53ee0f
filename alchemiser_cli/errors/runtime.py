"""Errors of the machine and process, of the checks themselves, and of our own defects."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "CheckCrashedError",
    "CheckTimedOutError",
    "ClockSkewError",
    "CriticalChannelMissingError",
    "ErrorNotFoundError",
    "FileLimitLowError",
    "IncidentNotFoundError",
    "InternalError",
    "LibrdkafkaOldError",
    "PackagesIncompatibleError",
    "PortInUseError",
    "PreflightBlockedError",
    "PythonVersionError",
    "RunbookNotFoundError",
    "RuntimeConditionError",
    "SilenceNotFoundError",
    "TrackingUnreachableError",
    "UsageError",
    "VirtualEnvironmentError",
]


class RuntimeConditionError(AlchemiserError):
    """Family: the machine or the process is not as it must be."""


class PythonVersionError(RuntimeConditionError):
    """This Python is older than the oldest supported version."""

    code = "python-version"
    severity = Severity.CRITICAL


class VirtualEnvironmentError(RuntimeConditionError):
    """The command does not run inside a virtual environment."""

    code = "virtual-environment"
    severity = Severity.LOW


class PackagesIncompatibleError(RuntimeConditionError):
    """Installed packages do not satisfy one another's requirements."""

    code = "packages-incompatible"


class LibrdkafkaOldError(RuntimeConditionError):
    """The loaded librdkafka lacks what the stream needs."""

    code = "librdkafka-old"


class FileLimitLowError(RuntimeConditionError):
    """The process may open fewer files than a broker connection set needs."""

    code = "file-limit-low"
    severity = Severity.MEDIUM


class ClockSkewError(RuntimeConditionError):
    """This machine's clock differs from the broker's by more than allowed."""

    code = "clock-skew"


class TrackingUnreachableError(RuntimeConditionError):
    """The experiment-tracking store did not answer."""

    code = "tracking-unreachable"
    retry_safety = RetrySafety.SAFE
    severity = Severity.MEDIUM
    exit_code = ExitCode.UNREACHABLE
    recoverable = True


class CriticalChannelMissingError(RuntimeConditionError):
    """No enabled notification channel takes CRITICAL messages."""

    code = "critical-channel-missing"


class CheckCrashedError(RuntimeConditionError):
    """A check raised something other than a coded error: a defect in the check."""

    code = "check-crashed"


class CheckTimedOutError(RuntimeConditionError):
    """A check did not finish within its time limit."""

    code = "check-timed-out"
    retry_safety = RetrySafety.SAFE
    recoverable = True


class PortInUseError(RuntimeConditionError):
    """Another process listens on the port that a server of ours was to use."""

    code = "port-in-use"
    severity = Severity.MEDIUM
    exit_code = ExitCode.CONFIG


class PreflightBlockedError(RuntimeConditionError):
    """A check failed that the environment's policy does not let pass."""

    code = "preflight-blocked"
    severity = Severity.CRITICAL


class RunbookNotFoundError(RuntimeConditionError):
    """No error has this code."""

    code = "runbook-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class ErrorNotFoundError(RuntimeConditionError):
    """No error in the journal, or more than one, has an id that begins so."""

    code = "error-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class SilenceNotFoundError(RuntimeConditionError):
    """No silence, or more than one, has an id that begins so."""

    code = "silence-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class IncidentNotFoundError(RuntimeConditionError):
    """No incident, or more than one, has an id that begins so."""

    code = "incident-not-found"
    severity = Severity.LOW
    exit_code = ExitCode.NOT_FOUND


class UsageError(RuntimeConditionError):
    """The command line asks for something that does not exist or does not fit together."""

    code = "usage"
    severity = Severity.LOW
    exit_code = ExitCode.USAGE


class InternalError(AlchemiserError):
    """An exception that nobody expected: a defect of ours."""

    code = "internal-error"
    severity: ClassVar[Severity] = Severity.CRITICAL
    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
