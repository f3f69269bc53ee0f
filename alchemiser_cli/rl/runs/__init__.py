"""Training runs: what each was begun with, how far it came, and whether it can go on."""

from alchemiser_cli.rl.runs.compatibility import (
    Difference,
    differences,
    package_versions,
    require_same,
)
from alchemiser_cli.rl.runs.finding import find_run, list_runs, open_run
from alchemiser_cli.rl.runs.listing import RunSummary, summaries
from alchemiser_cli.rl.runs.record import RunFacts, RunRecord, RunState
from alchemiser_cli.rl.runs.run import Run, continue_run, new_run, read_metrics, read_result

__all__ = [
    "Difference",
    "Run",
    "RunFacts",
    "RunRecord",
    "RunState",
    "RunSummary",
    "continue_run",
    "differences",
    "find_run",
    "list_runs",
    "new_run",
    "open_run",
    "package_versions",
    "read_metrics",
    "read_result",
    "require_same",
    "summaries",
]
