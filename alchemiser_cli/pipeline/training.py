"""Training wired to the weight bus, and models judged with what they were trained with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec
import numpy.typing as npt

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ModelIncompatibleError
from alchemiser_cli.market.chains import open_chains
from alchemiser_cli.rl.artefacts import Artefact, Passport, load_artefact, read_passport
from alchemiser_cli.rl.artefacts.saving import EVALUATION
from alchemiser_cli.rl.audit import AUDITS, AuditReport, audit_environment
from alchemiser_cli.rl.dynamics import FIRST_ROW
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.evaluation import EvaluationReport, evaluate
from alchemiser_cli.rl.observation import observation_schema, observation_schema_hash
from alchemiser_cli.rl.td3.acting import load_actor
from alchemiser_cli.rl.td3.presets import Architecture
from alchemiser_cli.rl.training import OptionsPlace, TrainingRequest, settings_hash, stage
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings, Settings, TrainingSettings
from alchemiser_cli.shm import Canary, Provenance, WeightSegment, WeightWriter
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["WeightPublisher", "audit_market", "evaluate_model", "publisher", "stored_evaluation"]

Array = npt.NDArray[Any]


class WeightPublisher:
    """Publishes the weights of one run to a shared-memory segment, each with its canary.

    The segment is made, or its lease taken, with the first weights.
    """

    def __init__(self, bus: WeightSegment) -> None:
        """Take the segment; nothing of it is touched before there are weights."""
        self._bus = bus
        self._provenance = Provenance()
        self._writer: WeightWriter | None = None

    def began(self, run_id: str) -> None:
        """Name the run that the weights come from; for ``TrainingWatch.on_begin``."""
        self._provenance = Provenance(training_run=run_id)

    def publish(
        self, weights: Mapping[str, Array], observations: Array, actions: Array, step: int
    ) -> None:
        """Publish one generation; for ``TrainingWatch.on_weights``.

        Raises:
            SegmentWriterAliveError: ``segment-writer-alive``, and what a writer raises.
        """
        canary = Canary(observations, actions)
        if self._writer is None:
            self._writer = self._bus.writer(weights, canary=canary, provenance=self._provenance)
        self._writer.publish(weights, canary=canary, step=step)

    def close(self) -> None:
        """Give the lease back; the segment stays for its readers."""
        if self._writer is not None:
            self._writer.close()


def _unseen(_done: int, _total: int) -> None:
    pass


def audit_market(
    request: TrainingRequest,
    clock: Clock,
    *,
    seed: int = 1,
    on_progress: Callable[[int, int], None] = _unseen,
) -> AuditReport:
    """Hold the environment over the request's market to its laws; ``on_progress`` counts them.

    Raises:
        ChainDataError: ``chain-data-insufficient``, and what ``open_chains`` raises.
    """
    done = count(1)
    with stage("environment"):
        return audit_environment(
            TradingEnvironment,
            TradingVecEnv,
            open_chains(request.dataset, request.options, symbol=request.symbol),
            request.options,
            seed=seed,
            clock=clock,
            on_outcome=lambda _: on_progress(next(done), len(AUDITS)),
        )


@contextmanager
def publisher(
    settings: Settings, segment: str, clock: Clock, telemetry: Telemetry = SILENT
) -> Iterator[WeightPublisher]:
    """Yield what publishes the weights of a training run to the segment of this name."""
    bus = WeightSegment(
        settings.shm,
        segment,
        clock,
        observation_schema=observation_schema(),
        telemetry=telemetry,
    )
    publishing = WeightPublisher(bus)
    try:
        yield publishing
    finally:
        publishing.close()


def evaluate_model(
    settings: Settings,
    model: str,
    *,
    dataset: str | None = None,
    folds: int = 4,
    trials: int = 1,
) -> tuple[Artefact, EvaluationReport]:
    """Judge a model anew, with the options and costs that it was trained with.

    ``trials`` never falls below that of the evaluation in its artefact: who forgets how many
    policies were tried takes chance for skill.

    On its own data only what it never saw is judged; another ``dataset`` is judged as a whole,
    and nobody can tell there whether the model saw the same days.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        ModelIncompatibleError: ``model-incompatible``, also for one of another environment, and
            where no ``dataset`` is named and its own holds other data by now.
        ChainDataError: ``chain-data-insufficient``, and what ``open_chains`` raises.
    """
    artefact = _of_options(settings, model)
    passport, stored = artefact.passport, _stored(artefact)
    request = _request_of(passport)
    elsewhere = replace(request, dataset=dataset, symbol=None) if dataset else request
    place = OptionsPlace(elsewhere)
    own = passport.data is not None and passport.data.sha256 == place.data_sha256
    if dataset is None and not own:
        raise _other_data(passport, request.dataset)
    actor = load_actor(msgspec.convert(passport.architecture, Architecture), artefact.weights)
    report = evaluate(
        lambda seen, _env: actor.act(seen),
        place.chains,
        request.options,
        first_row=place.held_out_rows[0] if own else FIRST_ROW,
        trained_rows=place.trained_rows if own else None,
        folds=folds,
        trials=max(trials, 0 if stored is None else stored.judged.trials),
        purge_steps=request.training.purge_steps,
        weights=artefact.weights,
        model=passport.name,
        settings_hash=settings_hash(request),
    )
    return artefact, report


def stored_evaluation(settings: Settings, model: str) -> EvaluationReport:
    """Return the evaluation in a model's artefact, or judge it now.

    Raises as ``evaluate_model``.
    """
    return _stored(_of_options(settings, model)) or evaluate_model(settings, model)[1]


def _other_data(passport: Passport, dataset: str) -> ModelIncompatibleError:
    """Return the refusal to take for unseen what the model may have learnt from."""
    return ModelIncompatibleError(
        f"the dataset {dataset} is not what model {passport.name} was trained on",
        why="Its content has changed since, so nobody can tell which rows the model never saw.",
        next_step="Bring the data of then back, or name data to judge all of: "
        f"alchemiser train evaluate {passport.name} --dataset NAME",
        context={"model": passport.name, "dataset": dataset},
    )


def _stored(artefact: Artefact) -> EvaluationReport | None:
    if EVALUATION not in artefact.passport.sha256:
        return None
    content = (artefact.folder / EVALUATION).read_bytes()
    return msgspec.json.decode(content, type=EvaluationReport)


def _of_options(settings: Settings, model: str) -> Artefact:
    """Load a model that trades options."""
    folder, passport = read_passport(settings.models_folder, model)
    if passport.environment != "options":
        raise ModelIncompatibleError(
            f"model {folder.name} does not trade options",
            why=f"It was trained in {passport.environment}, which has no held-out data.",
            next_step="Evaluate models that were trained on a dataset: alchemiser model list",
            context={"model": folder.name, "environment": passport.environment},
        )
    return load_artefact(
        settings.models_folder, model, observation_schema_hash=observation_schema_hash()
    )


def _request_of(passport: Passport) -> TrainingRequest:
    held = passport.settings
    return TrainingRequest(
        "" if passport.data is None else passport.data.dataset,
        OptionsSettings(**held["options"]),
        TrainingSettings(**held["training"]),
        None if passport.data is None else passport.data.symbol,
    )
