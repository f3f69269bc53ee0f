"""What became of a training run."""

from typing import Literal

import msgspec

from alchemiser_cli.rl.evaluation import EvaluationReport
from alchemiser_cli.rl.tracking import Delivery

__all__ = ["StoppedBy", "TrainingResult"]

StoppedBy = Literal["steps", "time-budget", "signal", "pruned"]


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    """A run that ended without an error.

    ``seconds`` and ``steps_per_s`` are of this process, ``steps`` of the whole run. Without
    ``model`` nothing was saved besides the checkpoint: the run was interrupted or pruned.
    """

    run_id: str
    dataset: str
    preset: str
    seed: int
    steps: int
    updates: int
    seconds: float
    steps_per_s: float
    stopped_by: StoppedBy
    weights_hash: str
    scores: dict[str, float]
    model: str | None = None
    evaluation: EvaluationReport | None = None
    registered: str | None = None  # why it is not in MLflow's registry, or its version there
    tracking: Delivery | None = None
    published: int = 0
    resumed_at: int | None = None
