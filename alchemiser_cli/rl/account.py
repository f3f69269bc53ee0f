"""One account that trades ten options: cash, positions, what they cost, and the reward of a step.

The arithmetic is that of ``alchemiser_cli.rl.accounts``, in plain floats and in the same order, so
that one account and a row of many are the same numbers.
"""

from math import inf, nan, sqrt

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl import dynamics as law
from alchemiser_cli.rl.data_events import DataEvents
from alchemiser_cli.settings import OptionsSettings

__all__ = ["Account"]

NONE = [0] * CONTRACTS
NEVER = -law.RECENT - 1  # a step so long ago that no recent value is of it


class Account:
    """An account in one episode; ``cash`` and ``equity`` in the currency of the options' prices.

    ``positions`` are contracts, ``paid`` what one unit of each position cost times its contracts,
    spread included and commission not. ``gross`` is the size of all positions' exposure to spot,
    ``unrealised`` the positions' gain as a share of the initial balance. ``cost`` (spread and
    commission) and ``traded`` (contracts) are of the last step.
    """

    def __init__(self, options: OptionsSettings, events: DataEvents) -> None:
        """Open an account with the initial balance of ``options``."""
        self._initial = options.initial_balance
        self._multiplier = float(options.multiplier)
        self._commission = options.commission
        self._events = events
        self.begin()

    def begin(self) -> None:
        """Begin an episode: the initial balance in cash, and no positions."""
        self.cash = self.equity = self.peak = self._initial
        self.positions = NONE
        self.paid = [0.0] * CONTRACTS
        self.cost = 0.0
        self.traded = 0
        self.gross = 0.0
        self.unrealised = 0.0
        self.drawdown = 0.0
        self.steps = 0
        self._returns: list[float] = []
        self._bad_value_step = NEVER
        self._bad_return_step = NEVER

    def settle(self, settlement: list[float]) -> None:
        """Take what the expired contracts pay in cash; nothing is held or traded afterwards."""
        value = 0.0
        for held, payment in zip(self.positions, settlement, strict=True):
            value += held * payment
        self.cash += self._multiplier * value
        self.positions = NONE
        self.paid = [0.0] * CONTRACTS
        self.cost = 0.0
        self.traded = 0

    def trade(self, targets: list[int], mid: list[float], half_spread: list[float]) -> None:
        """Trade to ``targets`` (contracts), each unit at ``mid`` plus or minus ``half_spread``."""
        bought = spread = 0.0
        traded = 0
        paid = self.paid
        orders = zip(self.positions, targets, mid, half_spread, strict=True)
        for i, (held, target, price, half) in enumerate(orders):
            if target == held:
                continue
            change = target - held
            bought += change * price
            if change > 0:
                fill, size = price + half, change
            else:
                fill, size = price - half, -change
            spread += size * half
            traded += size
            if held * target <= 0:  # opened, closed or turned round
                paid[i] = target * fill
            elif target * change > 0:  # more of it
                paid[i] += change * fill
            else:  # less of it
                paid[i] *= target / held
        self.cost = self._multiplier * spread + self._commission * traded
        self.cash -= self._multiplier * bought
        self.cash -= self.cost
        self.positions = targets
        self.traded = traded

    def value(self, mid: list[float], notional: list[float]) -> float:
        """Take over what the account is worth at ``mid``; return the return of equity.

        ``notional`` is the exposure to spot of one unit of each contract, for ``gross``. Equity of
        zero before gives NaN; it is the reward's to judge.
        """
        value = paid = gross = 0.0
        for held, price, cost, unit in zip(self.positions, mid, self.paid, notional, strict=True):
            if held:
                value += held * price
                paid += cost
                gross += (held if held > 0 else -held) * unit
        before = self.equity
        self.gross = self._multiplier * gross
        self.equity = equity = self.cash + self._multiplier * value
        self.peak = max(equity, self.peak)
        self.drawdown = 1.0 - equity / self.peak
        self.unrealised = self._multiplier * (value - paid) / self._initial
        return equity / before - 1.0 if before else nan

    def reward(self, before: float, gained: float) -> float:
        """Return the reward of a step that took equity from ``before`` by the return ``gained``.

        It is ``gained`` - 0.5 x the deviation of the last 20 returns - 0.1 x the drawdown beyond
        10 %, within -100 .. 100. The deviation counts as 1 where one of those returns is not
        finite or one of their values is not positive. After equity of zero, and with equity below
        -1e9, it is -100.
        """
        self.steps = step = self.steps + 1
        events = self._events
        equity = self.equity
        finite = -inf < gained < inf
        self._remember(step, gained if finite else 0.0)
        if not equity >= law.CATASTROPHE:
            events.note("trading_env_balance_catastrophic_negative", equity=equity)
            return law.WORST_REWARD
        if not (before > 0 and equity > 0):
            self._bad_value_step = step
        if before == 0:
            events.note("trading_env_reward_div_by_zero", equity=equity)
            return law.WORST_REWARD
        if not finite:
            self._bad_return_step = step
        volatility = self._volatility(step)
        excess = self.drawdown - law.FREE_DRAWDOWN
        reward = gained if finite else 0.0
        reward -= law.VOLATILITY_WEIGHT * volatility
        if excess > 0:
            reward -= law.DRAWDOWN_WEIGHT * excess
        return min(max(reward, -law.REWARD_LIMIT), law.REWARD_LIMIT)

    @property
    def ended(self) -> bool:
        """Whether equity is half of the initial balance or less, or no number."""
        return not self.equity > law.RUIN_SHARE * self._initial

    def _remember(self, step: int, gained: float) -> None:
        if len(self._returns) < law.RECENT:
            self._returns.append(gained)
        else:
            self._returns[(step - 1) % law.RECENT] = gained

    def _volatility(self, step: int) -> float:
        bad = False
        if step - self._bad_value_step < law.RECENT:
            self._events.note("trading_env_reward_non_positive_recent_values", equity=self.equity)
            bad = True
        if step - self._bad_return_step < law.RECENT:
            self._events.note("trading_env_reward_returns_nan_or_inf", equity=self.equity)
            bad = True
        if bad:
            return 1.0
        total = squares = 0.0
        for gained in self._returns:
            total += gained
            squares += gained * gained
        count = len(self._returns)
        mean = total / count
        variance = squares / count - mean * mean
        if variance < inf:
            return sqrt(variance) if variance > 0 else 0.0
        return inf
