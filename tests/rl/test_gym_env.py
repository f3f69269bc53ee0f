"""Any Gymnasium environment with continuous actions is resumed as if it had never stopped."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors import GymEnvironmentError, RunNotResumableError
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
from alchemiser_cli.rl.gym_env import ResumableVecEnv, open_gym

IDS = ["Pendulum-v1", "MountainCarContinuous-v0"]
ARRAYS = ("actions", "lengths", "observations", "returns")


class Walk(gymnasium.Env):
    """A walk of short episodes; ``hidden`` is where its second source of randomness is used."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(np.float32([0, -4]), np.float32([2, 4]))
    shut = False

    def __init__(self, hidden=""):
        self.hidden = hidden
        self.secret = np.random.default_rng()
        self.at = np.zeros(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.normal(size=2)
        if self.hidden == "reset":
            self.at += self.secret.normal()
        return self.at.copy(), {}

    def step(self, action):
        self.at = self.at + action + self.np_random.normal(size=2)
        if self.hidden == "step":
            self.at += self.secret.normal(scale=1e-9)
        reward = float(self.at[0])
        if self.hidden == "reward":
            reward += self.secret.normal()
        ended = self.hidden == "end" and self.shut
        return self.at.copy(), reward, ended or bool(self.np_random.random() < 0.1), False, {}


class Screens(Walk):
    observation_space = spaces.Dict({"screen": spaces.Box(0, 1, (2,))})


class Endless(Walk):
    action_space = spaces.Box(-np.inf, np.inf, (2,))


@pytest.fixture(autouse=True)
def registered():
    """Known to Gymnasium during a test: environments of this file."""
    names = {"Screens-v0": Screens, "Unbounded-v0": Endless, "Walk-v0": Walk}
    for name, kind in names.items():
        gymnasium.register(name, kind)
    for hidden in ("reset", "step", "reward", "end"):
        gymnasium.register(f"Hidden-{hidden}-v0", Walk, kwargs={"hidden": hidden})
        names[f"Hidden-{hidden}-v0"] = Walk
    yield
    for name in names:
        del gymnasium.registry[name]


def rollout(environment, chance, steps):
    """Take ``steps`` random steps; return all that an algorithm sees of them."""
    seen = []
    for _ in range(steps):
        actions = chance.uniform(-1, 1, (environment.num_envs, *environment.action_space.shape))
        observations, rewards, dones, _ = environment.step(actions.astype(np.float32))
        seen.append((observations.tobytes(), rewards.tobytes(), dones.tobytes()))
    return seen


def through_a_checkpoint(folder, state):
    """Write and read ``state`` as a trainer does."""
    arrays = {name: state[name] for name in ARRAYS}
    rest = {name: value for name, value in state.items() if name not in arrays}
    write_checkpoint(folder, 1, arrays, json.loads(json.dumps(rest)))
    read = read_checkpoint(folder)
    return {**read.arrays, **read.state}


@pytest.mark.parametrize("env_id", [*IDS, "Walk-v0"])
@pytest.mark.parametrize("steps", [0, 3, 250])
def test_a_restored_one_goes_on_as_the_other_does(tmp_path, env_id, steps):
    going = ResumableVecEnv(env_id, 3, seed=5)
    first = going.reset()
    rollout(going, np.random.default_rng(1), steps)
    state = through_a_checkpoint(tmp_path / "checkpoints", going.state())
    restored = ResumableVecEnv(env_id, 3, seed=99)
    observations = restored.restore(state)
    assert observations.dtype == first.dtype
    np.testing.assert_array_equal(observations, state["observations"])
    expected = rollout(going, np.random.default_rng(2), 250)
    assert rollout(restored, np.random.default_rng(2), 250) == expected
    going.close()
    restored.close()


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_however_often_it_is_cut_the_walk_is_the_same(seed, cuts):
    whole, chance = ResumableVecEnv("Walk-v0", 2, seed), np.random.default_rng(seed)
    whole.reset()
    expected = [part for cut in cuts for part in rollout(whole, chance, cut)]
    cut_up, chance = ResumableVecEnv("Walk-v0", 2, seed), np.random.default_rng(seed)
    cut_up.reset()
    found = []
    for cut in cuts:
        state = cut_up.state()
        cut_up = ResumableVecEnv("Walk-v0", 2, 0)
        cut_up.restore(state)
        found += rollout(cut_up, chance, cut)
    assert found == expected


@pytest.mark.provokes("run-not-resumable")
@pytest.mark.parametrize("hidden", ["reset", "step", "reward", "end"])
def test_randomness_that_no_seed_rules_is_found_out(hidden, monkeypatch):
    going = ResumableVecEnv(f"Hidden-{hidden}-v0", 4, seed=1)
    going.reset()
    rollout(going, np.random.default_rng(1), 6)
    state = going.state()
    assert state["lengths"].max() > 1
    monkeypatch.setattr(Walk, "shut", True)
    restored = ResumableVecEnv(f"Hidden-{hidden}-v0", 4, seed=1)
    with pytest.raises(RunNotResumableError, match="did not repeat itself"):
        restored.restore(state)


@pytest.mark.provokes("run-not-resumable")
def test_the_state_of_another_environment_is_refused():
    walk = ResumableVecEnv("Walk-v0", 2, seed=1)
    walk.reset()
    for other in (ResumableVecEnv("Walk-v0", 3, seed=1), ResumableVecEnv("Pendulum-v1", 2, seed=1)):
        with pytest.raises(RunNotResumableError, match="does not fit"):
            other.restore(walk.state())


def test_actions_in_minus_one_to_one_are_those_of_the_environment():
    wrapped = ResumableVecEnv("Walk-v0", 1, seed=4)
    alone = open_gym("Walk-v0")
    assert (wrapped.action_space.low, wrapped.action_space.high) == (
        pytest.approx(-1),
        pytest.approx(1),
    )
    wrapped.reset()
    alone.reset(seed=4)
    for action, own in [((-1, -1), (0, -4)), ((0, 0.5), (1, 2)), ((7, 1), (2, 4))]:
        observations, *_ = wrapped.step(np.float32([action]))
        expected, *_ = alone.step(np.float32(own))
        np.testing.assert_array_equal(observations[0], expected)


def test_one_seed_gives_one_walk_and_each_environment_its_own():
    first, second, other = (ResumableVecEnv("Pendulum-v1", 2, seed=one) for one in (1, 1, 2))
    begin = first.reset()
    np.testing.assert_array_equal(begin, second.reset())
    assert not np.array_equal(begin[0], begin[1])
    np.testing.assert_array_equal(begin[1], other.reset()[0])


@pytest.mark.provokes("gym-environment-unusable")
def test_an_unknown_id_is_refused_with_the_nearest():
    with pytest.raises(GymEnvironmentError) as caught:
        open_gym("Pendelum-v1")
    assert "Pendulum-v1" in caught.value.next_step
    with pytest.raises(GymEnvironmentError, match="cannot be made"):
        open_gym("Pendulum-v99")
    with pytest.raises(GymEnvironmentError, match="cannot be made"):
        open_gym("no_such_module:Pendulum-v1")
    with pytest.raises(GymEnvironmentError, match="cannot be made"):
        open_gym("not an id")


@pytest.mark.provokes("gym-environment-unusable")
@pytest.mark.parametrize(
    ("env_id", "why"),
    [
        ("CartPole-v1", "actions are of the kind Discrete"),
        ("Screens-v0", "observations are of the kind Dict"),
        ("Unbounded-v0", "finite bounds"),
    ],
)
def test_what_td3_cannot_act_in_is_refused_with_the_reason(env_id, why):
    with pytest.raises(GymEnvironmentError, match="TD3 cannot act") as caught:
        open_gym(env_id)
    assert why in caught.value.why
