"""How fast the environments step, beside the same environment as one writes it first.

All three play the same market with the same random actions, by turns in one process, so that a busy
machine slows all of them alike. Ends of episodes, and the beginnings after them, are part of it.
"""

import statistics
from collections.abc import Callable

import msgspec
import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.market.chains import GeneratedChains
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.ordinary import OrdinaryEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings

__all__ = ["EnvironmentSpeed", "measure_environments"]

COUNT = 256
MARKET_ROWS = 2_000
ACTIONS = 64
SHARES = {"ordinary": 1, "single": 4, "vectorised": 1}  # of a round's steps; vectorised has 256


class EnvironmentSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Environment steps a second: medians of rounds, and the medians of the rounds' ratios."""

    rounds: int
    environments: int
    ordinary_per_s: float
    single_per_s: float
    vectorised_per_s: float
    single_ratio: float
    vectorised_ratio: float


def measure_environments(
    clock: Clock, *, rounds: int = 15, steps: int = 400, count: int = COUNT
) -> EnvironmentSpeed:
    """Measure ``rounds`` turns of ``steps`` steps of each, ``count`` environments at once."""
    options = OptionsSettings()
    chains = GeneratedChains(options, steps=MARKET_ROWS, seed=1)
    chance = np.random.default_rng(1)
    actions = list(chance.uniform(-1, 1, (ACTIONS, count, 10)).astype(np.float32))
    single = TradingEnvironment(chains, options, random_start=True, clock=clock)
    many = TradingVecEnv(chains, options, count, seed=1, clock=clock)
    work: dict[str, Callable[[int], None]] = {
        "ordinary": _player(OrdinaryEnvironment(chains, options), actions),
        "single": _player(single, actions),
        "vectorised": _many_player(many, actions),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, play in work.items():
            taken = steps * SHARES[name]
            started_ns = clock.monotonic_ns()
            play(taken)
            seconds = (clock.monotonic_ns() - started_ns) / 1e9
            if turn:  # the first one warms up
                rates[name].append(taken * (count if name == "vectorised" else 1) / seconds)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    return EnvironmentSpeed(
        rounds=rounds,
        environments=count,
        ordinary_per_s=middle["ordinary"],
        single_per_s=middle["single"],
        vectorised_per_s=middle["vectorised"],
        single_ratio=_ratio(rates["single"], rates["ordinary"]),
        vectorised_ratio=_ratio(rates["vectorised"], rates["ordinary"]),
    )


def _player(
    environment: TradingEnvironment | OrdinaryEnvironment, actions: list[np.ndarray]
) -> Callable[[int], None]:
    environment.reset(seed=1)

    def play(steps: int) -> None:
        for step in range(steps):
            *_, terminated, truncated, _ = environment.step(actions[step % ACTIONS][0])
            if terminated or truncated:
                environment.reset()

    return play


def _many_player(many: TradingVecEnv, actions: list[np.ndarray]) -> Callable[[int], None]:
    many.reset()

    def play(steps: int) -> None:
        for step in range(steps):
            many.step(actions[step % ACTIONS])

    return play


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
