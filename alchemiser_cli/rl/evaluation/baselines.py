"""What a policy must beat: four rules that trade the same contracts, at the same costs and times.

A rule decides as a policy does, from what is known at a row, and its order fills at the next one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.settings import OptionsSettings

if TYPE_CHECKING:
    from alchemiser_cli.rl.vec_env import TradingVecEnv

__all__ = ["BASELINES", "Decide", "buy_and_hold", "delta_hedge", "no_trade", "random_actions"]

# Takes observations float32 (n, 16, 100) and the environments, returns actions float32 (n, 10).
Decide = Callable[[NDArray[np.float32], "TradingVecEnv"], NDArray[np.float32]]

Floats = NDArray[np.float64]

STRIKES = CONTRACTS // 2  # calls first, then puts, both on these strikes
STRADDLE_SHARE = 0.5  # of equity, as the notional of the short straddle


def no_trade(options: OptionsSettings, seed: int) -> Decide:
    """Return the rule that holds nothing."""
    del options, seed

    def decide(observations: NDArray[np.float32], env: "TradingVecEnv") -> NDArray[np.float32]:
        del env
        return np.zeros((len(observations), CONTRACTS), np.float32)

    return decide


def random_actions(options: OptionsSettings, seed: int) -> Decide:
    """Return the rule that draws every action anew, evenly from -1 to 1."""
    del options
    generator = np.random.default_rng(seed)

    def decide(observations: NDArray[np.float32], env: "TradingVecEnv") -> NDArray[np.float32]:
        del env
        return generator.uniform(-1, 1, (len(observations), CONTRACTS)).astype(np.float32)

    return decide


def buy_and_hold(options: OptionsSettings, seed: int) -> Decide:
    """Return the rule that is long the underlying, through synthetic futures until expiry.

    A synthetic is a call less a put on one strike. Flat accounts (at the start, and after each
    expiry) buy as many as make the notional equity, nearest the money first; the next strikes
    take what ``max_contracts`` does not allow there. Then they hold.
    """
    del seed
    most = options.max_contracts

    def decide(observations: NDArray[np.float32], env: "TradingVecEnv") -> NDArray[np.float32]:
        del observations
        rows, held = env.rows, np.asarray(env.positions, np.float64)
        spot = env.table.spot[rows]
        wanted = np.rint(np.maximum(env.equity, 0.0) / (spot * options.multiplier))
        nearest = np.argsort(np.abs(env.table.strike[rows, :STRIKES] - spot[:, None]), axis=1)
        by_rank = np.clip(wanted[:, None] - most * np.arange(STRIKES), 0, most)
        synthetics = np.zeros_like(by_rank)
        np.put_along_axis(synthetics, nearest, by_rank, axis=1)
        bought = np.concatenate([synthetics, -synthetics], axis=1)
        return _actions(np.where(_flat(held)[:, None], bought, held), most)

    return decide


def delta_hedge(options: OptionsSettings, seed: int) -> Decide:
    """Return the rule that is short a straddle nearest the money, its delta hedged each step.

    Flat accounts sell as many straddles as make half of equity in notional, at most half of
    ``max_contracts``; the other half is room for the hedge, a synthetic on the same strike. Both
    are held until expiry.
    """
    del seed
    most = options.max_contracts

    def decide(observations: NDArray[np.float32], env: "TradingVecEnv") -> NDArray[np.float32]:
        del observations
        rows, held = env.rows, np.asarray(env.positions, np.float64)
        spot, each = env.table.spot[rows], np.arange(len(rows))
        flat = _flat(held)
        near = np.argmin(np.abs(env.table.strike[rows, :STRIKES] - spot[:, None]), axis=1)
        used = np.argmax(np.abs(held[:, :STRIKES]) + np.abs(held[:, STRIKES:]), axis=1)
        strike = np.where(flat, near, used)
        affordable = STRADDLE_SHARE * np.maximum(env.equity, 0.0) / (spot * options.multiplier)
        sold = np.clip(np.rint(affordable), 0, max(1, most // 2))
        kept = np.rint(-(held[each, strike] + held[each, strike + STRIKES]) / 2)
        straddles = np.where(flat, sold, kept)
        call = env.table.greeks[rows, strike, 0]
        put = env.table.greeks[rows, strike + STRIKES, 0]
        of_synthetic = np.maximum(call - put, 1e-6)
        hedge = np.rint(straddles * (call + put) / of_synthetic)
        targets = np.zeros((len(rows), CONTRACTS))
        targets[each, strike] = hedge - straddles
        targets[each, strike + STRIKES] = -hedge - straddles
        return _actions(targets, most)

    return decide


BASELINES: dict[str, Callable[[OptionsSettings, int], Decide]] = {
    "no-trade": no_trade,
    "buy-and-hold": buy_and_hold,
    "delta-hedge": delta_hedge,
    "random": random_actions,
}


def _flat(held: Floats) -> NDArray[np.bool_]:
    return np.asarray(~held.any(axis=1))


def _actions(contracts: Floats, most: int) -> NDArray[np.float32]:
    return np.clip(contracts / most, -1, 1).astype(np.float32)
