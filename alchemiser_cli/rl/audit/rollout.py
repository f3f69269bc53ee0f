"""Play actions in an environment, keep everything it said, and tell where two rollouts differ."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.rl.observation import FEATURES

__all__ = ["Rollout", "difference", "different_observation", "play"]


@dataclasses.dataclass(slots=True)
class Rollout:
    """What an environment gave: one observation and one info more than there are rewards.

    ``observations`` are copies of what was handed out, ``handed`` the very arrays.
    """

    observations: list[NDArray[np.float32]]
    handed: list[NDArray[np.float32]]
    rewards: list[float]
    terminated: list[bool]
    truncated: list[bool]
    infos: list[dict[str, Any]]

    @property
    def ended(self) -> bool:
        """Whether the last step was the end of the episode."""
        return bool(self.rewards) and (self.terminated[-1] or self.truncated[-1])

    def numbers(self, key: str) -> NDArray[np.float64]:
        """Return one of the infos' numbers for each observation, as float64."""
        return np.array([info[key] for info in self.infos], dtype=np.float64)


def play(
    environment: gymnasium.Env[Any, Any],
    actions: Iterable[NDArray[np.float32]],
    *,
    start: int | None = None,
    seed: int | None = None,
) -> Rollout:
    """Reset, at row ``start`` if given, and act until the actions or the episode are at an end."""
    begin = None if start is None else {"start": start}
    observation, info = environment.reset(seed=seed, options=begin)
    rollout = Rollout([np.array(observation)], [observation], [], [], [], [_kept(info)])
    for action in actions:
        observation, reward, terminated, truncated, info = environment.step(action)
        rollout.observations.append(np.array(observation))
        rollout.handed.append(observation)
        rollout.rewards.append(float(reward))
        rollout.terminated.append(bool(terminated))
        rollout.truncated.append(bool(truncated))
        rollout.infos.append(_kept(info))
        if rollout.ended:
            break
    return rollout


def difference(one: Rollout, other: Rollout, *, tolerance: float = 0.0) -> str | None:
    """Say in words where two rollouts first differ by more than ``tolerance``, or None."""
    for step, (left, right) in enumerate(zip(one.observations, other.observations, strict=False)):
        if words := different_observation(left, right, tolerance):
            return f"observation {step}: {words}"
        if step == 0:
            continue
        rewards = one.rewards[step - 1], other.rewards[step - 1]
        if not _same(*rewards, tolerance):
            return f"reward of step {step}: {rewards[0]:.9g} and {rewards[1]:.9g}"
        ends = [(each.terminated[step - 1], each.truncated[step - 1]) for each in (one, other)]
        if ends[0] != ends[1]:
            return f"end of step {step}: (terminated, truncated) {ends[0]} and {ends[1]}"
    if len(one.rewards) != len(other.rewards):
        return f"steps until the end: {len(one.rewards)} and {len(other.rewards)}"
    return None


def different_observation(
    left: NDArray[np.float32], right: NDArray[np.float32], tolerance: float = 0.0
) -> str | None:
    """Say in words where two observations (16, 100) first differ, or None."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return f"{left.dtype}{left.shape} and {right.dtype}{right.shape}"
    apart = ~np.isclose(left, right, rtol=0, atol=tolerance, equal_nan=True)
    if not apart.any():
        return None
    first = tuple(int(at) for at in np.argwhere(apart)[0])
    name = FEATURES[first[-1]].name if first[-1] < len(FEATURES) else f"column {first[-1]}"
    return f"{name} in row {first[0]} is {left[first]:.9g} and {right[first]:.9g}"


def _same(left: float, right: float, tolerance: float) -> bool:
    return bool(np.isclose(left, right, rtol=0, atol=tolerance, equal_nan=True))


def _kept(info: dict[str, Any]) -> dict[str, Any]:
    return {key: np.array(value) for key, value in info.items()}
