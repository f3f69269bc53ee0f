"""The same seed and actions give the same episode, and what was handed out stays as it was."""

import itertools

import numpy as np

from alchemiser_cli.rl.audit.rollout import difference, different_observation, play
from alchemiser_cli.rl.audit.subject import Finding, Subject
from alchemiser_cli.rl.dynamics import FIRST_ROW

__all__ = ["observations_kept", "seeded_rollouts"]

SEEDS = 3
STEPS = 40
LONG = 300  # more than an environment may keep of the past before it moves it


def seeded_rollouts(subject: Subject) -> Finding:
    """Play the same seeds in two environments and once more in the first: bit-equal."""
    orders = subject.orders(subject.generator("seeded-rollouts"), STEPS)
    first, second = (subject.environment(random_start=True) for _ in range(2))
    for seed in range(subject.seed, subject.seed + SEEDS):
        one, other = play(first, orders, seed=seed), play(second, orders, seed=seed)
        if words := difference(one, other):
            return Finding(passed=False, detail=f"seed {seed} in two environments: {words}")
        if words := difference(one, play(first, orders, seed=seed)):
            return Finding(passed=False, detail=f"seed {seed} again after an episode: {words}")
    return Finding(passed=True, detail=f"{SEEDS} seeds, three episodes each, bit-equal")


def observations_kept(subject: Subject) -> Finding:
    """Look at every observation again after later steps, of one and of several environments."""
    orders = subject.orders(subject.generator("observations-kept"), STEPS)
    rollout = play(subject.environment(random_start=True), orders, seed=subject.seed)
    pairs = zip(rollout.handed, rollout.observations, strict=True)
    for step, (now, then) in enumerate(pairs):
        if words := different_observation(now, then):
            return Finding(passed=False, detail=f"observation {step} was changed later: {words}")
    count = 3
    environments = subject.vectorised(count)
    handed = [environments.start_at(FIRST_ROW + np.arange(count), LONG)]
    kept = [np.array(handed[0])]
    for action in subject.orders(subject.generator("observations-kept"), LONG):
        observations = environments.step(np.tile(action, (count, 1)))[0]
        handed.append(observations)
        kept.append(np.array(observations))
    for step, at in itertools.product(range(len(kept)), range(count)):
        if words := different_observation(handed[step][at], kept[step][at]):
            detail = f"observation {step} of environment {at} side by side was changed: {words}"
            return Finding(passed=False, detail=detail)
    looked = len(rollout.observations) + count * len(kept)
    return Finding(passed=True, detail=f"{looked} observations looked at again")
