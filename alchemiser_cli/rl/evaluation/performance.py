"""What an account did over some steps, in the numbers that a risk committee asks for."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.rl.evaluation.sharpe import sharpe_ratio

__all__ = ["Account", "Performance", "drawdowns", "measure_performance", "step_returns"]

Floats = NDArray[np.float64]


class Account(msgspec.Struct, frozen=True, eq=False):
    """One account over n steps; the first element of what has n + 1 is before the first step."""

    equity: Floats  # (n + 1,) in units of the account's currency
    positions: Floats  # (n + 1, 10) contracts
    gross: Floats  # (n + 1,) sum of |delta notional| over equity
    net: Floats  # (n + 1,) sum of delta notional over equity
    costs: Floats  # (n,) spread and commission of the step
    premium: Floats  # (n,) value of the contracts that were traded, over equity
    contracts: Floats  # (n,) how many contracts were traded


class Performance(msgspec.Struct, frozen=True):
    """Figures of one account; shares are of 1, so 0.05 is 5 %."""

    steps: int
    total_return: float  # compounded
    annual_return: float  # the same, as a rate a year
    annual_volatility: float
    sharpe: float  # annualised
    max_drawdown: float  # 0.2: 20 % below the peak
    calmar: float | None  # annual return over maximum drawdown; None without a drawdown
    hit_rate: float  # share of the steps with a change of equity that were gains
    turnover: float  # premium traded in a year, over equity
    contracts: int  # traded
    costs: float  # paid for spread and commission, in units of currency
    annual_cost: float  # the same in a year, over the initial balance
    gross_exposure: float  # mean of gross delta notional over equity
    net_exposure: float  # mean of net delta notional over equity
    max_gross_exposure: float


def step_returns(equity: Floats) -> Floats:
    """Return the simple return of each step, (n,) from equity (n + 1,).

    An account at or below zero has lost all: -1 once, and 0 from then on.
    """
    kept = np.maximum.accumulate(equity <= 0)
    alive = np.where(kept, 0.0, equity)
    before = alive[:-1]
    return np.where(before > 0, alive[1:] / np.where(before > 0, before, 1.0) - 1, 0.0)


def drawdowns(equity: Floats) -> Floats:
    """Return 1 - equity / highest equity so far, (n,), from 0 (at the peak) to 1 (all is lost)."""
    peak = np.maximum.accumulate(equity)
    return np.clip(1 - equity / np.where(peak > 0, peak, 1.0), 0.0, 1.0)


def measure_performance(
    account: Account, initial_balance: float, steps_per_year: float
) -> Performance:
    """Measure one account; annual figures use the data's own ``steps_per_year``."""
    returns = step_returns(account.equity)
    steps = len(returns)
    years = max(steps, 1) / steps_per_year
    growth = float(np.prod(1 + returns))
    annual = growth ** (1 / years) - 1 if growth < 1 or years >= 1 else (growth - 1) / years
    deepest = float(drawdowns(np.concatenate([[1.0], np.cumprod(1 + returns)])).max())
    moved = returns != 0
    deviation = float(returns.std(ddof=1)) if steps > 1 else 0.0
    return Performance(
        steps=steps,
        total_return=growth - 1,
        annual_return=annual,
        annual_volatility=deviation * steps_per_year**0.5,
        sharpe=sharpe_ratio(returns, steps_per_year),
        max_drawdown=deepest,
        calmar=annual / deepest if deepest > 0 else None,
        hit_rate=float((returns > 0).sum() / moved.sum()) if moved.any() else 0.0,
        turnover=float(account.premium.sum()) / years,
        contracts=round(float(account.contracts.sum())),
        costs=float(account.costs.sum()),
        annual_cost=float(account.costs.sum()) / initial_balance / years,
        gross_exposure=float(account.gross.mean()),
        net_exposure=float(account.net.mean()),
        max_gross_exposure=float(account.gross.max()),
    )
