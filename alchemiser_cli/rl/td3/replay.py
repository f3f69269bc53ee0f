"""A replay buffer that keeps each row of the observation windows once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

__all__ = ["WindowReplayBuffer"]

Floats = npt.NDArray[np.float32]


class WindowReplayBuffer(BaseBuffer):
    """Transitions of environments whose observation is a window that moves on by one row a step.

    A window's newest row is stored when it comes, the whole window only where an episode begins:
    16 times less than storing observations, 32 times less than storing successors too. Each
    environment has a ring of rows, and of transitions that point at them. An observation of one
    dimension is a window of one row.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Box,
        action_space: spaces.Box,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        *,
        optimize_memory_usage: bool = False,
        seed: int = 0,
    ) -> None:
        """Reserve room for ``buffer_size`` transitions, sampled by a generator of ``seed``.

        ``optimize_memory_usage`` is of Stable-Baselines3, and means nothing here.
        """
        del optimize_memory_usage
        super().__init__(max(1, buffer_size // n_envs), observation_space, action_space, device)
        self.n_envs = n_envs
        shape = observation_space.shape
        self.window, self.width = shape if len(shape) == 2 else (1, *shape)
        # An episode's beginning and its end take a window and a row more than its transitions.
        self.room = self.buffer_size + (self.window + 1) * (2 + self.buffer_size // 64)
        size = self.buffer_size
        self.rows: Floats = np.zeros((n_envs, self.room, self.width), np.float32)
        self.actions: Floats = np.zeros((n_envs, size, self.action_dim), np.float32)
        self.rewards: Floats = np.zeros((n_envs, size), np.float32)
        self.ended: Floats = np.zeros((n_envs, size), np.float32)
        # Counted from the beginning, never wrapped: the newest row of each transition's
        # observation, how many transitions and rows were ever written.
        self.newest = np.zeros((n_envs, size), np.int64)
        self.written = np.zeros(n_envs, np.int64)
        self.rows_written = np.zeros(n_envs, np.int64)
        self.oldest = np.zeros(n_envs, np.int64)
        self.generator = np.random.Generator(np.random.PCG64(seed))

    def begin(self, observations: Floats) -> None:
        """Take the first observations of all environments, shape (n_envs, window, features)."""
        for index in range(self.n_envs):
            self._append_window(index, observations[index])

    def append(
        self,
        observations: Floats,
        actions: Floats,
        rewards: npt.NDArray[np.floating[Any]],
        dones: npt.NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Take one step of all environments.

        Args:
            observations: What came after the step; where an episode ended, the next one's first.
            actions: What was done, in -1 to 1, shape (n_envs, actions).
            rewards: Shape (n_envs,).
            dones: Whether the episode ended, shape (n_envs,).
            infos: Of each environment; an ended one's holds ``terminal_observation`` and
                ``TimeLimit.truncated``. A truncated episode's last value is bootstrapped.
        """
        every = np.arange(self.n_envs)
        place = self.written % self.buffer_size
        self.newest[every, place] = self.rows_written - 1
        self.actions[every, place] = actions
        self.rewards[every, place] = rewards
        self.ended[every, place] = dones
        latest = observations.reshape(self.n_envs, self.window, self.width)[:, -1]
        self.rows[every, self.rows_written % self.room] = latest
        for index in np.flatnonzero(dones):
            info = infos[index]
            last = info["terminal_observation"].reshape(self.window, self.width)[-1]
            self.rows[index, self.rows_written[index] % self.room] = last
            self.ended[index, place[index]] = not info.get("TimeLimit.truncated", False)
        self.written += 1
        self.rows_written += 1
        for index in np.flatnonzero(dones):
            self._append_window(index, observations[index])
        self._forget()

    def size(self) -> int:
        """Return how many transitions can be sampled."""
        return int((self.written - self.oldest).sum())

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw transitions, each as likely as any other, as tensors on the buffer's device."""
        return self._get_samples(self.generator.integers(self.size(), size=batch_size), env)

    def _get_samples(
        self, batch_inds: npt.NDArray[np.int64], env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """Return the transitions of these numbers, 0 to ``size``, an environment's in a row."""
        del env
        held = self.written - self.oldest
        ends = np.cumsum(held)
        index = np.searchsorted(ends, batch_inds, side="right")
        number = self.oldest[index] + batch_inds - (ends[index] - held[index])
        place = number % self.buffer_size
        newest = self.newest[index, place]
        steps = newest[:, None] + np.arange(1 - self.window, 2)
        windows = self.to_torch(self.rows[index[:, None], steps % self.room], copy=False)
        if len(self.obs_shape) == 1:
            observations, successors = windows[:, 0], windows[:, 1]
        else:
            observations, successors = windows[:, :-1], windows[:, 1:]
        return ReplayBufferSamples(
            observations=observations,
            actions=self.to_torch(self.actions[index, place], copy=False),
            next_observations=successors,
            dones=self.to_torch(self.ended[index, place, None], copy=False),
            rewards=self.to_torch(self.rewards[index, place, None], copy=False),
        )

    @property
    def nbytes(self) -> int:
        """The memory that the buffer takes when it is full, in bytes."""
        arrays = (self.rows, self.actions, self.rewards, self.ended, self.newest)
        return sum(array.nbytes for array in arrays)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything that a checkpoint must hold besides the generator's state.

        Rings are cut to what was ever written.
        """
        rows = int(min(self.rows_written.max(), self.room))
        steps = int(min(self.written.max(), self.buffer_size))
        return {
            "rows": self.rows[:, :rows],
            "actions": self.actions[:, :steps],
            "rewards": self.rewards[:, :steps],
            "ended": self.ended[:, :steps],
            "newest": self.newest[:, :steps],
            "written": self.written,
            "rows_written": self.rows_written,
            "oldest": self.oldest,
        }

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Become what ``arrays`` was taken of."""
        for name, array in arrays.items():
            ring = getattr(self, name)
            part = ring if array.ndim == 1 else ring[:, : array.shape[1]]
            part[:] = array

    def _append_window(self, index: int | np.integer[Any], window: Floats) -> None:
        places = (self.rows_written[index] + np.arange(self.window)) % self.room
        self.rows[index, places] = window.reshape(self.window, self.width)
        self.rows_written[index] += self.window

    def _forget(self) -> None:
        """Move on the oldest transition past those whose place or rows were written over."""
        self.oldest = np.maximum(self.oldest, self.written - self.buffer_size)
        while True:
            place = self.oldest % self.buffer_size
            first_row = self.newest[np.arange(self.n_envs), place] - self.window + 1
            lost = (first_row < self.rows_written - self.room) & (self.oldest < self.written)
            if not lost.any():
                return
            self.oldest += lost
