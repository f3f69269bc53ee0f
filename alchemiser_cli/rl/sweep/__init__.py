"""Sweeps: the search for settings, shared by processes and machines, each trial a run."""

from alchemiser_cli.rl.sweep.request import SweepRequest, TrialOutcome, TrialRequest
from alchemiser_cli.rl.sweep.results import SweepResult, TrialRow
from alchemiser_cli.rl.sweep.running import sweep, sweep_so_far
from alchemiser_cli.rl.sweep.space import Choice, Range, search_space
from alchemiser_cli.rl.sweep.study import count_trials, default_storage

__all__ = [
    "Choice",
    "Range",
    "SweepRequest",
    "SweepResult",
    "TrialOutcome",
    "TrialRequest",
    "TrialRow",
    "count_trials",
    "default_storage",
    "search_space",
    "sweep",
    "sweep_so_far",
]
