"""Any environment of Gymnasium with continuous actions can be trained in, and resumed exactly."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import GymEnvironmentError
from alchemiser_cli.rl.artefacts import load_artefact, network_of, verify_artefact
from alchemiser_cli.rl.training import GymPlace, gym_training, verify_resume
from alchemiser_cli.settings import TrainingSettings

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


class Board(gymnasium.Env):
    """Its observation has two dimensions, and all of it is another after each step."""

    observation_space = spaces.Box(-1, 1, (3, 2), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._shown(), {}

    def step(self, action):
        self.steps += 1
        return self._shown(), float(action[0]), False, self.steps >= 20, {}

    def _shown(self):
        return self.np_random.uniform(-1, 1, (3, 2)).astype(np.float32)


@pytest.fixture
def board():
    gymnasium.register("Board-v0", Board)
    yield "env:Board-v0"
    del gymnasium.registry["Board-v0"]


def test_pendulum_resumes_to_the_same_weights(home, run_training, make_request, stopped_after):
    request = make_request("env:Pendulum-v1", timesteps=320, evaluate_every=1_000)
    whole = run_training(request, model="whole")
    first = run_training(request, watch=stopped_after(50))
    resumed = run_training(request, resume=first.run_id)
    assert resumed.weights_hash == whole.weights_hash
    assert resumed.scores == whole.scores
    assert verify_resume(home / "runs", resumed.run_id, SystemClock()).ends_at == 320
    artefact = load_artefact(home / "models", "whole")
    assert verify_artefact(artefact, network_of(artefact.passport)).passed
    assert (artefact.passport.environment, artefact.passport.data) == ("Pendulum-v1", None)
    assert (artefact.passport.verdict, whole.evaluation) == (None, None)


def test_observations_of_two_dimensions_are_not_taken_for_a_sliding_window(
    board, run_training, make_request
):
    request = make_request(board, timesteps=100)
    assert GymPlace("Board-v0", 1).shape == (6,)
    session = sessions_of(request)
    session.model.learn(40)
    batch = session.model.replay_buffer.sample(64)
    assert batch.observations.shape == (64, 6)
    assert len(np.unique(batch.next_observations.numpy())) > 100
    assert run_training(request).stopped_by == "steps"


def sessions_of(request):
    from alchemiser_cli.rl.training.devices import Compute
    from alchemiser_cli.rl.training.places import open_place
    from alchemiser_cli.rl.training.session import Session

    return Session(open_place(request), request.training, Compute("cpu", 1, in_bfloat16=False))


def test_evaluations_are_the_same_episodes_each_time(make_request):
    place = GymPlace("Pendulum-v1", 1)
    still = place.score(lambda seen: np.zeros((len(seen), 1), np.float32))
    assert place.score(lambda seen: np.zeros((len(seen), 1), np.float32)) == still
    assert still["score"] < -500  # a pendulum that hangs
    np.testing.assert_array_equal(place.canaries(), place.canaries())


@pytest.mark.provokes("gym-environment-unusable")
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulun-v1"])
def test_an_environment_that_td3_cannot_act_in_is_refused(home, run_training, make_request, env_id):
    with pytest.raises(GymEnvironmentError) as caught:
        run_training(make_request(f"env:{env_id}"))
    assert caught.value.context["stage"] == "environment"
    assert not (home / "runs").exists()


def test_control_tasks_have_defaults_of_their_own_unless_they_were_chosen():
    assert gym_training(TrainingSettings()).learning_rate == 1e-3
    chosen = gym_training(TrainingSettings(learning_rate=3e-4))
    assert (chosen.learning_rate, chosen.gamma, chosen.environments) == (3e-4, 0.98, 4)


def test_a_request_can_last_longer(make_request):
    request = make_request("env:Pendulum-v1")
    longer = request.lasting(999)
    assert longer.training.timesteps == 999
    assert dataclasses.replace(longer, training=request.training) == request
