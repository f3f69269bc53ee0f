"""The reward, computed a second time from the account's equity."""

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl.audit.endings import CATASTROPHE, CATASTROPHIC_REWARD, ruinous
from alchemiser_cli.rl.audit.rollout import Rollout, play
from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = ["reward_law"]

EPISODES = 8
STEPS = 48
RECENT = 20  # returns whose deviation is taken
FREE_DRAWDOWN = 0.10
TOLERANCE = 1e-9


def reward_law(subject: Subject) -> Finding:
    """Compare each reward with return - 0.5 deviation - 0.1 drawdown beyond 10 %, also at ruin."""
    generator = subject.generator("reward-law")
    environment = subject.environment()
    played = [
        play(environment, subject.orders(generator, STEPS), start=start)
        for start in subject.starts(generator, STEPS, EPISODES)
    ]
    for price, side in ((1e-6, 1.0), (1e9, -1.0)):
        chains, poor, start = ruinous(subject, price)
        orders = np.full((STEPS, CONTRACTS), side, dtype=np.float32)
        played.append(play(subject.environment(chains, options=poor), orders, start=start))
    for rollout in played:
        expected = _expected(rollout)
        told = np.array(rollout.rewards)
        apart = ~np.isclose(told, expected, rtol=TOLERANCE, atol=TOLERANCE)
        if apart.any():
            at = int(apart.argmax())
            last = " (the last one)" if at == len(told) - 1 else ""
            detail = (
                f"reward of step {at + 1}{last} is {told[at]:.9g}, by its law {expected[at]:.9g}"
            )
            return Finding(passed=False, detail=detail)
    count = sum(len(rollout.rewards) for rollout in played)
    return Finding(passed=True, detail=f"{count} rewards computed anew, ruin among them")


def _expected(rollout: Rollout) -> NDArray[np.float64]:
    """Return the rewards; the deviation counts as 1 where a recent equity is not positive."""
    equity = rollout.numbers("equity")
    returns = equity[1:] / equity[:-1] - 1
    drawdown = 1 - equity / np.maximum.accumulate(equity)
    rewards = []
    for at in range(len(returns)):
        first = max(0, at - RECENT + 1)
        positive = (equity[first : at + 2] > 0).all()
        deviation = returns[first : at + 1].std() if positive else 1.0
        excess = max(0.0, drawdown[at + 1] - FREE_DRAWDOWN)
        rewards.append(returns[at] - 0.5 * deviation - 0.1 * excess)
    catastrophe = equity[1:] < CATASTROPHE
    bounded = np.clip(rewards, CATASTROPHIC_REWARD, -CATASTROPHIC_REWARD)
    expected: NDArray[np.float64] = np.where(catastrophe, CATASTROPHIC_REWARD, bounded)
    return expected
