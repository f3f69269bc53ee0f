"""Any Gymnasium environment with continuous actions, several side by side, resumed exactly.

An environment of another's making cannot be asked for its state. It is rebuilt instead: it is
reset with the random generator that it had when its episode began, and the actions since are
taken again. What comes out is compared with what was saved.
"""

import difflib
import warnings
from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, RescaleAction
from stable_baselines3.common.vec_env import DummyVecEnv

from alchemiser_cli.errors import GymEnvironmentError, RunNotResumableError

__all__ = ["ResumableVecEnv", "open_gym"]

Floats = np.ndarray[Any, np.dtype[np.float32]]


def open_gym(env_id: str) -> gymnasium.Env[Any, Any]:
    """Return the Gymnasium environment ``env_id``, which TD3 can act in.

    Its observations are one array, its actions one array of bounded numbers, each in its own
    unit: nothing is rescaled.

    Raises:
        GymEnvironmentError: ``gym-environment-unusable``: the id is not known, a package is
            missing, or actions or observations are of another kind.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a newer version is there: who asks knows why
            environment = gymnasium.make(env_id, disable_env_checker=True)  # our audit checks
    except (gymnasium.error.Error, ImportError) as error:
        raise _unknown(env_id, error) from error
    problem = _problem(environment)
    if problem is None:
        return environment
    environment.close()
    raise GymEnvironmentError(
        f"TD3 cannot act in {env_id}",
        why=problem,
        next_step="Choose one with continuous actions, such as Pendulum-v1.",
        context={"env": env_id},
    )


class ResumableVecEnv(DummyVecEnv):
    """``count`` environments of one id in this process, with actions in [-1, 1].

    Observations of several dimensions are flattened to one. Actions are rescaled to the
    environment's own bounds, as Stable-Baselines3 does it inside of its policies. Environment
    ``i`` begins with the seed ``seed + i``.
    """

    def __init__(self, env_id: str, count: int, seed: int) -> None:
        """Make the environments; ``reset()`` or ``restore()`` begins their episodes.

        Raises:
            GymEnvironmentError: ``gym-environment-unusable``.
        """
        super().__init__([lambda: _Recorded(_rescaled(env_id)) for _ in range(count)])
        self._env_id = env_id
        self.seed(seed)

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Take ``actions``, float32 (count, actions), cut to [-1, 1]."""
        super().step_async(np.clip(actions, -1.0, 1.0).astype(np.float32))

    def state(self) -> dict[str, Any]:
        """Return all that ``restore`` needs: arrays, and JSON-compatible values.

        ``actions`` are those since each episode's start, one episode after the other, float32;
        ``lengths`` how many of them belong to each, int64 (count,); ``observations`` what each
        environment showed last; ``returns`` the rewards since, float64 (count,); ``env_id`` and
        ``episodes`` the JSON part.
        """
        recorded = [_recorded(one) for one in self.envs]
        shape = self.action_space.shape or ()
        actions = [action for one in recorded for action in one.actions]
        return {
            "env_id": self._env_id,
            "episodes": [one.origin() for one in recorded],
            "actions": np.array(actions, np.float32).reshape(-1, *shape),
            "lengths": np.array([len(one.actions) for one in recorded], np.int64),
            "observations": np.stack([one.observation for one in recorded]),
            "returns": np.array([one.episode_return for one in recorded], np.float64),
        }

    def restore(self, state: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        """Rebuild every environment as ``state`` says; return their observations.

        This takes as long as the steps of the episodes that were under way.

        Raises:
            RunNotResumableError: ``run-not-resumable`` if the state is of another environment, or
                the environment did not repeat itself: it has randomness, or a memory from one
                episode to the next, that its seed does not rule.
        """
        if state["env_id"] != self._env_id or len(state["episodes"]) != self.num_envs:
            raise RunNotResumableError(
                f"the state of {len(state['episodes'])} times {state['env_id']} does not fit "
                f"{self.num_envs} times {self._env_id}",
                why="Environments are rebuilt from the actions that were taken in them.",
                next_step="Continue the run with the environment and the count it began with.",
            )
        self._reset_seeds()  # restored environments are not seeded once more
        ends = np.cumsum(state["lengths"])
        for index, environment in enumerate(self.envs):
            begin = ends[index] - state["lengths"][index]
            one = _recorded(environment)
            same = one.replay(state["episodes"][index], state["actions"][begin : ends[index]])
            if not (
                same
                and np.array_equal(one.observation, state["observations"][index], equal_nan=True)
                and one.episode_return == state["returns"][index]
                and one.origin() == state["episodes"][index]
            ):
                raise _not_repeated(self._env_id, index, int(state["lengths"][index]))
            self._save_obs(index, one.observation)
        return np.array(self._obs_from_buf())


class _Recorded(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment that keeps how its episode began and what was done since."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._seed: int | None = None
        self._begin: dict[str, Any] | None = None  # None: the episode began with the seed itself
        self.actions: list[Floats] = []
        self.observation = np.zeros(0)
        self.episode_return = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and note from where."""
        self._seed = self._seed if seed is None else seed
        self._begin = _generator_state(self.unwrapped.np_random) if seed is None else None
        observation, info = self.env.reset(seed=seed, options=options)
        self.actions, self.observation, self.episode_return = [], np.array(observation), 0.0
        return observation, info

    def step(self, action: Floats) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take ``action`` and note it."""
        answer = self.env.step(action)
        self.actions.append(np.array(action, np.float32))
        self.observation = np.array(answer[0])
        self.episode_return += float(answer[1])
        return answer

    def origin(self) -> dict[str, Any]:
        """Return the seed, and the generator at the episode's start and now; JSON-compatible."""
        now = _generator_state(self.unwrapped.np_random)
        return {"seed": self._seed, "begin": self._begin, "now": now}

    def replay(self, origin: Mapping[str, Any], actions: Floats) -> bool:
        """Begin at ``origin`` and take ``actions``; tell whether the episode lasted so long."""
        # What an environment makes of its seed apart from its generator is made here.
        self.reset(seed=origin["seed"])
        if origin["begin"] is not None:
            self.unwrapped.np_random = _generator(origin["begin"])
            self.reset()
        for action in actions:
            _, _, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                return False
        return True


def _recorded(environment: Any) -> _Recorded:
    if not isinstance(environment, _Recorded):
        raise TypeError(f"{type(environment).__name__} does not record its episode")
    return environment


def _rescaled(env_id: str) -> gymnasium.Env[Any, Any]:
    environment = open_gym(env_id)
    if len(environment.observation_space.shape or ()) != 1:
        # A window of rows means that it moves on by one row a step, which nobody promises here.
        environment = FlattenObservation(environment)
    ones = np.ones(environment.action_space.shape or (), np.float32)
    return RescaleAction(environment, -ones, ones)


def _generator_state(generator: np.random.Generator) -> dict[str, Any]:
    state: dict[str, Any] = _plain(generator.bit_generator.state)
    return state


def _generator(state: Mapping[str, Any]) -> np.random.Generator:
    bit_generator = getattr(np.random, state["bit_generator"])()
    bit_generator.state = state
    return np.random.Generator(bit_generator)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _problem(environment: gymnasium.Env[Any, Any]) -> str | None:
    actions, observations = environment.action_space, environment.observation_space
    if not isinstance(actions, spaces.Box):
        return f"Its actions are {_kind(actions)}; TD3 chooses numbers in bounds (Box)."
    if not (actions.is_bounded() and np.issubdtype(actions.dtype, np.floating)):
        return f"Its actions are {actions}; TD3 chooses floating-point numbers in finite bounds."
    if not isinstance(observations, spaces.Box):
        return f"Its observations are {_kind(observations)}; the network takes one array (Box)."
    return None


def _kind(space: Any) -> str:
    return f"of the kind {type(space).__name__}"


def _unknown(env_id: str, error: Exception) -> GymEnvironmentError:
    known = list(gymnasium.registry)
    near = difflib.get_close_matches(env_id, known, n=3, cutoff=0.5)
    missing = isinstance(error, gymnasium.error.DependencyNotInstalled | ImportError)
    meant = f"Did you mean {', '.join(near)}?" if near and not missing else ""
    return GymEnvironmentError(
        f"{env_id} cannot be made by Gymnasium",
        why=f"{str(error).strip().rstrip('.?')}.",
        next_step="Install the package that it names."
        if missing
        else meant or "Write an id of Gymnasium, such as Pendulum-v1, or MODULE:ID of your own.",
        context={"env": env_id, "near": near},
    )


def _not_repeated(env_id: str, index: int, steps: int) -> RunNotResumableError:
    return RunNotResumableError(
        f"{env_id} did not repeat itself: environment {index} differs after {steps:,} steps",
        why="It has randomness, or a memory between episodes, that its seed does not rule.",
        next_step="Draw all of its randomness from self.np_random, or start the run anew.",
        context={"env": env_id, "environment": index, "steps": steps},
    )
