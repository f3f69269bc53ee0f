"""Let a policy or a rule trade all runs side by side, and keep what each account did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS, ChainProvider, ChainTable
from alchemiser_cli.rl.evaluation.actions import ActionStatistics, measure_actions
from alchemiser_cli.rl.evaluation.baselines import Decide
from alchemiser_cli.rl.evaluation.folds import Run
from alchemiser_cli.rl.evaluation.performance import Account, step_returns
from alchemiser_cli.settings import OptionsSettings

if TYPE_CHECKING:
    from alchemiser_cli.rl.vec_env import TradingVecEnv

__all__ = ["Rollout", "joined", "roll_out"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rollout:
    """Every account of one policy, in the order of the runs, and how it acted."""

    accounts: tuple[Account, ...]
    ruined: tuple[bool, ...]
    actions: ActionStatistics


@dataclass(frozen=True, eq=False)
class _Record:
    """What is kept of m accounts over n steps; before the first step and after each."""

    equity: Floats  # (n + 1, m)
    positions: Floats  # (n + 1, m, 10)
    costs: Floats  # (n, m)
    actions: NDArray[np.float32]  # (n, m, 10), as they were decided
    decided: NDArray[np.bool_]  # (n, m) whether the account still traded


def roll_out(
    decide: Decide, provider: ChainProvider, options: OptionsSettings, runs: Sequence[Run]
) -> Rollout:
    """Trade ``runs`` at once, each from a flat account with the initial balance.

    An action that is not finite is counted and trades as 0. A ruined account keeps what it had
    left to the end of its run.
    """
    from alchemiser_cli.rl.vec_env import TradingVecEnv

    env = TradingVecEnv(provider, options, len(runs), random_start=False, seed=0)
    try:
        record, ruined = _record(decide, env, runs, options)
        table = env.table
    finally:
        env.close()
    accounts = tuple(
        _account(record, at, run, table, options.multiplier) for at, run in enumerate(runs)
    )
    return Rollout(
        accounts, tuple(ruined.tolist()), measure_actions(record.actions[record.decided])
    )


def joined(accounts: Sequence[Account], initial_balance: float) -> Account:
    """Chain consecutive accounts into one, as if each fold went on with the equity of the last.

    Equity is compounded from each account's returns; costs stay as they were paid.
    """
    returns = np.concatenate([step_returns(account.equity) for account in accounts])
    first, rest = accounts[0], accounts[1:]
    return Account(
        equity=initial_balance * np.concatenate([[1.0], np.cumprod(1 + returns)]),
        positions=np.concatenate([first.positions, *(one.positions[1:] for one in rest)]),
        gross=np.concatenate([first.gross, *(one.gross[1:] for one in rest)]),
        net=np.concatenate([first.net, *(one.net[1:] for one in rest)]),
        costs=np.concatenate([one.costs for one in accounts]),
        premium=np.concatenate([one.premium for one in accounts]),
        contracts=np.concatenate([one.contracts for one in accounts]),
    )


def _record(
    decide: Decide, env: "TradingVecEnv", runs: Sequence[Run], options: OptionsSettings
) -> tuple[_Record, NDArray[np.bool_]]:
    count = len(runs)
    lengths = np.array([run.last_row - run.first_row for run in runs])
    steps = int(lengths.max())
    record = _Record(
        equity=np.full((steps + 1, count), options.initial_balance),
        positions=np.zeros((steps + 1, count, CONTRACTS)),
        costs=np.zeros((steps, count)),
        actions=np.zeros((steps, count, CONTRACTS), np.float32),
        decided=np.zeros((steps, count), bool),
    )
    ruined = np.zeros(count, bool)
    active = np.ones(count, bool)
    observations = env.start_at(np.array([run.first_row for run in runs]), steps)
    for step in range(steps):
        actions = np.asarray(decide(observations, env), np.float32)
        record.actions[step], record.decided[step] = actions, active
        sound = np.nan_to_num(actions, nan=0.0, posinf=0.0, neginf=0.0)
        env.step_async(sound)
        observations, _, dones, infos = env.step_wait()
        equity, costs = env.equity.copy(), env.costs.copy()
        positions = np.asarray(env.positions, np.float64).copy()
        for at in np.flatnonzero(dones):  # these accounts were begun anew already
            info = infos[at]
            equity[at], costs[at], positions[at] = info["equity"], info["cost"], info["positions"]
            ruined[at] |= active[at] and not info["TimeLimit.truncated"]
        record.equity[step + 1] = np.where(active, equity, record.equity[step])
        record.positions[step + 1] = np.where(active[:, None], positions, 0.0)
        record.costs[step] = np.where(active, costs, 0.0)
        active &= ~np.asarray(dones) & (step + 1 < lengths)
    return record, ruined


def _account(record: _Record, at: int, run: Run, table: ChainTable, multiplier: int) -> Account:
    steps = run.last_row - run.first_row
    rows = slice(run.first_row, run.last_row + 1)
    equity = record.equity[: steps + 1, at]
    positions = record.positions[: steps + 1, at]
    notional = positions * table.greeks[rows, :, 0] * table.spot[rows, None] * multiplier
    worth = np.maximum(equity, 1e-9 * equity[0])
    # Contracts that expired were settled, not traded.
    before = np.where(table.rolled[rows, None][1:], 0.0, positions[:-1])
    traded = np.abs(positions[1:] - before) * record.decided[:steps, at, None]
    value = (traded * table.mid[rows][1:]).sum(axis=1) * multiplier
    return Account(
        equity=equity,
        positions=positions,
        gross=np.abs(notional).sum(axis=1) / worth,
        net=notional.sum(axis=1) / worth,
        costs=record.costs[:steps, at],
        premium=value / worth[1:],
        contracts=traded.sum(axis=1),
    )
