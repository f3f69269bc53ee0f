"""The evaluation report: what a policy did on data that it never saw, and what that is worth."""

import msgspec

from alchemiser_cli.rl.evaluation.actions import ActionStatistics
from alchemiser_cli.rl.evaluation.curves import Curves
from alchemiser_cli.rl.evaluation.differences import Difference
from alchemiser_cli.rl.evaluation.performance import Performance
from alchemiser_cli.rl.evaluation.resampling import Interval
from alchemiser_cli.rl.evaluation.verdict import Thresholds, Verdict

__all__ = ["POLICY", "EvaluationReport", "FoldReport", "Judged", "Scores"]

POLICY = "policy"  # the policy's name among the baselines'


class Judged(msgspec.Struct, frozen=True):
    """What was judged, and how."""

    model: str
    settings_hash: str  # models that share it differ in their seeds only
    first_row: int
    last_row: int
    begins: str  # ISO 8601, UTC
    ends: str
    steps: int
    steps_per_year: float
    initial_balance: float
    trained_rows: tuple[int, int] | None  # half open; None for a rule, which saw no data
    purge_steps: int
    seeds: tuple[int, ...]
    trials: int


class FoldReport(msgspec.Struct, frozen=True):
    """One fold: every account starts flat, with the initial balance."""

    first_row: int
    last_row: int
    begins: str
    ends: str
    ruined: bool
    performance: dict[str, Performance]  # of the policy and of each baseline


class Scores(msgspec.Struct, frozen=True):
    """Annualised Sharpe ratios of all runs, and their interquartile mean."""

    runs: tuple[tuple[float, ...], ...]  # a row a run (the whole folds first), a column a fold
    interquartile_mean: Interval


class EvaluationReport(msgspec.Struct, frozen=True):
    """Everything that a verdict rests on, as JSON takes it; no number in it is NaN or infinite."""

    judged: Judged
    verdict: Verdict
    thresholds: Thresholds
    total: dict[str, Performance]  # all folds chained, of the policy and of each baseline
    folds: tuple[FoldReport, ...]
    scores: dict[str, Scores]
    differences: tuple[Difference, ...]
    actions: ActionStatistics
    non_finite_weights: int
    probabilistic_sharpe: float  # probability of a true Sharpe ratio above 0
    deflated_sharpe: float  # the same, given that it is the best of all trials
    curves: Curves
