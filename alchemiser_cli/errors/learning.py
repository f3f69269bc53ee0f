"""Errors of training and of the weights' way to live processes."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "SegmentCorruptError",
    "SharedMemoryError",
    "StaleWeightsError",
    "TrainingDivergedError",
    "TrainingError",
    "TrainingStageError",
]


class TrainingError(AlchemiserError):
    """Family: a training run fails."""


class TrainingStageError(TrainingError):
    """A stage of training (environment, model, learning, saving) failed."""

    code = "training-stage-failed"


class TrainingDivergedError(TrainingError):
    """A loss or a weight became NaN or infinite."""

    code = "training-diverged"


class SharedMemoryError(AlchemiserError):
    """Family: weights in shared memory cannot be used."""

    severity: ClassVar[Severity] = Severity.CRITICAL


class SegmentCorruptError(SharedMemoryError):
    """No slot of a segment passes its checksum."""

    code = "segment-corrupt"
    exit_code = ExitCode.CORRUPT


class StaleWeightsError(SharedMemoryError):
    """The newest weights are older than the reader may act on."""

    code = "weights-stale"
    severity = Severity.HIGH
    recoverable = True
    retry_safety = RetrySafety.SAFE
