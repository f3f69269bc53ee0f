"""Conducting an experiment: its laboratory, its row in the state database, and its engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from alchemiser_cli.chaos.announcing import Announcer
from alchemiser_cli.chaos.experiments.document import Experiment, WorkloadSetting
from alchemiser_cli.chaos.experiments.engine import Watchers, new_run, run_on
from alchemiser_cli.chaos.experiments.ground import Ground
from alchemiser_cli.chaos.experiments.journal import ExperimentJournal
from alchemiser_cli.chaos.experiments.pace import Pace
from alchemiser_cli.chaos.experiments.runs import RunStore
from alchemiser_cli.chaos.laboratory import ScratchLaboratory, scratch_folder
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.workloads.registry import workload_class
from alchemiser_cli.clock import TrueClock
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.state import StateDatabase

__all__ = ["Conductor"]


@dataclass(frozen=True)
class Conductor:
    """Runs experiments in the name of ``owner``, for the home that ``resolved`` describes.

    ``stop`` tells whether a signal asked to end, ``say`` takes a line of progress, ``environ`` is
    what children of a laboratory get. ``permit`` is called before an experiment without a
    laboratory breaks something on the home itself; it raises where that is not allowed. What is
    broken there goes on record by ``announcer``.
    """

    resolved: Resolved
    database: StateDatabase
    owner: str
    permit: Callable[[], object]
    announcer: Announcer | None = None
    stop: Callable[[], bool] = lambda: False
    say: Callable[[str], object] = lambda _line: None
    environ: Mapping[str, str] = field(default_factory=dict)

    def conduct(self, experiment: Experiment) -> ExperimentJournal:
        """Run one experiment and return its journal; its laboratory is gone then.

        Raises:
            AlchemiserError: what ``permit`` raises; and what keeps a laboratory from being made.
        """
        run, setting = new_run(), experiment.ours.laboratory
        if setting is None:
            self.permit()
        folder = None if setting is None else scratch_folder(run)
        store = RunStore(self.database, TrueClock())
        store.begin(run, experiment.title, experiment.document, self.owner, folder)
        journal = None
        try:
            watchers = Watchers(self.say, partial(store.seen, run), partial(store.roll_back, run))
            if setting is None or folder is None:
                journal = run_on(self._home(run), experiment, watchers)
            else:
                journal = self._in_laboratory(run, setting, folder, experiment, watchers)
        finally:
            kept = None if journal is None else msgspec.json.encode(journal).decode()
            store.end(run, "over", kept)
        return journal

    def _home(self, run: str) -> Ground:
        clock = TrueClock()
        return Ground(
            run=run,
            owner=self.owner,
            resolved=self.resolved,
            database=self.database,
            leases=LeaseStore(self.database, clock),
            clock=clock,
            pace=Pace(clock, self.stop),
            announcer=self.announcer,
        )

    def _in_laboratory(
        self,
        run: str,
        setting: WorkloadSetting,
        folder: Path,
        experiment: Experiment,
        watchers: Watchers,
    ) -> ExperimentJournal:
        clock = TrueClock()
        with ScratchLaboratory(setting.settings, self.environ, folder=folder) as laboratory:
            ground = Ground(
                run=run,
                owner=self.owner,
                resolved=laboratory.resolved,
                database=laboratory.evidence,
                leases=laboratory.leases,
                clock=clock,
                pace=Pace(clock, self.stop),
                workload=workload_class(setting.workload)(laboratory, **setting.arguments),
                journal=laboratory.journal,
            )
            return run_on(ground, experiment, watchers)
