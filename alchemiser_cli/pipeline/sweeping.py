"""A sweep of training runs, whose best model is judged by how many were tried."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import RunNotFoundError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.pipeline.training import evaluate_model
from alchemiser_cli.rl.artefacts import model_names, set_evaluation
from alchemiser_cli.rl.evaluation import EvaluationReport
from alchemiser_cli.rl.runs import open_run, read_result
from alchemiser_cli.rl.sweep import (
    SweepRequest,
    SweepResult,
    TrialOutcome,
    TrialRequest,
    sweep,
    sweep_so_far,
)
from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch, Update, train
from alchemiser_cli.settings import Settings, TrainingSettings

__all__ = ["SweepOutcome", "sweep_training"]

_LOG = get_logger("application", "rl")


@dataclass(frozen=True)
class SweepOutcome:
    """A study, and the evaluation of its best model by the number of trials.

    ``model`` and ``report`` are None where no trial is complete, where the best one was run on
    another machine, or where the search was ``interrupted``.
    """

    result: SweepResult
    model: str | None = None
    report: EvaluationReport | None = None
    interrupted: bool = False


def sweep_training(
    settings: Settings,
    request: TrainingRequest,
    wanted: SweepRequest,
    clock: Clock,
    *,
    stop: Callable[[], bool],
    on_update: Callable[[int, Update], None],
    report_html: Callable[[EvaluationReport], str] | None = None,
) -> SweepOutcome:
    """Search for settings of training; each trial is a run, and saves a model unless pruned.

    Trials are compared by their mean reward on the held-out rows, which chooses among them:
    that is why the best one is judged again with the number of trials, and keeps that verdict.
    ``on_update`` takes a trial's number, too. Where ``stop`` tells to end, the running trial is
    left to whoever sweeps next.

    Raises:
        StudyUnavailableError: ``study-unavailable``, and what ``sweep`` raises.
    """
    trials = _Trials(settings, request, wanted, clock, stop=stop, on_update=on_update)
    try:
        result = sweep(wanted, trials.run, runs_folder=settings.runs_folder, clock=clock)
    except KeyboardInterrupt:
        if not stop():
            raise
        return SweepOutcome(sweep_so_far(wanted, clock), interrupted=True)
    model = _best_model(settings, result)
    if model is None:
        return SweepOutcome(result)
    artefact, report = evaluate_model(settings, model, trials=result.trials)
    page = None if report_html is None else report_html(report)
    set_evaluation(settings.models_folder, artefact.folder.name, report, page)
    return SweepOutcome(result, model, report)


class _Trials:
    """Runs the trials of a study, each as a training run."""

    def __init__(
        self,
        settings: Settings,
        request: TrainingRequest,
        wanted: SweepRequest,
        clock: Clock,
        *,
        stop: Callable[[], bool],
        on_update: Callable[[int, Update], None],
    ) -> None:
        self._settings = settings
        self._request = request
        self._wanted = wanted
        self._clock = clock
        self._stop = stop
        self._on_update = on_update

    def run(self, trial: TrialRequest) -> TrialOutcome:
        """Begin the trial's run, or go on with it; one that is finished answers at once."""
        resume, finished = self._begun(trial)
        if finished is not None:
            return _outcome(finished)
        chosen = self._request.training.model_copy(
            update={**trial.settings, "seed": trial.seed}
        ).model_dump()
        name = f"{self._wanted.study}-{trial.number}"
        # The name is taken where an earlier study had it, or where this very run was killed
        # between its model and its result: the model is then called after the run.
        taken = name in model_names(self._settings.models_folder)
        result = train(
            self._settings,
            replace(self._request, training=TrainingSettings(**chosen)),
            self._clock,
            watch=TrainingWatch(
                on_begin=trial.began,
                on_update=lambda update: self._on_update(trial.number, update),
                on_score=trial.report,
                stop=self._stop,
            ),
            resume=resume,
            model=None if taken else name,
            trials=self._wanted.trials,
        )
        if result.stopped_by == "signal":
            raise KeyboardInterrupt
        return TrialOutcome(
            result.run_id, result.scores["score"], pruned=result.stopped_by == "pruned"
        )

    def _begun(self, trial: TrialRequest) -> tuple[str | None, dict[str, Any] | None]:
        """Return the run to go on with, if it is on this machine, and its result, if finished."""
        if trial.resume is None:
            return None, None
        folder = self._settings.runs_folder
        try:
            record = open_run(folder, trial.resume)
        except RunNotFoundError:
            _LOG.info("sweep_trial_begins_anew", trial=trial.number, run=trial.resume)
            return None, None
        done = record.state == "finished"
        return record.id, read_result(folder / record.id) if done else None


def _outcome(result: dict[str, Any]) -> TrialOutcome:
    return TrialOutcome(
        result["run_id"], result["scores"]["score"], pruned=result["stopped_by"] == "pruned"
    )


def _best_model(settings: Settings, result: SweepResult) -> str | None:
    """Return the model of the best trial, if it is on this machine."""
    if result.best is None or result.best.run_id is None:
        return None
    found = read_result(settings.runs_folder / result.best.run_id) or {}
    model = found.get("model")
    return model if model in model_names(settings.models_folder) else None
