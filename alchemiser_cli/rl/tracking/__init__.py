"""Tracking: metrics of a run and models of a run in MLflow, which training never waits for."""

from alchemiser_cli.rl.tracking.registration import CHAMPION, RegistryOutcome, register_model
from alchemiser_cli.rl.tracking.run import RunStatus
from alchemiser_cli.rl.tracking.stored import stored_points
from alchemiser_cli.rl.tracking.tracker import EXPERIMENT, Delivery, Tracker

__all__ = [
    "CHAMPION",
    "EXPERIMENT",
    "Delivery",
    "RegistryOutcome",
    "RunStatus",
    "Tracker",
    "register_model",
    "stored_points",
]
