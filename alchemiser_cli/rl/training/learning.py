"""The learning stage: what happens between the steps, and what ends it."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.callbacks import BaseCallback

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.rl.td3.algorithm import SharedEncoderTD3
from alchemiser_cli.rl.training.result import StoppedBy

__all__ = ["Boundary", "EpisodeReturns", "TrainingWatch", "Update", "learn"]

Weights = Mapping[str, npt.NDArray[Any]]
TOLD_EVERY_S = 0.5


class Update(msgspec.Struct, frozen=True):
    """Where a run stands; ``episode_return`` is the mean of the last hundred episodes.

    ``data_faults`` is how often the environments met faults of the data.
    """

    steps: int
    total: int
    steps_per_s: float
    seconds_left: float
    episode_return: float
    critic_loss: float
    score: float
    data_faults: int = 0


def _never() -> bool:
    return False


def _unseen(_seen: object) -> None:
    pass


def _always_go_on(_step: int, _score: float) -> bool:
    return False


@dataclass(frozen=True)
class TrainingWatch:
    """What a caller wants to hear of a run, and how it may end it.

    ``on_begin`` takes the run's id. ``on_score`` takes the environment step and the score of each
    evaluation on the way, and tells whether the run is not worth going on with. ``on_weights``
    takes the actor's weights, the canary's observations, its actions, and the environment step,
    at each evaluation and at the end. ``on_outage`` takes why the tracking store is away, from
    another thread, once an outage; training goes on without it.
    """

    on_begin: Callable[[str], None] = _unseen
    on_update: Callable[[Update], None] = _unseen
    on_score: Callable[[int, float], bool] = _always_go_on
    stop: Callable[[], bool] = _never
    time_budget_s: float | None = None
    on_weights: Callable[[Weights, npt.NDArray[Any], npt.NDArray[Any], int], None] | None = None
    on_outage: Callable[[AlchemiserError], object] = _unseen


@dataclass
class EpisodeReturns:
    """The rewards of the episodes under way, and the returns of those that ended last."""

    running: npt.NDArray[np.float64]
    ended: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def add(self, rewards: npt.NDArray[Any], dones: npt.NDArray[np.bool_]) -> None:
        """Take one step of all environments."""
        self.running += rewards
        if dones.any():
            self.ended.extend(self.running[dones].tolist())
            self.running[dones] = 0.0

    @property
    def mean(self) -> float:
        """The mean return of the last episodes; NaN before one ended."""
        return sum(self.ended) / len(self.ended) if self.ended else math.nan


class Boundary:
    """What is due between two steps, where everything is stored and every update made.

    ``evaluate`` and ``save`` are called when their interval is over.
    """

    def __init__(
        self,
        model: SharedEncoderTD3,
        watch: TrainingWatch,
        clock: Clock,
        *,
        evaluate: Callable[[], float],
        save: Callable[[], None],
        evaluate_every: int,
        save_every: int,
        total: int,
    ) -> None:
        """Count the intervals from the steps that the model has made already."""
        self._model = model
        self._watch = watch
        self._clock = clock
        self._evaluate = evaluate
        self._save = save
        self._every = (evaluate_every, save_every)
        self._total = total
        self._began_ns = self._told_ns = clock.monotonic_ns()
        self._began_at = self._passed = model.num_timesteps
        self._score = math.nan
        self.stopped_by: StoppedBy | None = None

    def pass_by(self, returns: EpisodeReturns) -> bool:
        """Do what is due; tell whether to go on."""
        steps, before = self._model.num_timesteps, self._passed
        self._passed = steps
        evaluate_every, save_every = self._every
        if steps // evaluate_every > before // evaluate_every:
            self._score = self._evaluate()
            if self._watch.on_score(steps, self._score):
                self.stopped_by = "pruned"
        if steps // save_every > before // save_every:
            self._save()
        self._tell(steps, returns)
        if self._watch.stop():
            self.stopped_by = "signal"
        elif self.stopped_by is None and self._over_budget():
            self.stopped_by = "time-budget"
        return self.stopped_by is None

    @property
    def seconds(self) -> float:
        """How long this has gone on."""
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_SECOND

    @property
    def steps_per_s(self) -> float:
        """Environment steps a second, of this process."""
        return (self._model.num_timesteps - self._began_at) / max(self.seconds, 1e-9)

    def _over_budget(self) -> bool:
        budget_s = self._watch.time_budget_s
        return budget_s is not None and self.seconds >= budget_s

    def _tell(self, steps: int, returns: EpisodeReturns) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._told_ns < TOLD_EVERY_S * NS_PER_SECOND:
            return
        self._told_ns = now_ns
        rate = self.steps_per_s
        self._watch.on_update(
            Update(
                steps=steps,
                total=self._total,
                steps_per_s=rate,
                seconds_left=(self._total - steps) / max(rate, 1e-9),
                episode_return=returns.mean,
                critic_loss=self._model.losses.get("critic", math.nan),
                score=self._score,
                data_faults=sum(getattr(self._model.env, "events", {}).values()),
            )
        )


class _StopLearningError(Exception):
    """Leaves Stable-Baselines3's loop before the next step is begun."""


class _Between(BaseCallback):
    def __init__(self, boundary: Boundary, returns: EpisodeReturns) -> None:
        super().__init__()
        self._boundary = boundary
        self._returns = returns

    def _on_rollout_start(self) -> None:
        if not self._boundary.pass_by(self._returns):
            raise _StopLearningError

    def _on_step(self) -> bool:
        self._returns.add(self.locals["rewards"], self.locals["dones"])
        return True


def learn(
    model: SharedEncoderTD3, boundary: Boundary, returns: EpisodeReturns, total: int
) -> StoppedBy:
    """Let the model learn until it has made ``total`` steps, or the boundary ends it.

    Raises:
        TrainingDivergedError: ``training-diverged``.
    """
    if model.num_timesteps >= total:
        return "steps"
    try:
        model.learn(
            total - model.num_timesteps,
            callback=_Between(boundary, returns),
            log_interval=None,  # type: ignore[arg-type]  # None logs nothing, and is allowed below
            reset_num_timesteps=False,
        )
    except _StopLearningError:
        return boundary.stopped_by or "signal"
    return "steps"
