"""The account, kept a second time: from the chains, the positions and the prices, nothing else."""

import numpy as np

from alchemiser_cli.rl.audit.rollout import Rollout, play
from alchemiser_cli.rl.audit.subject import Actions, Finding, Subject
from alchemiser_cli.rl.observation import FEATURES, LIMIT

__all__ = ["cash_conservation"]

EPISODES = 8
STEPS = 48
FLOAT32 = 1e-5
WORTHLESS = 1e-6  # stands for a mid of zero, by the environment's law for such prices
TOLERANCE = 1e-11  # of the account, far less than one commission


def cash_conservation(subject: Subject) -> Finding:
    """Keep cash, equity and costs anew at each step, across an expiry; they are the account's.

    Equity changes by the profit of the positions that were held, less the costs of the trades.
    """
    generator = subject.generator("cash-conservation")
    environment = subject.environment()
    steps, costs = 0, 0.0
    for start in subject.starts(generator, STEPS, EPISODES):
        orders = subject.orders(generator, STEPS)
        rollout = play(environment, orders, start=start)
        if words := _error(subject, rollout, orders) or _untold(subject, rollout):
            return Finding(passed=False, detail=words)
        steps += len(rollout.rewards)
        costs += sum(float(info["cost"]) for info in rollout.infos[1:])
    return Finding(passed=True, detail=f"{steps} steps and costs of {costs:,.0f} kept anew")


def _error(subject: Subject, rollout: Rollout, orders: Actions) -> str | None:
    options, chains = subject.options, subject.window
    targets = np.rint(orders * options.max_contracts)
    rows = rollout.numbers("row").astype(int)
    positions, equity, cash = (rollout.numbers(key) for key in ("positions", "equity", "cash"))
    mid = np.where(chains.mid > 0, chains.mid, WORTHLESS)
    kept_cash = kept_equity = options.initial_balance
    for step in range(1, len(rows)):
        row, held = rows[step], positions[step - 1]
        if row != rows[step - 1] + 1:
            return f"step {step} went from row {rows[step - 1]} to row {row}"
        if chains.rolled[row]:
            paid = cost = contracts = 0.0
            kept_cash += options.multiplier * float(held @ chains.settlement[row])
            if positions[step].any():
                return f"expired contracts are still held at row {row}"
            worth = chains.settlement[row]
        else:
            if not np.array_equal(positions[step], targets[step - 1]):
                return f"the contracts held at row {row} are not those that were ordered"
            trade = positions[step] - held
            contracts = float(np.abs(trade).sum())
            cost = options.multiplier * float(np.abs(trade) @ chains.half_spread[row])
            cost += options.commission * contracts
            paid = options.multiplier * float(trade @ mid[row])
            worth = mid[row]
        kept_cash -= paid + cost
        profit = options.multiplier * float(held @ (worth - mid[row - 1]))
        kept_equity += profit - cost
        info = rollout.infos[step]
        traded = float(np.abs(info["traded"]).sum())
        for name, told, kept in (
            ("contracts traded", traded, contracts),
            ("cost", float(info["cost"]), cost),
            ("cash", cash[step], kept_cash),
            ("equity", equity[step], kept_equity),
        ):
            if not abs(told - kept) <= TOLERANCE * max(options.initial_balance, abs(kept_cash)):
                return f"{name} at row {row} is {told:.12g}, and {kept:.12g} when kept anew"
    return None


def _untold(subject: Subject, rollout: Rollout) -> str | None:
    """Compare cash and positions of the account with what the observations say of them."""
    options = subject.options
    cash = rollout.numbers("cash") / options.initial_balance
    held = rollout.numbers("positions") / options.max_contracts
    account = np.clip(np.column_stack([cash, held]), -LIMIT, LIMIT)
    told = np.stack([observation[-1] for observation in rollout.observations])
    apart = np.abs(told[:, : account.shape[1]] - account)
    if apart.max() <= FLOAT32:
        return None
    step, column = (int(at) for at in np.unravel_index(apart.argmax(), apart.shape))
    said = f"{told[step, column]:.9g}, and the account has {account[step, column]:.9g}"
    return f"{FEATURES[column].name} of observation {step} is {said}"
