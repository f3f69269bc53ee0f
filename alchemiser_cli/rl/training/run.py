"""A run from its data to its model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.artefacts import weights_hash
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
from alchemiser_cli.rl.checkpoints.layout import checkpoint_folders
from alchemiser_cli.rl.runs import Run, continue_run, new_run, open_run, package_versions
from alchemiser_cli.rl.tracking import Tracker
from alchemiser_cli.rl.training.devices import choose_compute
from alchemiser_cli.rl.training.diverging import guard_of
from alchemiser_cli.rl.training.learning import Boundary, TrainingWatch, learn
from alchemiser_cli.rl.training.places import GymPlace, OptionsPlace, open_place
from alchemiser_cli.rl.training.request import TrainingRequest
from alchemiser_cli.rl.training.result import StoppedBy, TrainingResult
from alchemiser_cli.rl.training.saving import require_free_name, save_model
from alchemiser_cli.rl.training.session import Session
from alchemiser_cli.rl.training.stages import stage
from alchemiser_cli.settings import Settings, TrainingSettings

if TYPE_CHECKING:
    from alchemiser_cli.rl.evaluation import EvaluationReport

__all__ = ["train"]

_LOG = get_logger("application", "rl.training")
_QUIET = TrainingWatch()
CLOSING_TIMEOUTS = 6  # answers that a run waits for at its end: MLflow is slow to load at first


def train(
    settings: Settings,
    request: TrainingRequest,
    clock: Clock,
    *,
    watch: TrainingWatch = _QUIET,
    resume: str | None = None,
    model: str | None = None,
    trials: int = 1,
    report_html: "Callable[[EvaluationReport], str] | None" = None,
) -> TrainingResult:
    """Train a policy, judge it on data that it never saw, and save it with its passport.

    ``resume`` names a run to go on with, which must have been begun with ``request``. ``model``
    is the name to save under (None: after the run). ``trials`` is how many policies are tried
    before one is chosen, by which its Sharpe ratio is deflated. A signal ends the run at the next
    step with a checkpoint and without a model; a time budget ends it as if all steps were made.

    Raises:
        TrainingStageError: ``training-stage-failed``, with the stage in its context.
        TrainingDivergedError: ``training-diverged``.
        RunNotFoundError: ``run-not-found``.
        RunNotResumableError: ``run-not-resumable``.
        ModelExistsError: ``model-exists``.
        ChainDataError: ``chain-data-insufficient``, and what ``open_chains`` raises.
        GymEnvironmentError: ``gym-environment-unusable``.
    """
    if model is not None:
        require_free_name(
            settings.models_folder,
            model,
            unfinished_run=_unfinished(settings.runs_folder, resume),
        )
    with stage("environment"):
        place = open_place(request)
    compute = choose_compute(request.training, len(place.shape))
    facts = request.facts(
        data_sha256=place.data_sha256, threads=compute.threads, versions=package_versions()
    )
    folder = settings.runs_folder
    begun = (
        new_run(folder, facts, clock)
        if resume is None
        else continue_run(folder, open_run(folder, resume).id, facts, clock)
    )
    with begun as run:
        watch.on_begin(run.id)
        with stage("model"):
            session = Session(place, request.training, compute)
            session.model.on_diverged = guard_of(run.folder, session.model)
            resumed_at = _take_up(run, session)
        with Tracker(
            settings.tracking_uri,
            run.id,
            clock,
            timeout_s=settings.tracking.timeout_s,
            close_deadline_s=CLOSING_TIMEOUTS * settings.tracking.timeout_s,
            on_outage=watch.on_outage,
        ) as tracker:
            tracker.params(_flat(facts.training) | {"dataset": request.dataset})
            _warn_of_idle_training(request.training)
            work = _Work(run, place, session, tracker, watch)
            _LOG.info("training_started", run=run.id, dataset=request.dataset, step=resumed_at or 0)
            with stage("learning"):
                boundary, stopped_by = work.learn(request.training.timesteps, clock)
                seconds, steps_per_s = boundary.seconds, boundary.steps_per_s
                work.conclude(stopped_by)
            with stage("saving"):
                work.save()
                saved = None
                if stopped_by in ("steps", "time-budget"):
                    saved = save_model(
                        settings, request, place, session, run.id, clock,
                        name=model, trials=trials, report_html=report_html,
                    )  # fmt: skip
            delivery = tracker.close("KILLED" if stopped_by == "signal" else "FINISHED")
        result = TrainingResult(
            run_id=run.id,
            dataset=request.dataset,
            preset=request.training.preset,
            seed=request.training.seed,
            steps=session.model.num_timesteps,
            updates=session.model.updates,
            seconds=seconds,
            steps_per_s=steps_per_s,
            stopped_by=stopped_by,
            weights_hash=weights_hash(session.weights()),
            scores=work.scores,
            model=None if saved is None else saved.name,
            evaluation=None if saved is None else saved.evaluation,
            registered=None if saved is None else saved.registered,
            tracking=delivery,
            published=work.published,
            resumed_at=resumed_at,
        )
        _end(run, result)
    return result


def _unfinished(runs_folder: Path, resume: str | None) -> str | None:
    """Return the id of the run to go on with, where it did not come to its end."""
    record = None if resume is None else open_run(runs_folder, resume)
    return None if record is None or record.state == "finished" else record.id


def _take_up(run: Run, session: Session) -> int | None:
    """Go on from the newest whole checkpoint; a run that was killed before its first begins anew.

    Returns the step of the checkpoint.
    """
    if not checkpoint_folders(run.checkpoints):
        run.cut_metrics(0)
        return None
    checkpoint = read_checkpoint(run.checkpoints)
    session.restore(checkpoint)
    # The evaluation at the very end is made again.
    run.cut_metrics(min(checkpoint.step, session.training.timesteps - 1))
    return checkpoint.step


class _Work:
    """What a run does between its steps: it evaluates, publishes, notes and saves."""

    def __init__(
        self,
        run: Run,
        place: OptionsPlace | GymPlace,
        session: Session,
        tracker: Tracker,
        watch: TrainingWatch,
    ) -> None:
        self._run = run
        self._place = place
        self._session = session
        self._tracker = tracker
        self._watch = watch
        self._saved_at = self._evaluated_at = -1
        self.scores: dict[str, float] = {}
        self.published = 0

    def learn(self, total: int, clock: Clock) -> tuple[Boundary, StoppedBy]:
        training = self._session.training
        boundary = Boundary(
            self._session.model,
            self._watch,
            clock,
            evaluate=self._evaluate,
            save=self.save,
            evaluate_every=training.evaluate_every,
            save_every=training.checkpoint_every,
            total=total,
        )
        return boundary, learn(self._session.model, boundary, self._session.returns, total)

    def conclude(self, stopped_by: StoppedBy) -> None:
        if stopped_by != "signal":
            self._evaluate()

    def save(self) -> None:
        step = self._session.model.num_timesteps
        if step != self._saved_at:
            write_checkpoint(self._run.checkpoints, step, *self._session.snapshot())
            self._saved_at = step

    def _evaluate(self) -> float:
        """Try the policy as it is now; a run that ends where it did so knows the answer."""
        model = self._session.model
        if model.num_timesteps == self._evaluated_at:
            return self.scores["score"]
        self._evaluated_at = model.num_timesteps
        self.scores = self._place.score(self._session.actor().act)
        values = {f"evaluation_{name}": value for name, value in self.scores.items()}
        values |= {f"{network}_loss": loss for network, loss in model.losses.items()}
        values["episode_return"] = self._session.returns.mean
        finite = {name: value for name, value in values.items() if np.isfinite(value)}
        self._run.add_metrics(model.num_timesteps, finite)
        self._tracker.metrics(finite, model.num_timesteps)
        self._publish()
        return self.scores["score"]

    def _publish(self) -> None:
        if self._watch.on_weights is None:
            return
        observations = self._place.canaries()
        weights = self._session.weights()
        actions = self._session.actor().act(observations)
        self._watch.on_weights(weights, observations, actions, self._session.model.num_timesteps)
        self.published += 1


def _end(run: Run, result: TrainingResult) -> None:
    if result.stopped_by == "signal":
        run.interrupt()
        _LOG.info("training_interrupted", run=run.id, steps=result.steps)
        return
    run.finish(msgspec.to_builtins(result))
    _LOG.info(
        "training_completed",
        run=run.id,
        model=result.model,
        steps=result.steps,
        weights_hash=result.weights_hash,
    )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Name the settings for MLflow, whose parameters never change: how long a run lasts may."""
    named = {f"training.{name}": value for name, value in settings.items()}
    return {name: value for name, value in named.items() if name != "training.timesteps"}


def _warn_of_idle_training(training: TrainingSettings) -> None:
    if training.timesteps <= training.learning_starts:
        _LOG.warning(
            "training_without_updates",
            timesteps=training.timesteps,
            learning_starts=training.learning_starts,
        )
