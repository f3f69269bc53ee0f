"""A training run from its data to its model: stages, progress, checkpoints, resumption."""

from alchemiser_cli.rl.training.learning import TrainingWatch, Update
from alchemiser_cli.rl.training.places import GymPlace, OptionsPlace
from alchemiser_cli.rl.training.request import GYM, TrainingRequest, gym_training
from alchemiser_cli.rl.training.result import TrainingResult
from alchemiser_cli.rl.training.resuming import ResumeProof, verify_resume
from alchemiser_cli.rl.training.run import train
from alchemiser_cli.rl.training.saving import settings_hash
from alchemiser_cli.rl.training.stages import stage

__all__ = [
    "GYM",
    "GymPlace",
    "OptionsPlace",
    "ResumeProof",
    "TrainingRequest",
    "TrainingResult",
    "TrainingWatch",
    "Update",
    "gym_training",
    "settings_hash",
    "stage",
    "train",
    "verify_resume",
]
