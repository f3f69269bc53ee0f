"""Environments side by side do what each of them does alone, also where episodes end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl.audit.endings import CRASH, STEPS, ruinous
from alchemiser_cli.rl.audit.rollout import Rollout, different_observation, play
from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = ["vectorised_endings", "vectorised_equals_single"]

COUNT = 4
LONG = 48
TOLERANCE = 1e-6  # float32


def vectorised_equals_single(subject: Subject) -> Finding:
    """Step episodes side by side and one by one with the same actions, across an expiry."""
    generator = subject.generator("vectorised-equals-single")
    starts = subject.starts(generator, LONG, COUNT)
    orders = np.stack([subject.orders(generator, LONG) for _ in starts], axis=1)
    environments = subject.vectorised(COUNT)
    alone = subject.environment(episode_steps=2 * LONG)
    rollouts = [play(alone, orders[:, at], start=start) for at, start in enumerate(starts)]
    observations = environments.start_at(np.array(starts), 2 * LONG)
    over: set[int] = set()
    for step in range(LONG + 1):
        for at in sorted(set(range(COUNT)) - over):
            if words := different_observation(
                rollouts[at].observations[step], observations[at], TOLERANCE
            ):
                detail = f"observation {step} of environment {at}, alone and side by side: {words}"
                return Finding(passed=False, detail=detail)
        if step == LONG:
            break
        observations, rewards, ends, _ = environments.step(orders[step])
        for at in sorted(set(range(COUNT)) - over):
            told, expected = float(rewards[at]), rollouts[at].rewards[step]
            if abs(told - expected) > TOLERANCE:
                detail = (
                    f"reward of step {step + 1} is {expected:.9g} alone, {told:.9g} side by side"
                )
                return Finding(passed=False, detail=detail)
            alone_over = rollouts[at].ended and step + 1 == len(rollouts[at].rewards)
            if bool(ends[at]) != alone_over:
                detail = f"an episode ends at step {step + 1} only alone or only side by side"
                return Finding(passed=False, detail=detail)
            if alone_over:
                over.add(at)
    return Finding(passed=True, detail=f"{COUNT} episodes of {LONG} steps, within {TOLERANCE:g}")


def vectorised_endings(subject: Subject) -> Finding:
    """Look at the step that ends an episode side by side, and at the one after it."""
    chains, poor, start = ruinous(subject, 1e-6)
    bought = np.ones((STEPS, CONTRACTS), dtype=np.float32)
    orders = subject.orders(subject.generator("vectorised-endings"), STEPS)
    cases = (
        (
            "truncation",
            (None, None),
            subject.starts(subject.generator("ends"), STEPS, 1)[0],
            orders,
        ),
        ("ruin", (chains, poor), start, bought),
    )
    for what, (table, options), at, actions in cases:
        if words := _misses(subject, table, options, at, actions):
            return Finding(passed=False, detail=f"at {what} {words}")
    return Finding(passed=True, detail="the last reward, observation and kind of end, and the next")


def _misses(
    subject: Subject, table: Any, options: Any, start: int, actions: NDArray[np.float32]
) -> str | None:
    """Play past the end of an episode of ``CRASH`` steps; say what is wrong there, or None."""
    # Ruin at the very step that would also truncate would leave open which of them is told.
    steps = CRASH if table is None else 2 * STEPS
    environments = subject.vectorised(1, table, options=options, episode_steps=steps)
    alone = subject.environment(table, options=options, episode_steps=steps)
    rollout = play(alone, actions, start=start)
    environments.start_at(np.array([start]), steps)
    length = len(rollout.rewards)
    for step, action in enumerate(actions[:length], 1):
        last = environments.step(action[None])
        if bool(last[2][0]) != (step == length):
            return f"the end is told at step {step} of {length}"
    if words := _last_differs(rollout, last[1], last[3][0]):
        return words
    fresh = int(np.asarray(environments.rows)[0])
    follower = play(alone, actions[:1], start=fresh)
    if words := different_observation(follower.observations[0], last[0][0], TOLERANCE):
        return f"the next episode begins otherwise than alone: {words}"
    _, rewards, _, _ = environments.step(actions[:1])
    if abs(float(rewards[0]) - follower.rewards[0]) > TOLERANCE:
        return f"the next episode's first reward is {float(rewards[0]):.9g} and not its own"
    return None


def _last_differs(rollout: Rollout, rewards: Any, info: dict[str, Any]) -> str | None:
    """Compare the step that ended an episode alone with what is told of it side by side."""
    if abs(float(rewards[0]) - rollout.rewards[-1]) > TOLERANCE:
        return f"the last reward is {rollout.rewards[-1]:.9g} alone, {float(rewards[0]):.9g} not"
    if "terminal_observation" not in info:
        return "the info has no terminal_observation"
    terminal = np.asarray(info["terminal_observation"])
    if words := different_observation(rollout.observations[-1], terminal, TOLERANCE):
        return f"the terminal observation differs: {words}"
    told = bool(info.get("TimeLimit.truncated", False))
    return None if told == rollout.truncated[-1] else f"TimeLimit.truncated is {told}"
