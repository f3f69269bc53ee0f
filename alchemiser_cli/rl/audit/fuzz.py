"""Random chains with the numbers that break environments: observations and rewards stay sound."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS, ChainTable, chain_table
from alchemiser_cli.rl.audit.subject import LEAST_ROWS, Finding, Subject
from alchemiser_cli.rl.dynamics import FIRST_ROW
from alchemiser_cli.rl.observation import LIMIT, OBSERVATION_SHAPE

__all__ = ["fuzz", "fuzzed_chains"]

STEPS = 40
SHARE = 0.2  # of the rows that are broken
Numbers = dict[str, NDArray[Any]]


def fuzz(subject: Subject) -> Finding:
    """Step one and several environments through broken chains with random actions."""
    generator = subject.generator("fuzz")
    cases = fuzzed_chains(subject, generator)
    for name, chains in cases.items():
        for play in (_one, _several):
            with np.errstate(all="ignore"):
                words = play(subject, chains, generator)
            if words:
                return Finding(passed=False, detail=f"{name}: {words}")
    detail = f"{len(cases) * 2 * STEPS} steps through {', '.join(cases)}"
    return Finding(passed=True, detail=detail)


def fuzzed_chains(subject: Subject, generator: np.random.Generator) -> Mapping[str, ChainTable]:
    """Return chains by what is wrong with a fifth of their rows."""
    rows = min(len(subject.window), LEAST_ROWS)
    sound = subject.window.take(slice(0, rows))
    broken = generator.random(rows) < SHARE
    count = int(broken.sum())

    def odd(*values: float, width: int | tuple[int, ...] = CONTRACTS) -> NDArray[np.float64]:
        shape = (count, *width) if isinstance(width, tuple) else (count, width)
        return generator.choice(np.array(values), shape)

    def changed(**values: NDArray[np.float64]) -> ChainTable:
        numbers: Numbers = {}
        for field, value in values.items():
            numbers[field] = getattr(sound, field).copy()
            numbers[field][broken] = value if numbers[field].ndim > 1 else value[:, 0]
        return dataclasses.replace(sound, **numbers)

    greeks = odd(np.nan, np.inf, -np.inf, 1e300, width=(CONTRACTS, 5))
    prices = {"mid": odd(0.0, -1.0, -1e6, 1e-300), "spot": odd(0.0, -1.0, 1e-300)}
    return {
        "zero time to expiry": changed(time_to_expiry=odd(0.0), greeks=greeks),
        "zero volatility": changed(
            at_the_money_volatility=odd(0.0), implied_volatility=odd(0.0), greeks=greeks
        ),
        "huge volatility": changed(
            at_the_money_volatility=odd(1e6, 1e300), implied_volatility=odd(1e6, 1e300)
        ),
        "non-positive prices": changed(**prices, low=odd(0.0, -1.0), high=odd(0.0, -1.0)),
        "non-positive strikes": changed(strike=odd(0.0, -1.0, 1e-300)),
        "huge prices": changed(mid=odd(1e9, 1e12), spot=odd(1e9, 1e12)),
        "all at once": changed(
            **prices, greeks=greeks, time_to_expiry=odd(0.0), strike=odd(0.0, -1.0)
        ),
        "priced at zero volatility": _priced(subject, sound, 0.0),
        "priced at huge volatility": _priced(subject, sound, 1e3),
    }


def _priced(subject: Subject, chains: ChainTable, volatility: float) -> ChainTable:
    return chain_table(
        chains.event_time_ns,
        chains.spot,
        chains.high,
        chains.low,
        np.full(len(chains), volatility),
        subject.options,
    )


def _one(subject: Subject, chains: ChainTable, generator: np.random.Generator) -> str | None:
    environment = subject.environment(chains)
    observation, _ = environment.reset(seed=subject.seed, options={"start": FIRST_ROW})
    for _ in range(STEPS):
        if words := _unsound(np.asarray(observation), OBSERVATION_SHAPE):
            return words
        if not environment.observation_space.contains(observation):
            return "an observation is outside its space"
        action = generator.uniform(-1, 1, CONTRACTS).astype(np.float32)
        observation, reward, terminated, truncated, info = environment.step(action)
        numbers = {"reward": reward, "equity": info["equity"], "cash": info["cash"]}
        for name, number in numbers.items():
            if not np.isfinite(number):
                return f"{name} is {number}"
        if terminated or truncated:
            start = int(generator.integers(FIRST_ROW, len(chains) - 2))
            observation, _ = environment.reset(options={"start": start})
    return None


def _several(subject: Subject, chains: ChainTable, generator: np.random.Generator) -> str | None:
    count = 3
    environments = subject.vectorised(count, chains, episode_steps=STEPS // 2)
    starts = generator.integers(FIRST_ROW, len(chains) - 2, count)
    observations = environments.start_at(starts, STEPS // 2)
    for _ in range(STEPS):
        if words := _unsound(np.asarray(observations), (count, *OBSERVATION_SHAPE)):
            return f"side by side, {words}"
        actions = generator.uniform(-1, 1, (count, CONTRACTS)).astype(np.float32)
        observations, rewards, _, infos = environments.step(actions)
        last = [info["terminal_observation"] for info in infos if "terminal_observation" in info]
        if not np.isfinite(rewards).all():
            return f"side by side, a reward is {rewards[~np.isfinite(rewards)][0]}"
        for observation in last:
            if words := _unsound(np.asarray(observation), OBSERVATION_SHAPE):
                return f"side by side, at an end, {words}"
    return None


def _unsound(observations: NDArray[Any], shape: tuple[int, ...]) -> str | None:
    if observations.dtype != np.float32 or observations.shape != shape:
        return f"an observation is {observations.dtype}{observations.shape}"
    if not np.isfinite(observations).all():
        return "an observation is not finite"
    if np.abs(observations).max() > LIMIT:
        return f"an observation holds {np.abs(observations).max():g}, and its limit is {LIMIT:g}"
    return None
