"""Evaluate a policy: walk forward over held-out data, beside the baselines, and pass a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.market.chains import ChainProvider, ChainTable
from alchemiser_cli.rl.evaluation.actions import non_finite_count
from alchemiser_cli.rl.evaluation.baselines import BASELINES, Decide
from alchemiser_cli.rl.evaluation.curves import draw_curves
from alchemiser_cli.rl.evaluation.differences import paired_differences
from alchemiser_cli.rl.evaluation.folds import (
    Fold,
    Run,
    rows_between,
    runs_within,
    walk_forward_folds,
)
from alchemiser_cli.rl.evaluation.performance import Account, measure_performance, step_returns
from alchemiser_cli.rl.evaluation.report import (
    POLICY,
    EvaluationReport,
    FoldReport,
    Judged,
    Scores,
)
from alchemiser_cli.rl.evaluation.resampling import stratified_interval
from alchemiser_cli.rl.evaluation.rollout import Rollout, joined, roll_out
from alchemiser_cli.rl.evaluation.sharpe import deflated_sharpe_ratio, sharpe_ratio
from alchemiser_cli.rl.evaluation.verdict import DEFAULT_THRESHOLDS, Thresholds, pass_verdict
from alchemiser_cli.rl.quiet import quiet
from alchemiser_cli.settings import OptionsSettings

__all__ = ["SEEDS", "WalkForward", "evaluate", "report_on", "walk_forward"]

SEEDS = (1, 2, 3, 4, 5)
NS_PER_YEAR = 365.25 * 24 * 3600 * 1e9


@dataclass(frozen=True, eq=False)
class WalkForward:
    """The accounts of the policy and of every baseline at full length, by name."""

    folds: tuple[Fold, ...]
    runs: tuple[Run, ...]
    rollouts: Mapping[str, Rollout]
    event_time_ns: NDArray[np.int64]  # of the judged rows, the first to the last
    options: OptionsSettings

    @property
    def steps_per_year(self) -> float:
        """Return how many steps the data have in a year of 365.25 days."""
        span = int(self.event_time_ns[-1]) - int(self.event_time_ns[0])
        return (len(self.event_time_ns) - 1) / max(span / NS_PER_YEAR, 1e-9)

    def whole(self, name: str) -> Account:
        """Return the account of ``name`` over all folds, chained."""
        accounts = self.rollouts[name].accounts[: len(self.folds)]
        return joined(accounts, self.options.initial_balance)


def evaluate(
    decide: Decide,
    provider: ChainProvider,
    options: OptionsSettings,
    *,
    first_row: int,
    trained_rows: tuple[int, int] | None,
    last_row: int | None = None,
    folds: int = 4,
    seeds: Sequence[int] = SEEDS,
    trials: int = 1,
    trial_variance: float | None = None,
    purge_steps: int = 64,
    weights: Mapping[str, NDArray[Any]] | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    model: str = "",
    settings_hash: str = "",
) -> EvaluationReport:
    """Judge ``decide`` on the rows from ``first_row`` to ``last_row`` (None: to the data's end).

    ``trained_rows`` are the rows that training saw, half open, and None only for a rule that saw
    none. ``trials`` is how many policies were tried until this one was chosen;
    ``trial_variance`` that of their Sharpe ratios of one step, where it is known. ``weights``
    are looked through for numbers that are not finite.

    Raises:
        ChainDataError: ``chain-data-insufficient`` where a fold would have fewer than 8 steps.
    """
    walk = walk_forward(
        decide,
        provider,
        options,
        first_row=first_row,
        last_row=last_row,
        folds=folds,
        seeds=seeds,
    )
    return report_on(
        walk,
        trained_rows=trained_rows,
        seeds=seeds,
        trials=trials,
        trial_variance=trial_variance,
        purge_steps=purge_steps,
        weights=weights,
        thresholds=thresholds,
        model=model,
        settings_hash=settings_hash,
    )


def walk_forward(
    decide: Decide,
    provider: ChainProvider,
    options: OptionsSettings,
    *,
    first_row: int,
    last_row: int | None = None,
    folds: int = 4,
    seeds: Sequence[int] = SEEDS,
) -> WalkForward:
    """Let the policy and the baselines trade all folds, and keep their accounts at full length.

    Rows before the environment's first one are left out.

    Raises:
        ChainDataError: ``chain-data-insufficient`` where a fold would have fewer than 8 steps.
    """
    from alchemiser_cli.rl.dynamics import FIRST_ROW

    table: ChainTable = provider.table()
    last = len(table) - 1 if last_row is None else min(last_row, len(table) - 1)
    parts = walk_forward_folds(max(first_row, FIRST_ROW), last, folds)
    runs = runs_within(parts, seeds)
    rules = {name: make(options, 0) for name, make in BASELINES.items()}
    return WalkForward(
        folds=parts,
        runs=runs,
        rollouts=_rollouts({POLICY: decide, **rules}, provider, options, runs),
        event_time_ns=table.event_time_ns[parts[0].first_row : parts[-1].last_row + 1],
        options=options,
    )


def report_on(
    walk: WalkForward,
    *,
    trained_rows: tuple[int, int] | None,
    seeds: Sequence[int],
    trials: int = 1,
    trial_variance: float | None = None,
    purge_steps: int = 64,
    weights: Mapping[str, NDArray[Any]] | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    model: str = "",
    settings_hash: str = "",
) -> EvaluationReport:
    """Measure what the accounts did, and pass the verdict; arguments as for ``evaluate``."""
    per_year, balance = walk.steps_per_year, walk.options.initial_balance
    whole = {name: walk.whole(name) for name in walk.rollouts}
    returns = {name: step_returns(account.equity) for name, account in whole.items()}
    own = returns[POLICY]
    rivals = {name: theirs for name, theirs in returns.items() if name != POLICY}
    differences = paired_differences(own, rivals, per_year, confidence=thresholds.confidence)
    deflated = deflated_sharpe_ratio(own, trials, trial_variance)
    policy = walk.rollouts[POLICY]
    broken = 0 if weights is None else non_finite_count(weights)
    first, last = walk.folds[0].first_row, walk.folds[-1].last_row
    verdict = pass_verdict(
        thresholds,
        non_finite_actions=policy.actions.non_finite_share,
        non_finite_weights=broken,
        saturated_actions=policy.actions.saturated_share,
        edges=[(one.baseline, one.sharpe.low) for one in differences],
        deflated_sharpe=deflated,
        ruined=sum(policy.ruined),
        rows_between=None if trained_rows is None else rows_between(trained_rows, first, last),
        purge_steps=purge_steps,
        steps=last - first,
    )
    return EvaluationReport(
        judged=Judged(
            model=model,
            settings_hash=settings_hash,
            first_row=first,
            last_row=last,
            begins=iso_from_ns(int(walk.event_time_ns[0])),
            ends=iso_from_ns(int(walk.event_time_ns[-1])),
            steps=last - first,
            steps_per_year=per_year,
            initial_balance=balance,
            trained_rows=trained_rows,
            purge_steps=purge_steps,
            seeds=tuple(seeds),
            trials=trials,
        ),
        verdict=verdict,
        thresholds=thresholds,
        total={name: measure_performance(one, balance, per_year) for name, one in whole.items()},
        folds=tuple(_fold_report(walk, at) for at in range(len(walk.folds))),
        scores={name: _scores(walk, name, thresholds.confidence) for name in walk.rollouts},
        differences=differences,
        actions=policy.actions,
        non_finite_weights=broken,
        probabilistic_sharpe=deflated_sharpe_ratio(own, trials=1),
        deflated_sharpe=deflated,
        curves=draw_curves(whole, np.arange(first, last + 1), walk.event_time_ns),
    )


def _fold_report(walk: WalkForward, at: int) -> FoldReport:
    fold, base = walk.folds[at], walk.folds[0].first_row
    balance = walk.options.initial_balance
    return FoldReport(
        first_row=fold.first_row,
        last_row=fold.last_row,
        begins=iso_from_ns(int(walk.event_time_ns[fold.first_row - base])),
        ends=iso_from_ns(int(walk.event_time_ns[fold.last_row - base])),
        ruined=walk.rollouts[POLICY].ruined[at],
        performance={
            name: measure_performance(rollout.accounts[at], balance, walk.steps_per_year)
            for name, rollout in walk.rollouts.items()
        },
    )


def _scores(walk: WalkForward, name: str, confidence: float) -> Scores:
    """Return the Sharpe ratios of all runs as a matrix of runs by folds."""
    ratios = [
        sharpe_ratio(step_returns(account.equity), walk.steps_per_year)
        for account in walk.rollouts[name].accounts
    ]
    matrix = np.array(ratios).reshape(-1, len(walk.folds))
    return Scores(
        runs=tuple(tuple(row) for row in matrix.tolist()),
        interquartile_mean=stratified_interval(matrix, confidence=confidence, seed=0),
    )


def _rollouts(
    rules: Mapping[str, Decide],
    provider: ChainProvider,
    options: OptionsSettings,
    runs: Sequence[Run],
) -> dict[str, Rollout]:
    with quiet():  # a rule that ruins itself is in the report
        return {name: roll_out(rule, provider, options, runs) for name, rule in rules.items()}
