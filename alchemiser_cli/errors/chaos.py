"""Errors of breaking things on purpose."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "ChaosError",
    "ChaosRefusedError",
    "ExperimentAbortedError",
    "ExperimentMalformedError",
    "ExperimentNotFoundError",
    "ExperimentRunningError",
    "FaultImpossibleError",
    "FaultTargetNotFoundError",
    "LeaseHeldError",
    "LeaseNotFoundError",
    "ProxyFailedError",
]


class ChaosError(AlchemiserError):
    """Family: a fault or an experiment could not be begun or carried through."""

    severity: ClassVar[Severity] = Severity.LOW


class FaultTargetNotFoundError(ChaosError):
    """No fault point, condition or proxy has this name."""

    code = "fault-target-not-found"
    exit_code = ExitCode.NOT_FOUND


class FaultImpossibleError(ChaosError):
    """The target cannot fail in this way, or the numbers of the fault make no sense."""

    code = "fault-impossible"
    exit_code = ExitCode.USAGE


class LeaseHeldError(ChaosError):
    """The target has a fault already; a second would make both unreadable."""

    code = "lease-held"
    exit_code = ExitCode.REFUSED


class LeaseNotFoundError(ChaosError):
    """No fault is in force under this id or at this target."""

    code = "lease-not-found"
    exit_code = ExitCode.NOT_FOUND


class ChaosRefusedError(ChaosError):
    """Policy forbids to break anything here: production, a live broker, open positions."""

    code = "chaos-refused"
    severity = Severity.MEDIUM
    exit_code = ExitCode.REFUSED


class ExperimentNotFoundError(ChaosError):
    """No experiment has this name, and no file lies there."""

    code = "experiment-not-found"
    exit_code = ExitCode.NOT_FOUND


class ExperimentMalformedError(ChaosError):
    """The file of an experiment cannot be read, or names what does not exist."""

    code = "experiment-malformed"
    exit_code = ExitCode.CONFIG


class ExperimentRunningError(ChaosError):
    """Another experiment is under way on this home."""

    code = "experiment-running"
    exit_code = ExitCode.REFUSED


class ExperimentAbortedError(ChaosError):
    """A safeguard stopped an experiment before its end."""

    code = "experiment-aborted"
    severity = Severity.HIGH


class ProxyFailedError(ChaosError):
    """The proxy between a client and a service cannot listen where it was told to."""

    code = "proxy-failed"
    severity = Severity.MEDIUM
