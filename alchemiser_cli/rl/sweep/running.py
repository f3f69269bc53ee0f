"""Running a sweep: ask the study for settings, run a trial, tell it what came out."""

import contextlib
import math
from pathlib import Path

import numpy as np
from optuna import Trial
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    StudyUnavailableError,
    TrainingDivergedError,
    translated,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.sweep.request import RunTrial, SweepRequest, TrialOutcome, TrialRequest
from alchemiser_cli.rl.sweep.results import CODE, RUN, SweepResult, result_of
from alchemiser_cli.rl.sweep.space import distributions
from alchemiser_cli.rl.sweep.study import FIRST, OpenStudy, open_study, originals, reaching
from alchemiser_cli.rl.sweep.worker import Worker, is_abandoned, worker

__all__ = ["sweep", "sweep_so_far"]

RESUME, ATTEMPT = "resume", "attempt"  # user attributes of a trial that takes up another one
MAX_ATTEMPTS = 3
MAX_FAILURES_IN_A_ROW = 3
TELL_WAITS_S = (1.0, 4.0, 15.0)  # what a trial cost is not thrown away for a short outage

_LOG = get_logger("application", "rl")


def sweep(
    request: SweepRequest, run_trial: RunTrial, *, runs_folder: Path, clock: Clock
) -> SweepResult:
    """Run trials until the study has as many as ``request`` asks for; return what it holds.

    Settings come from a tree-structured Parzen estimator (Bergstra et al., 2011), seeded by the
    request and the number of the trial: one process alone repeats a sweep exactly. A trial whose
    intermediate value lies under the median of the others is pruned. What a process left that
    was killed, here or on another machine, is continued first, up to three attempts.

    A trial that fails counts, and the sweep goes on; three in a row end it with the last error.
    Processes that share a study can each begin one trial more than was asked for.

    Raises:
        StudyUnavailableError: ``study-unavailable``; started again, the sweep goes on.
        ValidationError: ``validation-failed`` if the study was begun with another search space.
        AlchemiserError: of the last of three trials that failed one after the other.
    """
    failures = 0
    with open_study(request, clock) as opened, worker(runs_folder, clock) as me:
        while (trial := _next_trial(opened, request, me, clock)) is not None:
            failure = _run(opened, request, run_trial, trial, me, clock)
            failures = 0 if failure is None else failures + 1
            if failure is not None and failures == MAX_FAILURES_IN_A_ROW:
                raise failure
        with reaching(opened.location):
            return result_of(opened)


def sweep_so_far(request: SweepRequest, clock: Clock) -> SweepResult:
    """Return what the study of ``request`` holds now.

    Raises:
        StudyUnavailableError: ``study-unavailable``.
        ValidationError: ``validation-failed`` if the study was begun with another search space.
    """
    with open_study(request, clock) as opened, reaching(opened.location):
        return result_of(opened)


def _next_trial(opened: OpenStudy, request: SweepRequest, me: Worker, clock: Clock) -> Trial | None:
    study = opened.study
    with reaching(opened.location):
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if is_abandoned(left, clock, request.stale_after_s):
                _take_up(opened, left)
        trials = study.get_trials(deepcopy=False)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if not waiting and len(originals(trials)) >= request.trials:
            return None
        trial = study.ask()
        for name, value in me.marks().items():
            trial.set_user_attr(name, value)
        # The sampler is seeded by the trial, so that processes do not draw the same settings.
        state = np.random.SeedSequence((request.seed, trial.number)).generate_state(1)
        study.sampler = TPESampler(seed=int(state[0]), multivariate=False)
        for name, distribution in distributions(request.space).items():
            trial._suggest(name, distribution)  # noqa: SLF001  the way of `ask` itself
    return trial


