"""The saving stage: the verdict on a trained policy, and its artefact."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, ModelExistsError
from alchemiser_cli.rl.artefacts import (
    Canary,
    DataOrigin,
    Origin,
    model_folder,
    read_passport,
    save_artefact,
    weights_hash,
)
from alchemiser_cli.rl.evaluation import EvaluationReport, evaluate
from alchemiser_cli.rl.tracking import register_model
from alchemiser_cli.rl.training.places import GymPlace, OptionsPlace
from alchemiser_cli.rl.training.request import TrainingRequest
from alchemiser_cli.settings import Settings

if TYPE_CHECKING:
    from alchemiser_cli.rl.training.session import Session

__all__ = ["Saved", "require_free_name", "save_model", "settings_hash"]

_NOBODY: tuple[str | None, str] = (None, "")


@dataclass(frozen=True)
class Saved:
    """A model in its folder; ``registered`` is its version in MLflow, or why it has none."""

    name: str
    evaluation: EvaluationReport | None
    registered: str


def require_free_name(models_folder: Path, name: str, *, unfinished_run: str | None = None) -> None:
    """Refuse a name before a run is made for it.

    The name may be that of a model which ``unfinished_run`` itself saved: that run was killed
    after it had saved and before it had ended.

    Raises:
        ModelExistsError: ``model-exists``.
        ModelNotFoundError: ``model-not-found`` for a name that no model can have.
    """
    folder = model_folder(models_folder, name)
    if not os.path.lexists(folder):
        return
    if unfinished_run is None or _saved_by(models_folder, name)[0] != unfinished_run:
        raise ModelExistsError(
            f"there is a model {folder.name!r} already",
            why=f"{folder} exists, and a model is never written over.",
            next_step="Choose another --name, or remove that folder.",
            context={"model": folder.name},
        )


def save_model(
    settings: Settings,
    request: TrainingRequest,
    place: OptionsPlace | GymPlace,
    session: "Session",
    run_id: str,
    clock: Clock,
    *,
    name: str | None,
    trials: int,
    report_html: Callable[[EvaluationReport], str] | None,
) -> Saved:
    """Judge the policy where there are held-out rows, write its artefact, and register it.

    Without a ``name`` the model is called after the run; a run that was made longer keeps its
    earlier model, and the new one's name ends in the number of steps. What the run saved before
    it was killed is not saved again.

    Raises:
        ModelExistsError: ``model-exists``.
    """
    actor, weights = session.actor(), session.weights()
    own = (run_id, weights_hash(weights))
    if name is None:
        name = f"td3-{run_id}"
        if _saved_by(settings.models_folder, name) not in (own, _NOBODY):
            name = f"{name}-{session.model.num_timesteps}"
    observations = place.canaries()
    report = None
    if isinstance(place, OptionsPlace):
        report = evaluate(
            lambda seen, _env: actor.act(seen),
            place.chains,
            request.options,
            first_row=place.held_out_rows[0],
            trained_rows=place.trained_rows,
            trials=trials,
            purge_steps=request.training.purge_steps,
            weights=weights,
            model=name,
            settings_hash=settings_hash(request),
        )
    if _saved_by(settings.models_folder, name) != own:
        save_artefact(
            settings.models_folder,
            name,
            weights,
            Canary(observations, actor.act(observations)),
            _origin(request, place, session, run_id),
            clock,
            evaluation=report,
            report_html=None if report is None or report_html is None else report_html(report),
        )
    tracking = settings.tracking
    outcome = register_model(
        settings.models_folder, name, settings.tracking_uri, timeout_s=tracking.timeout_s
    )
    registration = outcome.registration
    words = outcome.problem or "" if registration is None else f"version {registration.version}"
    return Saved(name, report, words)


def _saved_by(models_folder: Path, name: str) -> tuple[str | None, str]:
    """Return the run that saved a model and the hash of its weights."""
    try:
        _, passport = read_passport(models_folder, name)
    except AlchemiserError:
        return _NOBODY
    return passport.run_id, passport.weights_hash


def settings_hash(request: TrainingRequest) -> str:
    """Return a hash that runs share which differ in their seeds only."""
    parts = [request.dataset, request.symbol, request.options.model_dump(mode="json")]
    training: dict[str, Any] = request.training.model_dump(mode="json", exclude={"seed"})
    encoded = msgspec.json.encode([*parts, training], order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:16]


def _origin(
    request: TrainingRequest, place: OptionsPlace | GymPlace, session: "Session", run_id: str
) -> Origin:
    data = None
    if isinstance(place, OptionsPlace):
        times = place.chains.table().event_time_ns
        data = DataOrigin(
            dataset=request.dataset,
            symbol=request.symbol,
            sha256=place.data_sha256,
            first_event_time_ns=int(times[0]),
            last_event_time_ns=int(times[-1]),
            rows=len(times),
            trained_rows=place.trained_rows,
            held_out_rows=place.held_out_rows,
        )
    return Origin(
        kind="td3",
        algorithm="TD3 with a shared encoder",
        environment=request.gym_id or "options",
        observation_schema_hash=place.schema_hash,
        architecture=msgspec.to_builtins(session.architecture),
        settings={
            "options": request.options.model_dump(mode="json"),
            "training": request.training.model_dump(mode="json"),
        },
        seeds={"training": request.training.seed},
        data=data,
        run_id=run_id,
    )
