"""A model in MLflow's registry: one version, an alias when promoted, and no harm by an outage."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.rl.artefacts import Canary, Origin, load_artefact, save_artefact
from alchemiser_cli.rl.tracking import CHAMPION, Tracker, register_model
from alchemiser_cli.rl.tracking.client import open_client

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def save(models):
    def save(name="first", run_id=None):
        origin = Origin(
            kind="td3",
            algorithm="TD3",
            observation_schema_hash="5c" * 32,
            architecture={},
            settings={},
            seeds={},
            run_id=run_id,
        )
        canary = Canary(np.zeros((1, 2), "f4"), np.zeros((1, 1), "f4"))
        return save_artefact(
            models, name, {"w": np.arange(3, dtype="f4")}, canary, origin, ManualClock()
        )

    return save


@pytest.fixture
def store(empty_store, tmp_path):
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlflow.db')}"


def test_a_model_is_registered_once_and_its_passport_knows(models, save, store):
    folder = save().folder
    first = register_model(models, "first", store)
    again = register_model(models, "models/first", store)
    assert first == again
    assert (first.registration.version, first.problem, first.champion) == ("1", None, False)
    assert load_artefact(models, "first").passport.registration == first.registration
    version = open_client(store, 5.0).get_model_version("first", "1")
    assert version.source == str(folder)
    assert version.tags["alchemiser.promotable"] == "false"


def test_a_model_belongs_to_the_run_that_trained_it(models, save, store):
    save(run_id="run-1")
    tracked = Tracker(store, "run-1", ManualClock()).close()
    register_model(models, "first", store)
    assert open_client(store, 5.0).get_model_version("first", "1").run_id == tracked.run_id


def test_the_promoted_model_is_the_champion(models, save, store):
    save()
    assert register_model(models, "first", store, champion=True).champion
    assert open_client(store, 5.0).get_model_version_by_alias("first", CHAMPION).version == 1


def test_another_store_knows_nothing_of_it(models, save, store, tmp_path, empty_store):
    save()
    register_model(models, "first", store)
    other = f"sqlite:///{shutil.copy(empty_store, tmp_path / 'other.db')}"
    assert register_model(models, "first", other).registration.uri == other


def test_a_version_that_was_deleted_is_made_again(models, save, store):
    save()
    register_model(models, "first", store)
    open_client(store, 5.0).delete_model_version("first", "1")
    assert register_model(models, "first", store).registration.version == "2"


@pytest.mark.provokes("tracking-unreachable")
def test_an_outage_is_said_and_the_model_stays_as_it_is(models, save):
    before = save().passport
    outcome = register_model(models, "first", "http://127.0.0.1:9", timeout_s=1.0)
    assert (outcome.registration, outcome.champion) == (None, False)
    assert "http://127.0.0.1:9" in outcome.problem
    assert load_artefact(models, "first").passport == before


@pytest.fixture
def served(tmp_path, empty_store):
    """A real MLflow server on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, uri = tmp_path / "server", f"http://127.0.0.1:{port}"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that do nothing for us
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"{uri}/health", server)
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # its workers, too
        server.wait(30)


def _wait_for(url, server):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own server
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)  # allow no-bare-sleep: polls for the server's start
    pytest.fail("the server did not start")


@pytest.mark.slow
def test_a_real_server_gets_the_run_and_the_files(models, save, served, tmp_path, capfd):
    save(run_id="run-1")
    tracker = Tracker(served, "run-1", ManualClock(), timeout_s=30.0)
    tracker.metrics({"loss": 1.0}, 1)
    delivery = tracker.close(deadline_s=60)
    assert (delivery.delivered, delivery.complete) == (1, True)
    assert register_model(models, "first", served, timeout_s=30.0, champion=True).champion
    names = {one.name for one in (tmp_path / "server" / "artifacts").rglob("*.*")}
    assert names == {"canary.safetensors", "passport.json", "weights.safetensors"}
    assert capfd.readouterr() == ("", "")
