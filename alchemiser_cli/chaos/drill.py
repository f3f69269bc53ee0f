"""The drill: every shipped experiment, one after another, each in a scratch home of its own."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.document import Experiment
from alchemiser_cli.chaos.experiments.finding import find_experiment, shipped_experiments
from alchemiser_cli.chaos.experiments.journal import ExperimentJournal
from alchemiser_cli.chaos.experiments.reading import read_experiment
from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import ExtraMissingError
from alchemiser_cli.errors.translate import translated

__all__ = ["LONG", "ChaosDrill", "Score", "chosen_experiments", "run_chaos_drill"]

LONG = "long"
"""The tag of experiments that a short drill leaves out."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment of a drill; without a journal, ``trouble`` says why it could not be run.

    One that was ``skipped`` needs an extra that is not installed: nobody here depends on it.
    """

    name: str
    title: str
    duration_s: float
    journal: ExperimentJournal | None
    trouble: str = ""
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether everything was as expected."""
        return self.journal is not None and self.journal.passed


class ChaosDrill(msgspec.Struct, frozen=True, kw_only=True):
    """The score card; ``left_out`` are the experiments that a signal kept from being run."""

    scores: list[Score]
    left_out: list[str]
    duration_s: float

    @property
    def passed(self) -> bool:
        """Tell whether there was something to run, and all of it was run and passed."""
        scores = [one for one in self.scores if not one.skipped]
        return bool(scores) and not self.left_out and all(one.passed for one in scores)


def chosen_experiments(
    only: Sequence[str],
    home: Path | None,
    plugin_modules: Collection[str] = (),
    *,
    short: bool = False,
) -> list[Experiment]:
    """Return the experiments of a drill: those of ``only``, else all that are shipped.

    A ``short`` drill leaves out those with the tag ``long`` that were not asked for by name.

    Raises:
        ExperimentNotFoundError: ``experiment-not-found``.
        ExperimentMalformedError: ``experiment-malformed``.
    """
    files = [find_experiment(name, home) for name in only] or list(shipped_experiments().values())
    found = [read_experiment(file, plugin_modules) for file in files]
    return [one for one in found if only or not (short and LONG in one.tags)]


def run_chaos_drill(
    conductor: Conductor,
    experiments: Sequence[Experiment],
    clock: Clock,
    *,
    begin: Callable[[Experiment], object] = lambda _experiment: None,
) -> ChaosDrill:
    """Run ``experiments`` in their order; one that cannot be run fails, and the next one follows.

    ``begin`` is told of each before it begins.
    """
    from_ns = clock.monotonic_ns()
    scores: list[Score] = []
    for experiment in experiments:
        if conductor.stop():
            break
        begin(experiment)
        began_ns, journal, trouble, skipped = clock.monotonic_ns(), None, "", False
        try:
            journal = conductor.conduct(experiment)
        except ExtraMissingError as missing:
            trouble, skipped = f"{missing.what}: {missing.next_step}", True
        except Exception as error:  # noqa: BLE001  the others are run all the same
            failure = translated(error, doing=f"run the experiment {experiment.name}")
            trouble = f"{failure.code}: {failure.what}: {failure.why}"
        scores.append(
            Score(
                name=experiment.name,
                title=experiment.title,
                duration_s=(clock.monotonic_ns() - began_ns) / NS_PER_SECOND,
                journal=journal,
                trouble=trouble,
                skipped=skipped,
            )
        )
    return ChaosDrill(
        scores=scores,
        left_out=[one.name for one in experiments[len(scores) :]],
        duration_s=(clock.monotonic_ns() - from_ns) / NS_PER_SECOND,
    )
