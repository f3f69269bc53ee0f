"""What a sweep is asked for, what it asks of each trial, and what a trial answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from alchemiser_cli.rl.sweep.space import Choice, Range, Setting, search_space

__all__ = ["RunTrial", "SweepRequest", "TrialOutcome", "TrialRequest"]


@dataclass(frozen=True)
class SweepRequest:
    """One sweep.

    ``storage`` is an SQLAlchemy URL: processes and machines that give the same storage and
    ``study`` share the sweep. ``trials`` is how many the study is to have in all. A trial whose
    machine gave no sign for ``stale_after_s`` seconds is taken up again; every machine's clock
    must be right to much less than that.
    """

    storage: str
    study: str = "td3"
    trials: int = 20
    seed: int = 1
    space: Mapping[str, Range | Choice] = field(default_factory=search_space)
    stale_after_s: float = 120.0
    pruned_after: int = 5


@dataclass(frozen=True)
class TrialRequest:
    """One trial to be run as a training run.

    ``settings`` go over those of the section ``training``. ``resume`` is the run to continue, if
    an earlier process began it; where it is not on this machine, begin anew. Call
    ``began(run_id)`` once the run's folder is there, so that it can be continued, and
    ``report(step, value)`` after each intermediate evaluation: True means that the trial is not
    worth going on with, or that another process has taken it over.
    """

    number: int
    settings: Mapping[str, Setting]
    seed: int
    resume: str | None
    began: Callable[[str], None]
    report: Callable[[int, float], bool]


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended: ``value`` is what is maximised; ``pruned`` if it was stopped before."""

    run_id: str
    value: float
    pruned: bool = False


RunTrial = Callable[[TrialRequest], TrialOutcome]
