"""Evaluation: walk-forward against baselines, with intervals, deflation and a verdict."""

from alchemiser_cli.rl.evaluation.actions import ActionStatistics
from alchemiser_cli.rl.evaluation.baselines import BASELINES, Decide
from alchemiser_cli.rl.evaluation.comparison import Comparison, Ranked, compare
from alchemiser_cli.rl.evaluation.curves import Curves
from alchemiser_cli.rl.evaluation.differences import Difference
from alchemiser_cli.rl.evaluation.evaluate import WalkForward, evaluate, report_on, walk_forward
from alchemiser_cli.rl.evaluation.performance import Account, Performance
from alchemiser_cli.rl.evaluation.report import (
    POLICY,
    EvaluationReport,
    FoldReport,
    Judged,
    Scores,
)
from alchemiser_cli.rl.evaluation.resampling import Interval
from alchemiser_cli.rl.evaluation.verdict import Finding, Thresholds, Verdict

__all__ = [
    "BASELINES",
    "POLICY",
    "Account",
    "ActionStatistics",
    "Comparison",
    "Curves",
    "Decide",
    "Difference",
    "EvaluationReport",
    "Finding",
    "FoldReport",
    "Interval",
    "Judged",
    "Performance",
    "Ranked",
    "Scores",
    "Thresholds",
    "Verdict",
    "WalkForward",
    "compare",
    "evaluate",
    "report_on",
    "walk_forward",
]
