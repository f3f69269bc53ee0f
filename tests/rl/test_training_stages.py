"""Each stage fails by its name: in the error, in the log and in the run's record."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from safetensors.numpy import load_file

from alchemiser_cli.errors import (
    AlchemiserError,
    DatasetNotFoundError,
    ModelExistsError,
    ModelIncompatibleError,
    TrainingDivergedError,
    TrainingStageError,
)
from alchemiser_cli.rl.checkpoints import read_checkpoint
from alchemiser_cli.rl.runs import open_run
from alchemiser_cli.rl.td3 import presets
from alchemiser_cli.rl.training import TrainingWatch

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def event(logs, name):
    found = [one for one in logs if one["event"] == name]
    assert len(found) == 1, [one["event"] for one in logs]
    return found[0]


class Faulty(gymnasium.Env):
    """An environment that does what ``fault`` says at its fiftieth step."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    fault = "none"

    def reset(self, *, seed=None, options=None):
        if self.fault == "reset":
            raise ZeroDivisionError("no beginning")
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        wrong = self.steps == 50
        if wrong and self.fault == "crash":
            raise OSError("the simulator is gone")
        seen = np.full(3, np.nan if wrong and self.fault == "observation" else 0.1, np.float32)
        faults = {"reward": np.nan, "huge reward": 1e30}
        reward = faults.get(self.fault, 1.0) if wrong else 1.0
        return seen, reward, False, self.steps >= 100, {}


@pytest.fixture
def faulty(monkeypatch):
    """Register the environment with a fault, and return its name as a dataset."""

    def make(fault):
        monkeypatch.setattr(Faulty, "fault", fault)
        return "env:Faulty-v0"

    gymnasium.register("Faulty-v0", Faulty)
    yield make
    del gymnasium.registry["Faulty-v0"]


def test_a_run_that_goes_well_is_logged(run_training, logs):
    result = run_training()
    started = event(logs, "training_started")
    assert (started["run"], started["step"]) == (result.run_id, 0)
    completed = event(logs, "training_completed")
    assert (completed["steps"], completed["weights_hash"]) == (240, result.weights_hash)


def test_an_interruption_is_no_completion(run_training, stopped_after, logs):
    run_training(watch=stopped_after(10))
    assert event(logs, "training_interrupted")["steps"] == 40
    assert "training_completed" not in {one["event"] for one in logs}


# --- the four stages


@pytest.mark.provokes("dataset-not-found")
def test_the_environment_stage_fails_before_there_is_a_run(home, run_training, make_request, logs):
    with pytest.raises(DatasetNotFoundError) as caught:
        run_training(make_request("file:missing.csv"))
    assert caught.value.context["stage"] == "environment"
    said = event(logs, "ml_env_setup_failed")
    assert (said["stage"], said["code"]) == ("environment", "dataset-not-found")
    assert not (home / "runs").exists()


@pytest.mark.provokes("training-stage-failed")
def test_the_model_stage_fails_by_its_name(home, run_training, monkeypatch, logs):
    size = presets._Size(8, 2, 1, 16, 6, (-1,))  # no layer can be so wide
    monkeypatch.setitem(presets.PRESETS, "small", size)
    with pytest.raises(TrainingStageError) as caught:
        run_training()
    assert caught.value.context["stage"] == "model"
    event(logs, "ml_model_init_failed")
    require_failed(home, "model", "training-stage-failed")


@pytest.mark.provokes("training-stage-failed")
@pytest.mark.parametrize(
    ("fault", "said"),
    [("reset", "ZeroDivisionError: no beginning"), ("crash", "OSError: the simulator is gone")],
)
def test_the_learning_stage_fails_by_its_name(
    home, run_training, make_request, faulty, logs, fault, said
):
    with pytest.raises(TrainingStageError) as caught:
        run_training(make_request(faulty(fault), learning_starts=1_000))
    assert caught.value.context["stage"] == "learning"
    assert caught.value.why == said
    assert "--resume" in caught.value.next_step
    assert event(logs, "ml_model_learn_failed")["stage"] == "learning"
    require_failed(home, "learning", "training-stage-failed")


def test_an_interruption_from_the_keyboard_is_no_failure(home, run_training, logs):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(watch=TrainingWatch(on_score=interrupted))
    assert open_run(home / "runs", "latest").state == "interrupted"
    assert not [one for one in logs if one["event"].startswith("ml_")]


@pytest.mark.provokes("model-exists")
def test_the_saving_stage_fails_by_its_name(home, run_training, logs):
    """Somebody saves a model of that name while this one is trained."""
    (home / "models").mkdir()
    taken = TrainingWatch(on_score=lambda *_: (home / "models/first").mkdir(exist_ok=True) or False)
    with pytest.raises(ModelExistsError) as caught:
        run_training(model="first", watch=taken)
    assert caught.value.context["stage"] == "saving"
    assert event(logs, "ml_model_save_failed")["code"] == "model-exists"
    run = require_failed(home, "saving", "model-exists")
    again = run_training(resume=run, model="second")
    assert (again.resumed_at, again.model) == (240, "second")


def require_failed(home, stage, code):
    run = open_run(home / "runs", "latest")
    assert (run.state, run.stage, run.code) == ("failed", stage, code)
    return run.id


# --- the guard against losses that are not finite


@pytest.mark.provokes("training-diverged")
@pytest.mark.parametrize("fault", ["reward", "observation"])
def test_a_number_that_is_not_finite_ends_the_run(
    home, run_training, make_request, faulty, logs, fault
):
    request = make_request(faulty(fault), timesteps=400, checkpoint_every=40)
    with pytest.raises(TrainingDivergedError) as caught:
        run_training(request)
    named = {"reward": "rewards", "observation": "next_observations"}[fault]
    assert f"not finite in: {named}" in caught.value.why.replace("observations, next_", "next_")
    assert caught.value.context["stage"] == "learning"
    run = require_failed(home, "learning", "training-diverged")
    event(logs, "ml_model_learn_failed")
    (file,) = (home / "runs" / run).glob("diverged-*.safetensors")
    assert caught.value.context["batch"] == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    batch = load_file(file)
    assert np.isnan(batch[named]).any()
    assert len(batch["actions"]) == 32
    earlier = read_checkpoint(home / "runs" / run / "checkpoints")
    assert earlier.skipped == ()
    networks = [array for name, array in earlier.arrays.items() if name.startswith("policy.")]
    assert all(np.isfinite(array).all() for array in networks)
    assert not (home / "models").exists()


@pytest.mark.provokes("training-diverged")
def test_a_loss_too_large_for_its_format_ends_the_run(home, run_training, make_request, faulty):
    with pytest.raises(TrainingDivergedError) as caught:
        run_training(make_request(faulty("huge reward")))
    assert "Its batch is finite" in caught.value.why
    require_failed(home, "learning", "training-diverged")


# --- what is given is refused by the code that it deserves


@pytest.mark.provokes("model-incompatible")
def test_a_coded_error_keeps_its_code(run_training, make_request, monkeypatch):
    def refuse(*_):
        raise ModelIncompatibleError("it does not fit", why="It is too wide.", next_step="Cut it.")

    monkeypatch.setattr("alchemiser_cli.rl.training.session.architecture_of", refuse)
    with pytest.raises(AlchemiserError) as caught:
        run_training()
    assert (caught.value.code, caught.value.context["stage"]) == ("model-incompatible", "model")
