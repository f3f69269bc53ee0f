"""Many accounts side by side: the arithmetic of ``alchemiser_cli.rl.account`` in NumPy.

Contracts run along the first axis and accounts along the last, and are added contract after
contract, as a single account does: the numbers are the same, bit for bit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl import dynamics as law
from alchemiser_cli.rl.data_events import DataEvents
from alchemiser_cli.settings import OptionsSettings

__all__ = ["Accounts", "added"]

NEVER = -law.RECENT - 1

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Accounts:
    """Accounts of n episodes: ``cash``, ``equity``, ``peak``, ``cost``, ``traded`` float64 (n,).

    ``positions`` and ``paid`` are float64 (10, n), ``steps`` int64 (n,). The meanings are those of
    ``Account``. What overflows or divides by zero is dealt with here: callers switch NumPy's
    warnings of it off.
    """

    STATE = (
        *("cash", "equity", "peak", "positions", "paid", "cost", "traded", "gross", "unrealised"),
        *("drawdown", "steps", "returns", "bad_value_step", "bad_return_step"),
    )

    def __init__(self, options: OptionsSettings, count: int, events: DataEvents) -> None:
        """Open ``count`` accounts with the initial balance of ``options``."""
        self._initial = options.initial_balance
        self._multiplier = float(options.multiplier)
        self._commission = options.commission
        self._events = events
        self._count = count
        self._each = np.arange(count)
        self.cash = np.full(count, self._initial)
        self.equity, self.peak = self.cash.copy(), self.cash.copy()
        self.positions, self.paid = np.zeros((2, CONTRACTS, count))
        self.cost, self.traded, self.unrealised, self.drawdown, self.gross = np.zeros((5, count))
        self.steps = np.zeros(count, np.int64)
        self.returns = np.zeros((law.RECENT, count))
        self.bad_value_step, self.bad_return_step = np.full((2, count), NEVER)
        self._troubled = False  # whether a recent value or return of an account is bad

    def begin(self, which: Indices) -> None:
        """Begin episodes of the accounts ``which``: the initial balance in cash, no positions."""
        for amount in (self.cash, self.equity, self.peak):
            amount[which] = self._initial
        for nothing in (self.cost, self.traded, self.unrealised, self.drawdown, self.steps):
            nothing[which] = 0
        for table in (self.positions, self.paid, self.returns):
            table[:, which] = 0.0
        for step in (self.bad_value_step, self.bad_return_step):
            step[which] = NEVER

    def settle(self, which: Indices, settlement: Floats) -> None:
        """Pay what expired contracts are worth (10, accounts) in cash to the accounts ``which``."""
        worth = np.multiply(self.positions[:, which], settlement, order="C")
        self.cash[which] += self._multiplier * added(worth)
        self.positions[:, which] = 0.0
        self.paid[:, which] = 0.0

    def trade(self, targets: Floats, mid: Floats, half_spread: Floats) -> None:
        """Trade to ``targets`` (10, n), each unit at ``mid`` plus or minus ``half_spread``."""
        held, paid = self.positions, self.paid
        change = targets - held
        size = np.abs(change)
        self.traded = added(size)
        spread = added(size * half_spread)
        self.cost = self._multiplier * spread + self._commission * self.traded
        self.cash -= self._multiplier * added(change * mid)
        self.cash -= self.cost
        fill = np.copysign(half_spread, change, out=size)
        fill += mid
        kept = np.minimum(held, 0.0)
        np.maximum(kept, targets, out=kept)
        np.minimum(kept, np.maximum(held, 0.0), out=kept)
        fill *= np.subtract(targets, kept, out=change)
        held += held == 0.0  # what nobody holds any more
        kept /= held
        paid *= kept
        paid += fill
        self.positions = targets

    def value(self, mid: Floats, notional: Floats) -> Floats:
        """Take over what the accounts are worth at ``mid`` (10, n); return the returns of equity.

        ``notional`` (10, n) is the exposure to spot of one unit. Equity of zero before gives no
        finite number; it is the reward's to judge.
        """
        before = self.equity
        value = added(self.positions * mid)
        self.gross = self._multiplier * added(np.abs(self.positions) * notional)
        self.equity = self.cash + self._multiplier * value
        self.peak = np.maximum(self.equity, self.peak)
        self.drawdown = 1.0 - self.equity / self.peak
        value -= added(self.paid)
        self.unrealised = self._multiplier * value / self._initial
        gained: Floats = self.equity / before - 1.0
        return gained

    def reward(self, before: Floats, gained: Floats) -> Floats:
        """Return the rewards (n,) of a step, as ``Account.reward`` does."""
        self.steps += 1
        finite = np.isfinite(gained)
        sound = finite & (before > 0) & (self.equity > 0)
        all_sound = bool(sound.all())
        if not all_sound:
            gained = np.where(finite, gained, 0.0)
        self.returns[(self.steps - 1) % law.RECENT, self._each] = gained
        volatility = self._deviation()
        stopped = None
        if self._troubled or not all_sound:
            stopped = self._judge(before, finite, volatility)
        excess = self.drawdown - law.FREE_DRAWDOWN
        reward = gained - law.VOLATILITY_WEIGHT * volatility
        reward -= law.DRAWDOWN_WEIGHT * np.where(excess > 0, excess, 0.0)
        np.minimum(reward, law.REWARD_LIMIT, out=reward)
        np.maximum(reward, -law.REWARD_LIMIT, out=reward)
        if stopped is not None:
            reward[stopped] = law.WORST_REWARD
        return reward

    @property
    def ended(self) -> Flags:
        """Whether equity is half of the initial balance or less, or no number: bool (n,)."""
        return ~(self.equity > law.RUIN_SHARE * self._initial)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return copies of all arrays by name."""
        return {name: getattr(self, name).copy() for name in self.STATE}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``, which accounts of the same number gave."""
        for name in self.STATE:
            setattr(self, name, np.array(state[name], getattr(self, name).dtype))
        self._troubled = True  # found out at the next step

    def _deviation(self) -> Floats:
        """Return the deviation (n,) of each account's last returns, at most 20."""
        count = np.minimum(self.steps, law.RECENT)
        mean = added(self.returns) / count
        variance = added(self.returns * self.returns) / count
        variance -= mean * mean
        deviation = np.sqrt(np.maximum(variance, 0.0))
        return np.where(variance < np.inf, deviation, np.inf)

    def _judge(self, before: Floats, finite: Flags, volatility: Floats) -> Flags:
        """Note what is wrong, set ``volatility`` to 1 there; return who gets the worst reward."""
        note, steps = self._events.note, self.steps
        catastrophe = ~(self.equity >= law.CATASTROPHE)
        from_zero = ~catastrophe & (before == 0)
        judged = ~(catastrophe | from_zero)
        self.bad_value_step = np.where(
            ~catastrophe & ~((before > 0) & (self.equity > 0)), steps, self.bad_value_step
        )
        self.bad_return_step = np.where(judged & ~finite, steps, self.bad_return_step)
        bad_value = judged & (steps - self.bad_value_step < law.RECENT)
        bad_return = judged & (steps - self.bad_return_step < law.RECENT)
        volatility[bad_value | bad_return] = 1.0
        note("trading_env_balance_catastrophic_negative", int(catastrophe.sum()))
        note("trading_env_reward_div_by_zero", int(from_zero.sum()))
        note("trading_env_reward_non_positive_recent_values", int(bad_value.sum()))
        note("trading_env_reward_returns_nan_or_inf", int(bad_return.sum()))
        last = np.maximum(self.bad_value_step, self.bad_return_step)
        self._troubled = bool((steps - last < law.RECENT).any())
        stopped: Flags = ~judged
        return stopped


def added(parts: Floats) -> Floats:
    """Return the sums (n,) over the first axis of ``parts``, added one after another."""
    if parts.shape[1] > 1 and parts.flags.c_contiguous:
        reduced: Floats = np.add.reduce(parts, axis=0)
        return reduced
    total: Floats = parts[0].copy()  # NumPy would add the numbers of one account in another order
    for part in parts[1:]:
        total += part
    return total
