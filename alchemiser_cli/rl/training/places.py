"""Where a policy is trained: the options market, or an environment of Gymnasium."""

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains import CONTRACTS, TableChains, open_chains
from alchemiser_cli.rl.checkpoints import fingerprint
from alchemiser_cli.rl.environment import FIRST_ROW
from alchemiser_cli.rl.observation import OBSERVATION_SHAPE, observation_schema_hash
from alchemiser_cli.rl.training.request import TrainingRequest

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from alchemiser_cli.market.chains import ChainTable

__all__ = ["Act", "GymPlace", "OptionsPlace", "Place", "open_place"]

Array = npt.NDArray[Any]
Act = Callable[[Array], Array]

EPISODES = 10  # of an evaluation in a Gymnasium environment
FOLDS = 4  # episodes into which the held-out rows are cut while a run is watched
LEAST_TRAINED = 64
CANARIES = 8


class Place(Protocol):
    """What a run needs of where it trains."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one observation: (window, features), or (n,)."""
        ...

    @property
    def actions(self) -> int:
        """How many numbers an action has."""
        ...

    def training_env(self, count: int, seed: int) -> "VecEnv":
        """Return environments to train in; their ``state`` and ``restore`` continue exactly."""
        ...

    def score(self, act: Act) -> dict[str, float]:
        """Try a policy where it was not trained, always in the same way."""
        ...

    def canaries(self) -> npt.NDArray[np.float32]:
        """Return eight observations by which weights can be known."""
        ...


class OptionsPlace:
    """The options market of a dataset: its first rows to train on, its last ones held out."""

    def __init__(self, request: TrainingRequest) -> None:
        """Open the dataset and split it.

        Raises:
            ChainDataError: ``chain-data-insufficient``, and what ``open_chains`` raises.
        """
        self.request = request
        self.chains = open_chains(request.dataset, request.options, symbol=request.symbol)
        self.shape: tuple[int, ...] = OBSERVATION_SHAPE
        self.actions = CONTRACTS
        self.data_sha256 = _hash_of(self.chains.table())
        self.schema_hash = observation_schema_hash()
        self.trained_rows, self.held_out_rows = self._split()

    def training_env(self, count: int, seed: int) -> "VecEnv":
        """Return environments over the rows to train on, with episodes from random starts."""
        from alchemiser_cli.rl.vec_env import TradingVecEnv

        table = self.chains.table().take(slice(0, self.trained_rows[1]))
        steps = min(self.request.options.episode_steps, len(table) - FIRST_ROW - 1)
        return TradingVecEnv(
            TableChains(table), self.request.options, count, episode_steps=steps, seed=seed
        )

    def score(self, act: Act) -> dict[str, float]:
        """Return what the policy earns on the held-out rows, in four episodes side by side."""
        from alchemiser_cli.rl.vec_env import TradingVecEnv

        first, end = self.held_out_rows
        steps = (end - 1 - first) // FOLDS
        env = TradingVecEnv(self.chains, self.request.options, FOLDS, random_start=False)
        observations: Any = env.start_at(first + np.arange(FOLDS) * steps, steps)
        rewards, gains, over = np.zeros(FOLDS), np.zeros(FOLDS), np.zeros(FOLDS, bool)
        balance = self.request.options.initial_balance
        while not over.all():
            observations, reward, dones, infos = env.step(act(observations))
            rewards += np.where(over, 0.0, reward)
            for index in np.flatnonzero(dones & ~over):
                gains[index] = infos[index]["equity"] / balance - 1
            over |= dones
        return {"score": float(rewards.mean()), "return": float(gains.mean())}

    def canaries(self) -> npt.NDArray[np.float32]:
        """Return the first observations of episodes spread over the held-out rows."""
        from alchemiser_cli.rl.vec_env import TradingVecEnv

        first, end = self.held_out_rows
        env = TradingVecEnv(self.chains, self.request.options, CANARIES, random_start=False)
        rows = np.linspace(first, end - 2, CANARIES).astype(np.int64)
        return np.array(env.start_at(rows, 1), np.float32)

    def _split(self) -> tuple[tuple[int, int], tuple[int, int]]:
        rows, training = len(self.chains), self.request.training
        split = round(rows * (1 - training.holdout))
        trained = (0, split)
        held_out = (max(split + training.purge_steps, FIRST_ROW), rows)
        least = FIRST_ROW + LEAST_TRAINED
        if split < least or held_out[1] - held_out[0] < FOLDS * CANARIES:
            raise ChainDataError(
                f"{rows:,} steps are too few to train on and to hold some out",
                why=f"{split:,} would be trained on, where {least} are the least, and "
                f"{max(0, held_out[1] - held_out[0]):,} held out, where {FOLDS * CANARIES} are.",
                next_step="Take a longer span of data, or lower training.purge_steps.",
                context={"rows": rows, "trained": split},
            )
        return trained, held_out


class GymPlace:
    """Environments of a Gymnasium id."""

    def __init__(self, env_id: str, seed: int) -> None:
        """Make one to look at; ``seed`` is the training's, evaluations have others.

        Raises:
            GymEnvironmentError: ``gym-environment-unusable``.
        """
        self.env_id = env_id
        self._seed = seed
        looked_at = self._vec_env(1, seed)
        self.shape: tuple[int, ...] = looked_at.observation_space.shape or ()
        self.actions = int(np.prod(looked_at.action_space.shape or ()))
        looked_at.close()
        self.data_sha256 = ""
        described = f"{env_id} {self.shape} {self.actions}"
        self.schema_hash = hashlib.sha256(described.encode()).hexdigest()

    def training_env(self, count: int, seed: int) -> "VecEnv":
        """Return ``count`` of them."""
        return self._vec_env(count, seed)

    def score(self, act: Act) -> dict[str, float]:
        """Return the mean return of ten episodes."""
        env = self._vec_env(EPISODES, self._seed + 10_000)
        observations = env.reset()
        returns, over = np.zeros(EPISODES), np.zeros(EPISODES, bool)
        while not over.all():
            observations, rewards, dones, _ = env.step(act(np.asarray(observations)))
            returns += np.where(over, 0.0, rewards)
            over |= dones
        env.close()
        return {"score": float(returns.mean()), "deviation": float(returns.std())}

    def canaries(self) -> npt.NDArray[np.float32]:
        """Return the first observations of eight episodes."""
        env = self._vec_env(CANARIES, self._seed + 20_000)
        observations = np.array(env.reset(), np.float32)
        env.close()
        return observations

    def _vec_env(self, count: int, seed: int) -> "VecEnv":
        from alchemiser_cli.rl.gym_env import ResumableVecEnv

        return ResumableVecEnv(self.env_id, count, seed)


def open_place(request: TrainingRequest) -> OptionsPlace | GymPlace:
    """Open where ``request`` trains; raises as the two places do."""
    if request.gym_id is not None:
        return GymPlace(request.gym_id, request.training.seed)
    return OptionsPlace(request)


def _hash_of(table: "ChainTable") -> str:
    columns: Mapping[str, Array] = {name: getattr(table, name) for name in table.__slots__}
    return fingerprint(columns)
