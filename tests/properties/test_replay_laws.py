"""The replay buffer holds rows, and gives back transitions: those that a plain list would hold."""

from typing import NamedTuple

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.rl.observation import OBSERVATION_SHAPE
from alchemiser_cli.rl.td3.replay import WindowReplayBuffer

FEATURES, ACTIONS = 3, 2


class Transition(NamedTuple):
    """A transition of one environment, whole."""

    observation: np.ndarray
    action: np.ndarray
    successor: np.ndarray
    terminated: bool
    reward: float


class Stream:
    """Environments of sliding windows whose every row is another; episodes end as they are told.

    ``naive`` is a list of all transitions of each environment.
    """

    def __init__(self, window, count):
        self.window, self.count, self.rows = window, count, 0
        self.naive = [[] for _ in range(count)]
        self.shown = [self._window() for _ in range(count)]

    def _row(self):
        self.rows += 1
        return np.arange(FEATURES, dtype=np.float32) + 10 * self.rows

    def _window(self):
        return np.array([self._row() for _ in range(self.window)])

    def seen(self):
        shown = np.array(self.shown)
        return shown[:, 0] if self.window == 1 else shown

    def step(self, endings):
        """Make one step of all; return what ``append`` takes."""
        actions = np.array([[self.rows, index] for index in range(self.count)], np.float32)
        rewards = np.array([self.rows + index / 8 for index in range(self.count)])
        infos = [{} for _ in range(self.count)]
        for index, ending in enumerate(endings):
            before = self.shown[index]
            after = np.vstack([before[1:], self._row()])
            truth = Transition(
                before, actions[index], after, ending == "terminated", rewards[index]
            )
            self.naive[index].append(truth)
            self.shown[index] = after
            if ending != "goes on":
                last = after[0] if self.window == 1 else after
                infos[index] = {
                    "terminal_observation": last,
                    "TimeLimit.truncated": ending == "truncated",
                }
                self.shown[index] = self._window()
        dones = np.array([ending != "goes on" for ending in endings])
        return self.seen(), actions, rewards, dones, infos


def buffer_of(size, window, count, seed=0):
    shape = (FEATURES,) if window == 1 else (window, FEATURES)
    return WindowReplayBuffer(
        size,
        spaces.Box(-np.inf, np.inf, shape, np.float32),
        spaces.Box(-1, 1, (ACTIONS,), np.float32),
        "cpu",
        count,
        seed=seed,
    )


def everything(buffer):
    """Return all transitions that can be sampled, in order."""
    parts = [part for part in buffer._get_samples(np.arange(buffer.size())) if part is not None]
    observations, actions, successors, dones, rewards = (part.numpy() for part in parts)
    return list(zip(observations, actions, successors, dones[:, 0], rewards[:, 0], strict=True))


def newest(stream, buffer):
    """Return what a list would hold of the transitions that the buffer says it has."""
    held = buffer.written - buffer.oldest
    return [
        one
        for whole, count in zip(stream.naive, held, strict=True)
        for one in whole[len(whole) - count :]
    ]


def require_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for part, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(np.squeeze(part), np.squeeze(np.float32(wanted)))


@st.composite
def streams(draw):
    """Return window, environments, room, and endings of each step; some end very often."""
    count = draw(st.integers(1, 3))
    often = draw(st.sampled_from([1, 3, 20]))
    ending = st.sampled_from(["terminated", "truncated"] + ["goes on"] * often)
    steps = draw(st.lists(st.tuples(*[ending] * count), min_size=1, max_size=60))
    return draw(st.sampled_from([1, 4, 16])), count, draw(st.integers(1, 40)), steps


@given(streams())
def test_what_can_be_sampled_is_what_a_list_of_transitions_holds(example):
    window, count, size, steps = example
    stream, buffer = Stream(window, count), buffer_of(size, window, count)
    buffer.begin(stream.seen())
    for endings in steps:
        buffer.append(*stream.step(endings))
        assert (buffer.oldest < buffer.written).all()  # at the least, the last one
        assert (buffer.written - buffer.oldest <= buffer.buffer_size).all()
    require_same(everything(buffer), newest(stream, buffer))


@given(streams(), st.integers(0, 2**32 - 1))
def test_a_sample_is_drawn_from_these_and_no_others(example, seed):
    window, count, size, steps = example
    stream, buffer = Stream(window, count), buffer_of(size, window, count, seed)
    buffer.begin(stream.seen())
    for endings in steps:
        buffer.append(*stream.step(endings))
    batch = buffer.sample(64)
    chosen = np.random.Generator(np.random.PCG64(seed)).integers(buffer.size(), size=64)
    held = newest(stream, buffer)
    parts = [part.numpy() for part in batch if part is not None]
    require_same(list(zip(*parts, strict=True)), [held[number] for number in chosen])


@given(streams(), st.integers(0, 60))
def test_a_restored_buffer_goes_on_as_the_other_does(example, cut):
    window, count, size, steps = example
    stream, buffer = Stream(window, count), buffer_of(size, window, count)
    buffer.begin(stream.seen())
    restored = buffer_of(size, window, count)
    for number, endings in enumerate(steps):
        if number == min(cut, len(steps) - 1):
            restored.restore({name: array.copy() for name, array in buffer.arrays().items()})
        made = stream.step(endings)
        buffer.append(*made)
        if number >= min(cut, len(steps) - 1):
            restored.append(*made)
    require_same(everything(restored), newest(stream, buffer))
    mine, other = buffer.arrays(), restored.arrays()
    for name, array in mine.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


@pytest.mark.parametrize("length", [64, 252])
def test_episodes_of_ordinary_length_cost_no_transitions(length):
    stream, buffer = Stream(16, 1), buffer_of(1_000, 16, 1)
    buffer.begin(stream.seen())
    for step in range(1, 2_500):
        buffer.append(*stream.step(["truncated" if step % length == 0 else "goes on"]))
    assert buffer.size() == 1_000


def test_a_truncated_episode_is_bootstrapped_and_a_terminated_one_is_not():
    stream, buffer = Stream(4, 1), buffer_of(10, 4, 1)
    buffer.begin(stream.seen())
    for ending in ("goes on", "truncated", "terminated"):
        buffer.append(*stream.step([ending]))
    assert [one[3] for one in everything(buffer)] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("environments", [1, 16, 256])
def test_two_hundred_thousand_observations_take_less_than_250_mb(environments):
    buffer = WindowReplayBuffer(
        200_000,
        spaces.Box(-10, 10, OBSERVATION_SHAPE, np.float32),
        spaces.Box(-1, 1, (10,), np.float32),
        "cpu",
        environments,
    )
    assert buffer.nbytes < 250e6
    stock = 2 * 200_000 * np.prod(OBSERVATION_SHAPE) * 4
    assert buffer.nbytes < stock / 10
