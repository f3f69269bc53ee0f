"""How fast training is, and how far it gets, beside the TD3 of Stable-Baselines3 as it comes.

Both sides have the same network, hyperparameters and data, and the same time on the clock. The
stock set-up steps one environment, updates once a step, and keeps whole observations.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from gymnasium import spaces
from stable_baselines3 import TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl.observation import LIMIT, OBSERVATION_SHAPE
from alchemiser_cli.rl.td3.policy import policy_arguments
from alchemiser_cli.rl.td3.presets import architecture_of
from alchemiser_cli.rl.td3.replay import WindowReplayBuffer
from alchemiser_cli.rl.training.devices import choose_compute
from alchemiser_cli.rl.training.learning import Boundary, TrainingWatch, learn
from alchemiser_cli.rl.training.places import GymPlace, OptionsPlace
from alchemiser_cli.rl.training.request import TrainingRequest, gym_training
from alchemiser_cli.rl.training.session import Session
from alchemiser_cli.settings import OptionsSettings, TrainingSettings

__all__ = ["GymRace", "OptionsRace", "Side", "buffer_megabytes", "race_on_gym", "race_on_options"]

STOCK_BUFFER = 10_000  # more than it fills in the time; whole observations take 13 kB each
PUBLISHED_STARTS = 10_000
FOREVER = 1 << 40


class Side(msgspec.Struct, frozen=True):
    """One of the two: environment steps and updates made, seconds, and the score at the end."""

    steps: int
    updates: int
    seconds: float
    score: float

    @property
    def steps_per_s(self) -> float:
        """Environment steps a second."""
        return self.steps / self.seconds


class OptionsRace(msgspec.Struct, frozen=True):
    """The options market with one preset, a pair of sides for each seed.

    Scores are the mean sum of rewards of four episodes over the held-out rows; ``idle_score`` is
    that of an account that never trades.
    """

    dataset: str
    preset: str
    ours: tuple[Side, ...]
    stock: tuple[Side, ...]
    idle_score: float


class GymRace(msgspec.Struct, frozen=True):
    """A Gymnasium environment, the same number of steps for both; scores are mean returns."""

    env_id: str
    ours: tuple[Side, ...]
    stock: tuple[Side, ...]


def race_on_options(
    clock: Clock,
    *,
    dataset: str,
    preset: str,
    seconds: float,
    seeds: Sequence[int],
) -> OptionsRace:
    """Train both for ``seconds`` with each seed, by turns, and judge them in the same way."""
    ours, stock, idle = [], [], 0.0
    for seed in seeds:
        training = TrainingSettings.model_validate({"preset": preset, "seed": seed})
        place = OptionsPlace(TrainingRequest(dataset, OptionsSettings(), training))
        ours.append(_ours(place, training, clock, seconds=seconds, steps=FOREVER))
        stock.append(_stock(place, training, clock, seconds=seconds, steps=FOREVER))
        idle = place.score(lambda seen: np.zeros((len(seen), CONTRACTS), np.float32))["score"]
    return OptionsRace(dataset, preset, tuple(ours), tuple(stock), idle)


def race_on_gym(clock: Clock, *, env_id: str, steps: int, seeds: Sequence[int]) -> GymRace:
    """Train both for ``steps`` environment steps with each seed, by turns."""
    ours, stock = [], []
    for seed in seeds:
        training = gym_training(TrainingSettings(seed=seed))
        place = GymPlace(env_id, seed)
        ours.append(_ours(place, training, clock, seconds=np.inf, steps=steps))
        stock.append(_stock(place, training, clock, seconds=np.inf, steps=steps))
    return GymRace(env_id, tuple(ours), tuple(stock))


def buffer_megabytes(transitions: int, environments: int) -> float:
    """Return what a full replay buffer of default observations takes, in megabytes."""
    seen = spaces.Box(-LIMIT, LIMIT, OBSERVATION_SHAPE, np.float32)
    done = spaces.Box(-1.0, 1.0, (CONTRACTS,), np.float32)
    return WindowReplayBuffer(transitions, seen, done, "cpu", environments).nbytes / 1e6


def _ours(
    place: OptionsPlace | GymPlace,
    training: TrainingSettings,
    clock: Clock,
    *,
    seconds: float,
    steps: int,
) -> Side:
    compute = choose_compute(training, len(place.shape))
    session = Session(place, training, compute)
    boundary = Boundary(
        session.model,
        TrainingWatch(time_budget_s=seconds),
        clock,
        evaluate=lambda: 0.0,
        save=lambda: None,
        evaluate_every=FOREVER,
        save_every=FOREVER,
        total=steps,
    )
    learn(session.model, boundary, session.returns, steps)
    taken_s = boundary.seconds
    score = place.score(session.actor().act)["score"]
    return Side(session.model.num_timesteps, session.model.updates, taken_s, score)


def _stock(
    place: OptionsPlace | GymPlace,
    training: TrainingSettings,
    clock: Clock,
    *,
    seconds: float,
    steps: int,
) -> Side:
    compute = choose_compute(training, len(place.shape))
    architecture = architecture_of(training.preset, place.shape, place.actions)
    flat = len(place.shape) == 1
    model = TD3(
        "MlpPolicy",
        place.training_env(1, training.seed),
        learning_rate=training.learning_rate,
        gamma=training.gamma,
        buffer_size=STOCK_BUFFER if not flat else training.buffer_size,
        # On control tasks as published, elsewhere Stable-Baselines3's own.
        learning_starts=PUBLISHED_STARTS if flat else 100,
        action_noise=NormalActionNoise(
            np.zeros(place.actions), np.full(place.actions, training.action_noise)
        ),
        policy_kwargs=policy_arguments(architecture, in_bfloat16=False),
        seed=training.seed,
        device=compute.device,
    )
    started_ns = clock.monotonic_ns()
    deadline_ns = started_ns + seconds * NS_PER_SECOND
    model.learn(steps, callback=_Until(clock, deadline_ns), log_interval=None)  # type: ignore[arg-type]  # None logs nothing
    taken_s = (clock.monotonic_ns() - started_ns) / NS_PER_SECOND

    def act(observations: Any) -> Any:
        return model.policy.scale_action(model.predict(observations, deterministic=True)[0])

    return Side(model.num_timesteps, model._n_updates, taken_s, place.score(act)["score"])  # noqa: SLF001  no public name


class _Until(BaseCallback):
    def __init__(self, clock: Clock, deadline_ns: float) -> None:
        super().__init__()
        self._clock = clock
        self._deadline_ns = deadline_ns

    def _on_step(self) -> bool:
        return self._clock.monotonic_ns() < self._deadline_ns
