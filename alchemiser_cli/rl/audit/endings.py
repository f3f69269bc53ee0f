"""How episodes end: data and length truncate, ruin terminates, and nothing is paid after it."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np

from alchemiser_cli.market.chains import CONTRACTS, ChainTable
from alchemiser_cli.rl.audit.rollout import Rollout, play
from alchemiser_cli.rl.audit.subject import Actions, Finding, Subject
from alchemiser_cli.rl.dynamics import FIRST_ROW

__all__ = ["data_truncates", "nothing_after_the_end", "ruin_terminates", "ruinous"]

STEPS = 12
CRASH = 5  # the step at which the chains of ``ruinous`` fall or rise
CATASTROPHE = -1e9  # equity below it gives this reward
CATASTROPHIC_REWARD = -100.0


def data_truncates(subject: Subject) -> Finding:
    """Play to the end of the data, and of the episode's length: truncated there, not terminated."""
    orders = subject.orders(subject.generator("data-truncates"), STEPS)
    rich = _beyond_ruin(subject)
    last = len(subject.window) - 1
    cases = (
        ("the data", subject.environment(options=rich), last - STEPS // 2),
        ("the episode", subject.environment(options=rich, episode_steps=STEPS // 2), FIRST_ROW),
    )
    for what, environment, start in cases:
        rollout = play(environment, orders, start=start)
        if words := _misses(rollout, STEPS // 2, terminated=False):
            return Finding(passed=False, detail=f"at the end of {what} {words}")
    return Finding(passed=True, detail="data and length truncate at their last step")


def ruin_terminates(subject: Subject) -> Finding:
    """Let bought contracts become worthless, and sold ones dear beyond any account."""
    for what, price, side in (("ruin", 1e-6, 1.0), ("a catastrophe", 1e9, -1.0)):
        chains, poor, start = ruinous(subject, price)
        orders = np.full((STEPS, CONTRACTS), side, dtype=np.float32)
        rollout = play(subject.environment(chains, options=poor), orders, start=start)
        if words := _misses(rollout, CRASH, terminated=True):
            return Finding(passed=False, detail=f"at {what} {words}")
        equity = float(rollout.infos[-1]["equity"])
        if equity < CATASTROPHE and rollout.rewards[-1] != CATASTROPHIC_REWARD:
            words = f"equity {equity:.3g} gave the reward {rollout.rewards[-1]:g}, not -100"
            return Finding(passed=False, detail=words)
    return Finding(passed=True, detail="half of the balance lost, and more than all of it")


def nothing_after_the_end(subject: Subject) -> Finding:
    """Pay the last step what the same step pays in a longer episode, and no step after it."""
    orders = subject.orders(subject.generator("nothing-after-the-end"), 2 * STEPS)
    rich = _beyond_ruin(subject)
    short, long = (
        subject.environment(options=rich, episode_steps=steps) for steps in (STEPS, 2 * STEPS)
    )
    one, other = (play(each, orders, start=FIRST_ROW + 1) for each in (short, long))
    for step, (reward, expected) in enumerate(zip(one.rewards, other.rewards, strict=False), 1):
        if reward != expected:
            detail = f"step {step} of {STEPS} pays {reward:.9g}, in a longer episode {expected:.9g}"
            return Finding(passed=False, detail=detail)
    chains, poor, start = ruinous(subject, 1e-6)
    bought = np.ones((STEPS, CONTRACTS), dtype=np.float32)
    ruined = subject.environment(chains, options=poor)
    play(ruined, bought, start=start)
    for what, environment in (("a truncated", short), ("a terminated", ruined)):
        if words := _pays_on(environment, orders):
            return Finding(passed=False, detail=f"a step after the end of {what} episode {words}")
    return Finding(passed=True, detail="the last reward is that step's own, and the last one")


def ruinous(subject: Subject, price: float) -> tuple[ChainTable, Any, int]:
    """Return chains whose mids become ``price`` at step ``CRASH``, and an account of their worth.

    Who holds all contracts from the first step on is ruined there and not before, and nothing
    expires on the way. The third value is the row to start at.
    """
    start, options = FIRST_ROW, subject.options
    mid = np.repeat(subject.window.mid[start : start + 1], len(subject.window), axis=0)
    mid = np.maximum(mid, 1.0)
    held = options.multiplier * options.max_contracts
    balance = 1.25 * held * float(mid[start].sum())
    mid[start + CRASH :] = price
    chains = dataclasses.replace(
        subject.window,
        mid=mid,
        rolled=np.zeros(len(mid), dtype=np.bool_),
        settlement=np.zeros_like(mid),
        half_spread=np.full_like(mid, 1e-6),
    )
    poor = options.model_copy(update={"initial_balance": balance, "commission": 0.0})
    return chains, poor, start


def _misses(rollout: Rollout, steps: int, *, terminated: bool) -> str | None:
    """Say what is wrong with an episode that should have ended after ``steps``, or None."""
    wanted = "terminated" if terminated else "truncated"
    if not rollout.ended:
        return f"(step {steps}) the episode went on"
    if len(rollout.rewards) != steps:
        return f"(step {steps}) the episode was over at step {len(rollout.rewards)}"
    if (rollout.terminated[-1], rollout.truncated[-1]) != (terminated, not terminated):
        told = f"terminated {rollout.terminated[-1]}, truncated {rollout.truncated[-1]}"
        return f"the episode should be {wanted}, and is told as {told}"
    return None


def _pays_on(environment: gymnasium.Env[Any, Any], orders: Actions) -> str | None:
    """Step after the end: it may raise, or pay nothing and still be over."""
    try:
        _, reward, terminated, truncated, _ = environment.step(orders[0])
    except Exception:  # noqa: BLE001  whatever it raises, it does not pay
        return None
    if float(reward) != 0.0:
        return f"pays {float(reward):.9g}"
    return None if terminated or truncated else "goes on as if nothing had ended"


def _beyond_ruin(subject: Subject) -> Any:
    options = subject.options
    held = options.multiplier * options.max_contracts * CONTRACTS
    worth = 10.0 * held * float(subject.window.spot.max())
    return options.model_copy(update={"initial_balance": max(options.initial_balance, worth)})
