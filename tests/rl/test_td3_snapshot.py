"""A model that was restored into a fresh object goes on, bit for bit, as the first one does."""

import json

import numpy as np
import pytest

from alchemiser_cli.rl.checkpoints import Checkpoint, fingerprint
from alchemiser_cli.rl.training.devices import Compute
from alchemiser_cli.rl.training.places import open_place
from alchemiser_cli.rl.training.request import TrainingRequest
from alchemiser_cli.rl.training.session import Session
from alchemiser_cli.settings import OptionsSettings, TrainingSettings

TRAINING = TrainingSettings(
    environments=3, buffer_size=1_000, batch_size=16, learning_starts=30, purge_steps=16
)
PRECISE = Compute("cpu", 1, in_bfloat16=False)


@pytest.fixture(params=["market", "env:Pendulum-v1"])
def make_session(request, market_file, tiny_network):
    dataset = f"file:{market_file}" if request.param == "market" else request.param
    place = open_place(TrainingRequest(dataset, OptionsSettings(episode_steps=20), TRAINING))
    return lambda: Session(place, TRAINING, PRECISE)


def learned(session, steps):
    session.model.learn(steps, reset_num_timesteps=False)
    return session


def on_the_disk(session):
    """Return the session's snapshot as a checkpoint gives it back."""
    arrays, state = session.snapshot()
    copied = {name: array.copy() for name, array in arrays.items()}
    text = json.loads(json.dumps(state))
    return Checkpoint(None, session.model.num_timesteps, copied, text)


@pytest.mark.parametrize("steps", [15, 60, 261])
def test_a_restored_one_goes_on_as_if_nothing_had_been(make_session, steps):
    """Before the first update, soon after it, and amid later episodes."""
    session = learned(make_session(), steps)
    restored = make_session()
    restored.restore(on_the_disk(session))
    expected, expected_state = learned(session, 45).snapshot()
    arrays, state = learned(restored, 45).snapshot()
    assert fingerprint(arrays) == fingerprint(expected)
    assert json.dumps(state) == json.dumps(expected_state)
    assert session.model.num_timesteps == restored.model.num_timesteps == steps + 45
    assert session.model.updates == restored.model.updates


def test_a_snapshot_is_restored_to_itself(make_session):
    session = learned(make_session(), 60)
    taken = on_the_disk(session)
    restored = make_session()
    restored.restore(taken)
    arrays, state = restored.snapshot()
    assert fingerprint(arrays) == fingerprint(taken.arrays)
    assert json.loads(json.dumps(state)) == taken.state


def test_one_seed_is_one_model(make_session):
    one, other = (learned(make_session(), 60).snapshot()[0] for _ in range(2))
    assert fingerprint(one) == fingerprint(other)


def test_networks_optimizers_buffer_generators_and_environments_are_in_it(make_session):
    arrays, state = learned(make_session(), 60).snapshot()
    parts = {name.partition(".")[0] for name in arrays}
    assert parts >= {"policy", "actor_adam", "critic_adam", "replay", "smoothing", "environment"}
    assert {"exploration", "sampling", "steps", "updates"} <= set(state)
    encoders = [name for name in arrays if "features_extractor" in name]
    assert all(name.startswith(("policy.actor.", "policy.actor_target.")) for name in encoders)
    assert all(array.dtype != np.object_ for array in arrays.values())
