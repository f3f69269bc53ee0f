"""Errors of training and of the weights' way to live processes."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "CanaryMismatchError",
    "EnvironmentAuditError",
    "GenerationNotFoundError",
    "GymEnvironmentError",
    "ModelExistsError",
    "ModelIncompatibleError",
    "ModelNotPromotableError",
    "RecordNotFiniteError",
    "ResumeMismatchError",
    "RunNotFoundError",
    "RunNotResumableError",
    "SegmentAttachError",
    "SegmentCorruptError",
    "SegmentCreateError",
    "SegmentExistsError",
    "SegmentForeignError",
    "SegmentLayoutError",
    "SegmentNotFoundError",
    "SegmentRecordTooLargeError",
    "SegmentSchemaError",
    "SegmentWriterAliveError",
    "SharedMemoryError",
    "StaleWeightsError",
    "StudyUnavailableError",
    "TrainingDivergedError",
    "TrainingError",
    "TrainingStageError",
    "WeightsOverwrittenError",
]


class TrainingError(AlchemiserError):
    """Family: a training run fails."""


class TrainingStageError(TrainingError):
    """A stage of training (environment, model, learning, saving) failed."""

    code = "training-stage-failed"


class TrainingDivergedError(TrainingError):
    """A loss or a weight became NaN or infinite."""

    code = "training-diverged"


class EnvironmentAuditError(TrainingError):
    """An environment breaks a law that every training environment must keep."""

    code = "environment-audit-failed"


class GymEnvironmentError(TrainingError):
    """No Gymnasium environment has this id, or TD3 cannot act in it."""

    code = "gym-environment-unusable"
    severity = Severity.MEDIUM
    exit_code = ExitCode.NOT_FOUND


class RunNotFoundError(TrainingError):
    """No training run has this id."""

    code = "run-not-found"
    severity = Severity.MEDIUM
    exit_code = ExitCode.NOT_FOUND


class RunNotResumableError(TrainingError):
    """A training run has no whole checkpoint, or cannot be continued as it began."""

    code = "run-not-resumable"
    exit_code = ExitCode.REFUSED


class ResumeMismatchError(TrainingError):
    """A resumed run did not become what the uninterrupted run became."""

    code = "resume-mismatch"
    exit_code = ExitCode.CORRUPT


class ModelExistsError(TrainingError):
    """A model artefact of this name exists already."""

    code = "model-exists"
    severity = Severity.MEDIUM
    exit_code = ExitCode.REFUSED


class ModelIncompatibleError(TrainingError):
    """A model was made for other observations, or by a network that is not known here."""

    code = "model-incompatible"
    exit_code = ExitCode.CONFIG


class ModelNotPromotableError(TrainingError):
    """The evaluation of a model does not allow its promotion."""

    code = "model-not-promotable"
    severity = Severity.MEDIUM
    exit_code = ExitCode.REFUSED


class StudyUnavailableError(TrainingError):
    """The storage of a sweep cannot be opened."""

    code = "study-unavailable"
    exit_code = ExitCode.UNREACHABLE
    recoverable = True
    retry_safety = RetrySafety.SAFE


class SharedMemoryError(AlchemiserError):
    """Family: weights in shared memory cannot be used."""

    severity: ClassVar[Severity] = Severity.CRITICAL


class SegmentCorruptError(SharedMemoryError):
    """No slot of a segment passes its checksum."""

    code = "segment-corrupt"
    exit_code = ExitCode.CORRUPT


class SegmentNotFoundError(SharedMemoryError):
    """No segment has this name."""

    code = "segment-not-found"
    severity = Severity.HIGH
    exit_code = ExitCode.NOT_FOUND
    recoverable = True
    retry_safety = RetrySafety.SAFE


class SegmentExistsError(SharedMemoryError):
    """A segment was to be created and one of this name is there."""

    code = "segment-exists"
    severity = Severity.MEDIUM


class SegmentCreateError(SharedMemoryError):
    """The file of a segment could not be made."""

    code = "segment-create-failed"


class SegmentAttachError(SharedMemoryError):
    """A segment is there and cannot be mapped: not finished, truncated, or its mode is wrong."""

    code = "segment-attach-failed"


class SegmentForeignError(SharedMemoryError):
    """A file has the name of a segment and is not one, or belongs to another user."""

    code = "segment-foreign"
    exit_code = ExitCode.REFUSED


class SegmentLayoutError(SharedMemoryError):
    """A segment has the layout of another version, or of a machine with another byte order."""

    code = "segment-layout-unsupported"
    exit_code = ExitCode.CONFIG


class SegmentSchemaError(SharedMemoryError):
    """A segment holds something else than its writer or reader asks for."""

    code = "segment-schema-mismatch"
    exit_code = ExitCode.CONFIG


class SegmentRecordTooLargeError(SharedMemoryError, ValueError):
    """A record does not fit into a slot of its segment."""

    code = "segment-record-too-large"
    severity = Severity.HIGH


class RecordNotFiniteError(SharedMemoryError, ValueError):
    """A record holds NaN or an infinite number."""

    code = "record-not-finite"
    severity = Severity.HIGH


class GenerationNotFoundError(SharedMemoryError):
    """No slot of a segment holds the generation to roll back to."""

    code = "generation-not-found"
    severity = Severity.MEDIUM
    exit_code = ExitCode.NOT_FOUND


class WeightsOverwrittenError(SharedMemoryError):
    """Weights that were used in place were written over meanwhile."""

    code = "weights-overwritten"
    severity = Severity.HIGH
    recoverable = True
    retry_safety = RetrySafety.SAFE


class SegmentWriterAliveError(SharedMemoryError):
    """The writer of a segment lives, or may live, and keeps its lease."""

    code = "segment-writer-alive"
    severity = Severity.HIGH
    exit_code = ExitCode.REFUSED


class CanaryMismatchError(SharedMemoryError):
    """Weights do not give the actions that their writer observed."""

    code = "canary-mismatch"


class StaleWeightsError(SharedMemoryError):
    """The newest weights are older than the reader may act on."""

    code = "weights-stale"
    severity = Severity.HIGH
    recoverable = True
    retry_safety = RetrySafety.SAFE
