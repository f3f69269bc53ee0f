"""Errors of what is kept: files, the home, the state database, stored models and segments."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "DatabaseError",
    "DiskFailingError",
    "DiskFullError",
    "DiskSpaceLowError",
    "FileOperationError",
    "HomeNotWritableError",
    "ModelCorruptError",
    "ModelNotFoundError",
    "PermissionsTooOpenError",
    "SegmentUnhealthyError",
    "SharedMemoryFullError",
    "StateCorruptError",
    "StateSchemaError",
    "StateUnreachableError",
]


class FileOperationError(AlchemiserError):
    """Family: a file or folder cannot be used as needed."""


class HomeNotWritableError(FileOperationError):
    """The home, where everything is written at run time, cannot be written."""

    code = "home-not-writable"
    severity = Severity.CRITICAL


class DiskFullError(FileOperationError):
    """A write failed because no space was left."""

    code = "disk-full"
    retry_safety = RetrySafety.IF_IDEMPOTENT
    severity = Severity.CRITICAL
    recoverable = True


class DiskFailingError(FileOperationError):
    """The device failed in the middle of reading or writing."""

    code = "disk-failing"
    severity = Severity.CRITICAL


class DiskSpaceLowError(FileOperationError):
    """Less disk space is free than the settings ask for."""

    code = "disk-space-low"


class PermissionsTooOpenError(FileOperationError):
    """Others than the owner may read a file that can hold secrets."""

    code = "permissions-too-open"


class SharedMemoryFullError(FileOperationError):
    """Shared memory has less room than the settings ask for, or is missing."""

    code = "shared-memory-full"


class SegmentUnhealthyError(FileOperationError):
    """A shared-memory segment of ours has the wrong owner, mode or size."""

    code = "segment-unhealthy"
    exit_code = ExitCode.CORRUPT


class ModelNotFoundError(FileOperationError):
    """A model that an enabled strategy names does not exist."""

    code = "model-not-found"
    exit_code = ExitCode.NOT_FOUND


class ModelCorruptError(FileOperationError):
    """A model's files do not match their passport."""

    code = "model-corrupt"
    severity = Severity.CRITICAL
    exit_code = ExitCode.CORRUPT


class DatabaseError(AlchemiserError):
    """Family: the state database cannot be used."""

    severity: ClassVar[Severity] = Severity.CRITICAL


class StateUnreachableError(DatabaseError):
    """The state database cannot be opened or did not answer."""

    code = "state-unreachable"
    retry_safety = RetrySafety.SAFE
    exit_code = ExitCode.UNREACHABLE
    recoverable = True


class StateCorruptError(DatabaseError):
    """The state database failed its integrity check."""

    code = "state-corrupt"
    exit_code = ExitCode.CORRUPT


class StateSchemaError(DatabaseError):
    """The state database was written by a newer version of alchemiser."""

    code = "state-schema"
