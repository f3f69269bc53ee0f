"""MLflow's client, loaded when it is needed and kept quiet."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alchemiser_cli.errors import TrackingUnreachableError
from alchemiser_cli.settings.urls import masked_url

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["artifact_location", "experiment_id", "is_database", "open_client", "unreachable"]

# A batch that failed is kept and sent again by us, within our own deadlines.
_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def open_client(uri: str, timeout_s: float) -> "MlflowClient":
    """Return a client of the store at ``uri``; the first call of a process takes seconds.

    MLflow takes its switches only from environment variables: no usage data leaves the machine,
    nothing is retried behind our back, no request takes longer than ``timeout_s``, and standard
    output stays ours. Its log goes nowhere. A SQLite database is made if it is missing.

    Raises:
        TrackingUnreachableError: ``tracking-unreachable``.
    """
    timeout = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(timeout_s)))}
    os.environ.update(_SWITCHES | timeout)  # allow no-environment: MLflow has no other switches
    try:
        from mlflow import MlflowClient
        from mlflow.utils.logging_utils import disable_logging

        disable_logging()  # type: ignore[no-untyped-call]  # MLflow's own
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except Exception as error:  # what a library of many backends raises
        raise unreachable(uri, error) from error


def experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Return the experiment ``name``, made if it is missing; may raise what MLflow raises."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location(uri)))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def is_database(uri: str) -> bool:
    """Tell whether MLflow's store is a database of this machine and not a server."""
    return urlsplit(uri).scheme == "sqlite"


def artifact_location(uri: str) -> str | None:
    """Return the folder beside a database for what MLflow keeps as files; a server has its own."""
    if not is_database(uri):
        return None
    return str(Path(urlsplit(uri).path.removeprefix("/")).absolute().parent / "mlartifacts")


def unreachable(uri: str, error: Exception) -> TrackingUnreachableError:
    """Return the coded error for what MLflow raised."""
    text = " ".join(str(error).split())
    failure = TrackingUnreachableError(
        f"the tracking store {masked_url(uri)} did not take it",
        why=f"{type(error).__name__}: {text[:300]}",
        next_step="Start the server, or correct tracking.uri; training goes on without it.",
        context={"uri": masked_url(uri)},
    )
    failure.injected = getattr(error, "injected", False) is True
    return failure
