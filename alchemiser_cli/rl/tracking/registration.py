"""A model in MLflow's registry: a version that points to it, and the alias of the promoted."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.errors import TrackingUnreachableError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.artefacts.files import locked_folder
from alchemiser_cli.rl.artefacts.loading import load_artefact
from alchemiser_cli.rl.artefacts.passport import Passport, Registration
from alchemiser_cli.rl.artefacts.reading import read_passport
from alchemiser_cli.rl.artefacts.saving import write_passport
from alchemiser_cli.rl.tracking.client import (
    experiment_id,
    is_database,
    open_client,
    unreachable,
)
from alchemiser_cli.rl.tracking.run import RUN_TAG, find_run
from alchemiser_cli.rl.tracking.tracker import EXPERIMENT
from alchemiser_cli.settings.urls import masked_url

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["CHAMPION", "RegistryOutcome", "register_model"]

CHAMPION = "champion"
_ARTEFACT_PATH = "model"
_TRACK = fault_point("rl.track")
_LOG = get_logger("application", "tracking")


class RegistryOutcome(msgspec.Struct, frozen=True):
    """A model's version in the registry, or the ``problem`` that kept it away."""

    registration: Registration | None
    champion: bool
    problem: str | None


def register_model(
    models_folder: Path,
    model: str,
    uri: str,
    *,
    timeout_s: float = 5.0,
    champion: bool = False,
    experiment: str = EXPERIMENT,
) -> RegistryOutcome:
    """Register a model at the store ``uri``, and note that in its passport.

    A model that has a version there keeps it. With ``champion`` the version gets that alias, by
    which consumers of MLflow find the promoted model. An outage is no error: the outcome says
    that it is not registered, and ``alchemiser model promote`` tries again.

    A database's version points to the model's folder; to a server the files are uploaded.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    artefact = load_artefact(models_folder, model)
    folder, passport = artefact.folder, artefact.passport
    try:
        registration = _registered(folder, passport, uri, timeout_s, experiment, champion=champion)
    except TrackingUnreachableError as error:
        _LOG.warning("model_not_registered", model=folder.name, why=error.why)
        return RegistryOutcome(None, False, f"{error.what}: {error.why}")
    if registration != passport.registration:
        with locked_folder(models_folder):
            _, passport = read_passport(models_folder, folder.name)
            write_passport(folder, msgspec.structs.replace(passport, registration=registration))
    _LOG.info("model_registered", model=folder.name, version=registration.version)
    return RegistryOutcome(registration, champion, None)


def _registered(
    folder: Path,
    passport: Passport,
    uri: str,
    timeout_s: float,
    experiment: str,
    *,
    champion: bool,
) -> Registration:
    client = open_client(uri, timeout_s)
    try:
        if _TRACK.armed is not None:
            _TRACK.strike()
        found = passport.registration
        shown = masked_url(uri)
        if found is None or found.uri != shown or not _has_version(client, found):
            version = _new_version(client, folder, passport, uri, experiment)
            found = Registration(folder.name, version, shown)
        if champion:
            client.set_registered_model_alias(found.name, CHAMPION, found.version)
    except Exception as error:  # what a library of many backends raises
        raise unreachable(uri, error) from error
    return found


def _new_version(
    client: "MlflowClient", folder: Path, passport: Passport, uri: str, experiment: str
) -> str:
    from mlflow.exceptions import MlflowException

    run = None
    if passport.run_id is not None or not is_database(uri):
        run = _run_of(client, passport, experiment_id(client, uri, experiment))
    source = str(folder)
    if not is_database(uri) and run is not None:
        client.log_artifacts(run, str(folder), _ARTEFACT_PATH)
        source = f"runs:/{run}/{_ARTEFACT_PATH}"
    try:
        client.create_registered_model(folder.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {
        "alchemiser.weights_hash": passport.weights_hash,
        "alchemiser.promotable": str(passport.promotable).lower(),
    }
    made = client.create_model_version(folder.name, source, run_id=run, tags=tags)
    return str(made.version)


def _run_of(client: "MlflowClient", passport: Passport, experiment: str) -> str:
    identity = passport.run_id or passport.weights_hash
    found = find_run(client, experiment, identity)
    if found is None:
        run = client.create_run(experiment, tags={RUN_TAG: identity}, run_name=passport.name)
        found = str(run.info.run_id)
        client.set_terminated(found)
    return found


def _has_version(client: "MlflowClient", registration: Registration) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_model_version(registration.name, registration.version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True