def _take_up(opened: OpenStudy, left: FrozenTrial, *, asked_to_stop: bool = False) -> None:
    """Let the trial ``left`` be continued by who asks next; one process wins it.

    An attempt that was asked to stop is no failed one: it may be stopped as often as one likes.
    """
    try:
        opened.study.tell(left.number, state=TrialState.FAIL)
    except (ValueError, RuntimeError):  # another process was faster
        return
    attempt = int(left.user_attrs.get(ATTEMPT, 1)) + (not asked_to_stop)
    _LOG.warning("sweep_trial_left", trial=left.number, run=left.user_attrs.get(RUN))
    if attempt > MAX_ATTEMPTS:
        return
    marks = {
        FIRST: left.user_attrs.get(FIRST, left.number),
        RESUME: left.user_attrs.get(RUN, left.user_attrs.get(RESUME)),
        ATTEMPT: attempt,
    }
    opened.study.enqueue_trial(left.params, user_attrs=marks)


def _run(
    opened: OpenStudy,
    request: SweepRequest,
    run_trial: RunTrial,
    trial: Trial,
    me: Worker,
    clock: Clock,
) -> AlchemiserError | None:
    """Run one trial to its end and tell the study; return the error if it failed."""
    asked = TrialRequest(
        number=int(trial.user_attrs.get(FIRST, trial.number)),
        settings=trial.params,
        seed=request.seed,
        resume=trial.user_attrs.get(RESUME),
        began=lambda run_id: _note(opened, trial, RUN, run_id),
        report=lambda step, value: _report(opened, trial, step, value),
    )
    failure: AlchemiserError | None = None
    outcome: TrialOutcome | None = None
    try:
        with me.beating(opened, trial):
            outcome = run_trial(asked)
        if not math.isfinite(outcome.value):
            failure = _not_finite(outcome)
    except StudyUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a trial raises, the sweep is told
        failure = translated(error, doing=f"run trial {asked.number}")
    except BaseException as error:  # Ctrl-C: what was begun is continued by the next process
        with contextlib.suppress(StudyUnavailableError), reaching(opened.location):
            asked_to_stop = isinstance(error, KeyboardInterrupt)
            _take_up(opened, _frozen(opened, trial), asked_to_stop=asked_to_stop)
        raise
    for wait_s in TELL_WAITS_S:
        try:
            _tell(opened, trial, outcome, failure)
        except StudyUnavailableError as error:
            _LOG.warning("sweep_tell_failed", trial=trial.number, why=error.why)
            clock.sleep(wait_s)
        else:
            return failure
    _tell(opened, trial, outcome, failure)
    return failure


def _tell(
    opened: OpenStudy, trial: Trial, outcome: TrialOutcome | None, failure: AlchemiserError | None
) -> None:
    study = opened.study
    try:
        with reaching(opened.location):
            if outcome is not None:
                trial.set_user_attr(RUN, outcome.run_id)
            if failure is not None:
                trial.set_user_attr(CODE, failure.code)
                study.tell(trial, state=TrialState.FAIL)
            elif outcome is not None and outcome.pruned:
                study.tell(trial, state=TrialState.PRUNED)
            elif outcome is not None:
                study.tell(trial, outcome.value)
    except (ValueError, RuntimeError):  # it was silent for so long that another took it up
        _LOG.warning("sweep_trial_taken_away", trial=trial.number)


def _note(opened: OpenStudy, trial: Trial, name: str, value: str) -> None:
    with reaching(opened.location):
        trial.set_user_attr(name, value)


def _report(opened: OpenStudy, trial: Trial, step: int, value: float) -> bool:
    """Report an intermediate value; an outage of the storage does not end the training."""
    try:
        with reaching(opened.location):
            if step not in _frozen(opened, trial).intermediate_values:
                trial.report(value, step)
            return trial.should_prune()
    except StudyUnavailableError as error:
        _LOG.warning("sweep_report_failed", trial=trial.number, step=step, why=error.why)
    except RuntimeError:  # another process took the trial up
        _LOG.warning("sweep_trial_taken_away", trial=trial.number)
        return True
    return False


def _frozen(opened: OpenStudy, trial: Trial) -> FrozenTrial:
    return opened.study.get_trials(deepcopy=False)[trial.number]


def _not_finite(outcome: TrialOutcome) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"run {outcome.run_id} ended with the value {outcome.value}",
        why="A policy that earns no finite return is worth nothing in the sweep.",
        next_step="Look at the run's metrics for the first value that is not finite.",
        context={"run": outcome.run_id},
    )
