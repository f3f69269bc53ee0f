"""Many environments at once: what they return stays, ends are told, states are restored exactly."""

import json

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecMonitor

from alchemiser_cli.rl.vec_env import TradingVecEnv

COUNT = 5


@pytest.fixture
def make(chains, options):
    def vec_env(seed=1, **changes):
        changed = {"initial_balance": 3_000.0} | changes
        return TradingVecEnv(chains, options.model_copy(update=changed), COUNT, seed=seed)

    return vec_env


def actions(count, seed=3):
    return np.random.default_rng(seed).uniform(-1, 1, (count, COUNT, 10)).astype(np.float32)


def test_what_was_returned_is_never_written_to_again(make):
    env = make()
    kept = [env.reset()]
    copies = [kept[0].copy()]
    ends = 0
    for action in actions(250):  # over many ends, and three turns of the tape
        seen, _, ended, _ = env.step(action)
        ends += int(ended.sum())
        kept.append(torch.from_numpy(seen[1:]).numpy() if len(kept) % 3 else seen)
        copies.append(kept[-1].copy())
    assert ends > 50
    for seen, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(seen, copy)


def test_one_that_keeps_nothing_sees_the_same_as_one_that_keeps_all(make):
    keeping, letting_go = make(), make()
    kept = [keeping.reset()]
    letting_go.reset()
    for action in actions(250):
        kept.append(keeping.step(action)[0])
        np.testing.assert_array_equal(letting_go.step(action)[0], kept[-1])
    assert len(letting_go._tapes._spares) <= 2


def test_an_end_is_told_with_the_last_observation_and_its_facts(make):
    env = make(initial_balance=1e6)
    env.start_at(np.array([70, 70, 80, 158, 90]), 3)
    for step in range(1, 4):
        _, _, ended, infos = env.step(np.full((COUNT, 10), 0.5, np.float32))
        assert ended.tolist() == [step == 3, step == 3, step == 3, step == 1, step == 3]
        if step == 1:
            assert infos[3]["TimeLimit.truncated"]
            assert infos[3]["row"] == 159
            assert infos[0] == {}
    assert infos[0]["terminal_observation"][-1, 99] == 1
    assert infos[0]["positions"] == (5,) * 10
    assert env.positions[0].tolist() == [0] * 10  # already in the next episode
    assert env.equity.tolist()[:3] == [1e6] * 3
    assert env.costs[0] == infos[0]["cost"]


def test_ruin_is_no_truncation(make):
    env = make(initial_balance=600.0)
    env.reset()
    _, _, ended, infos = env.step(np.ones((COUNT, 10), np.float32))
    ruined = [info for info in infos if info]
    assert len(ruined) == ended.sum() > 0
    assert not any(info["TimeLimit.truncated"] for info in ruined)


def test_a_restored_state_goes_on_exactly(make):
    env, twin = make(seed=1), make(seed=2)
    env.reset()
    for action in actions(37):
        env.step(action)
    state = env.state()
    json.dumps({name: value for name, value in state.items() if isinstance(value, str)})
    saved = {
        name: value if isinstance(value, str) else value.copy() for name, value in state.items()
    }
    expected = [env.step(action) for action in actions(60, seed=4)]
    twin.reset()
    np.testing.assert_array_equal(twin.restore(state), saved["windows"])
    for action, (seen, rewards, ended, infos) in zip(actions(60, seed=4), expected, strict=True):
        again = twin.step(action)
        assert again[0].tobytes() == seen.tobytes()
        assert again[1].tobytes() == rewards.tobytes()
        assert again[2].tolist() == ended.tolist()
        assert [info.get("equity") for info in again[3]] == [info.get("equity") for info in infos]
    assert twin.rows.tolist() == env.rows.tolist()
    for name, value in state.items():
        np.testing.assert_array_equal(value, saved[name])


def test_a_seed_gives_the_starts(make):
    first, second, other = make(seed=1), make(seed=9), make(seed=1)
    first.seed(4)
    second.seed(4)
    assert first.reset().tobytes() == second.reset().tobytes()
    other.reset()
    assert first.rows.tolist() != other.rows.tolist()
    other.set_options({"start": 77})
    other.reset()
    assert other.rows.tolist() == [77] * COUNT


@pytest.mark.parametrize("rows", [[62, 70, 70, 70, 70], [70, 70, 70, 70, 159], [70]])
def test_starts_without_history_or_without_a_step_are_refused(make, rows):
    with pytest.raises(ValueError, match="begin at rows 63 to 158"):
        make().start_at(np.array(rows), 5)


def test_wrappers_of_stable_baselines_work_on_it(make):
    env = VecMonitor(make())
    env.reset()
    told = []
    for action in actions(45):
        *_, infos = env.step(action)
        told += [info["episode"] for info in infos if info]
    assert told
    assert all(episode["l"] >= 1 for episode in told)
    assert env.get_attr("episode_steps") == [40] * COUNT
    with pytest.raises(NotImplementedError):
        env.set_attr("episode_steps", 3)
    with pytest.raises(NotImplementedError):
        env.env_method("step")
