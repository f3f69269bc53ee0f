"""The same environment as one writes it first: the yardstick of the benchmark.

NumPy throughout, every part of an observation in a dict, the parts joined into a row, the window
rolled by ``np.roll``. Greeks and indicators are looked up and not computed anew. It meets no faults
of the data and knows no live market; on sound data it gives what ``TradingEnvironment`` gives, to
the last digits.
"""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS, ChainProvider
from alchemiser_cli.market.indicators import indicators
from alchemiser_cli.rl import dynamics as law
from alchemiser_cli.rl.features import COLUMN, market_features
from alchemiser_cli.rl.observation import LIMIT, OBSERVATION_SHAPE, WINDOW
from alchemiser_cli.settings import OptionsSettings

__all__ = ["OrdinaryEnvironment"]

GREEKS_AT = slice(COLUMN["delta_0"], COLUMN["delta_0"] + 50)
Observation = NDArray[np.float32]


class OrdinaryEnvironment(gymnasium.Env[Observation, Observation]):
    """An account that trades ten options, written without a thought of speed."""

    def __init__(self, provider: ChainProvider, options: OptionsSettings) -> None:
        """Look up greeks and indicators of all rows beforehand."""
        self.observation_space = law.observation_space()
        self.action_space = law.action_space()
        self.options = options
        self.table = table = provider.table()
        features = market_features(table, options)
        self.greeks = features[:, GREEKS_AT]
        self.realised = features[:, COLUMN["realised_volatility"]]
        self.indicators = indicators(
            table.spot, table.high, table.low, table.at_the_money_volatility
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin at the row ``options["start"]``, by default the earliest."""
        super().reset(seed=seed)
        self.positions = np.zeros(CONTRACTS)
        self.paid = np.zeros(CONTRACTS)
        self.cash = self.equity = self.peak = self.options.initial_balance
        self.returns: list[float] = []
        self.steps = 0
        self.window = np.zeros(OBSERVATION_SHAPE, np.float32)
        start = (options or {}).get("start", law.FIRST_ROW)
        for self.row in range(start - WINDOW + 1, start + 1):
            self._roll()
        return self.window.copy(), {}

    def step(self, action: Observation) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade at the next row; return what a Gymnasium environment returns."""
        options, table = self.options, self.table
        targets = np.rint(np.clip(action, -1, 1).astype(np.float64) * options.max_contracts)
        self.row += 1
        self.steps += 1
        mid, half = table.mid[self.row], table.half_spread[self.row]
        cost = 0.0
        if table.rolled[self.row]:
            self.cash += options.multiplier * np.dot(self.positions, table.settlement[self.row])
            self.positions, self.paid = np.zeros(CONTRACTS), np.zeros(CONTRACTS)
        else:
            change = targets - self.positions
            spread = options.multiplier * np.sum(np.abs(change) * half)
            cost = spread + options.commission * np.sum(np.abs(change))
            self.cash -= options.multiplier * np.dot(change, mid) + cost
            held = self.positions
            kept = np.clip(targets, np.minimum(held, 0), np.maximum(held, 0))
            share = kept / np.where(held == 0, 1, held)
            self.paid = self.paid * share + (targets - kept) * (mid + np.sign(change) * half)
            self.positions = targets
        before = self.equity
        self.equity = self.cash + options.multiplier * np.dot(self.positions, mid)
        self.peak = max(self.peak, self.equity)
        self.returns.append(self.equity / before - 1)
        drawdown = 1 - self.equity / self.peak
        reward = self.returns[-1] - law.VOLATILITY_WEIGHT * np.std(self.returns[-law.RECENT :])
        reward -= law.DRAWDOWN_WEIGHT * max(0.0, drawdown - law.FREE_DRAWDOWN)
        self._roll()
        terminated = bool(self.equity <= law.RUIN_SHARE * options.initial_balance)
        truncated = self.steps >= options.episode_steps or self.row + 1 >= len(table)
        info = {"row": self.row, "equity": self.equity, "cash": self.cash, "cost": cost}
        return self.window.copy(), float(reward), terminated, truncated and not terminated, info

    def _roll(self) -> None:
        parts = self._parts()
        line = np.concatenate(list(parts.values()))
        self.window = np.roll(self.window, -1, axis=0)
        self.window[-1] = np.clip(line, -LIMIT, LIMIT)

    def _parts(self) -> dict[str, Any]:
        options, table, row = self.options, self.table, self.row
        spot, mid = table.spot[row], table.mid[row]
        value = options.multiplier * np.dot(self.positions, mid)
        delta = table.greeks[row, :, 0]
        exposed = options.multiplier * np.sum(np.abs(self.positions * delta)) * spot
        leverage = np.tanh(law.LEVERAGE_SCALE * exposed / max(self.equity, 1e-6))
        paid = options.multiplier * self.paid.sum()
        return {
            "cash": [self.cash / options.initial_balance],
            "positions": self.positions / options.max_contracts,
            "moneyness": np.log(spot / table.strike[row]),
            "greeks": self.greeks[row],
            "indicators": self.indicators[row],
            "portfolio": [
                (value - paid) / options.initial_balance,
                1 - self.equity / self.peak,
                leverage,
            ],
            "market": [
                self.realised[row],
                table.at_the_money_volatility[row],
                np.log(spot / table.spot[row - 1]),
                np.log(spot / table.strike[row, 0]),
                table.time_to_expiry[row],
            ],
            "progress": [self.steps / options.episode_steps],
        }
