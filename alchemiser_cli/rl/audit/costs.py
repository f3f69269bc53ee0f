"""Trading never becomes cheaper by dearer fees: the same actions end with less."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl.audit.rollout import play
from alchemiser_cli.rl.audit.subject import Finding, Subject

__all__ = ["rising_costs"]

STEPS = 48
LADDER = (0.0, 1.0, 4.0)  # of the settings' commission and of the chains' half spread
LEAST_COMMISSION = 0.65
LEAST_HALF_SPREAD = 0.05


def rising_costs(subject: Subject) -> Finding:
    """Play the same actions at rising commission, then at rising spread."""
    generator = subject.generator("rising-costs")
    orders = subject.orders(generator, STEPS)
    start = subject.starts(generator, STEPS, 1)[0]
    lost = {}
    for fee in ("commission", "spread"):
        paths = [_equity(subject, orders, start, **{fee: times}) for times in LADDER]
        slack = 1e-12 * abs(paths[0][0])
        for cheap, dear in itertools.pairwise(paths):
            steps = min(len(cheap), len(dear))
            gained = dear[:steps] - cheap[:steps]
            if gained.max() > slack:
                at = int(gained.argmax())
                detail = f"with a dearer {fee} equity is higher by {gained[at]:.6g} at step {at}"
                return Finding(passed=False, detail=detail)
        lost[fee] = paths[0][-1] - paths[-1][-1]
        if lost[fee] <= slack:
            detail = f"a dearer {fee} costs nothing over {STEPS} steps of trading"
            return Finding(passed=False, detail=detail)
    words = " and ".join(f"{lost[fee]:,.0f} by {fee}" for fee in lost)
    return Finding(passed=True, detail=f"the same {STEPS} orders lose {words}")


def _equity(
    subject: Subject,
    orders: NDArray[np.float32],
    start: int,
    *,
    commission: float = 1.0,
    spread: float = 1.0,
) -> NDArray[np.float64]:
    """Return equity at each step, of an account too large to be ruined."""
    options, window = subject.options, subject.window
    held = options.multiplier * options.max_contracts * CONTRACTS
    rich = options.model_copy(
        update={
            "initial_balance": max(options.initial_balance, 10.0 * held * window.spot.max()),
            "commission": commission * max(options.commission, LEAST_COMMISSION),
        }
    )
    half_spread = spread * np.maximum(window.half_spread, LEAST_HALF_SPREAD)
    environment = subject.environment(
        dataclasses.replace(window, half_spread=half_spread), options=rich
    )
    return play(environment, orders, start=start).numbers("equity")
