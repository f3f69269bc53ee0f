"""Compare models by their reports; models that differ in their seeds only count as one."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.rl.evaluation.report import POLICY, EvaluationReport
from alchemiser_cli.rl.evaluation.resampling import Interval, stratified_interval

__all__ = ["Comparison", "Ranked", "compare"]


Floats = NDArray[np.float64]


class Ranked(msgspec.Struct, frozen=True):
    """One way to train, with all models that were trained so."""

    rank: int  # from 1
    models: tuple[str, ...]
    promotable: tuple[str, ...]  # those among them
    settings_hash: str
    sharpe: Interval  # interquartile mean over models, runs and folds
    annual_return: float  # mean over the models, as are the next two
    max_drawdown: float
    deflated_sharpe: float
    ahead_share: float | None  # of the pairs of runs, won against the next in rank; ties count half


class Comparison(msgspec.Struct, frozen=True):
    """The ranking, the best first; ``notes`` say why ranks may mislead."""

    ranking: tuple[Ranked, ...]
    notes: tuple[str, ...]


def compare(reports: Mapping[str, EvaluationReport]) -> Comparison:
    """Rank ``reports``, named by model, by the interquartile mean of their Sharpe ratios.

    Reports with the same settings hash are runs of one way to train: their scores are pooled fold
    by fold. A report without a settings hash stands alone. ``ahead_share`` is the probability of
    improvement over the next in rank.

    Source: Agarwal et al. (2021), Deep RL at the Edge of the Statistical Precipice.
    """
    pooled = [_pooled(group) for group in _groups(reports).values()]
    pooled.sort(key=lambda one: (-one[0].sharpe.value, one[0].models))
    scores = [one[1] for one in pooled]
    ranking = tuple(
        msgspec.structs.replace(
            ranked,
            rank=at + 1,
            ahead_share=_ahead(scores[at], scores[at + 1]) if at + 1 < len(scores) else None,
        )
        for at, (ranked, _) in enumerate(pooled)
    )
    return Comparison(ranking, _notes(reports))


def _groups(
    reports: Mapping[str, EvaluationReport],
) -> dict[tuple[str, object], dict[str, EvaluationReport]]:
    groups: dict[tuple[str, object], dict[str, EvaluationReport]] = {}
    for name, report in reports.items():
        # Folds are strata: what was judged on others cannot be pooled with them.
        rows = tuple((fold.first_row, fold.last_row) for fold in report.folds)
        key = (report.judged.settings_hash or f"only {name}", rows)
        groups.setdefault(key, {})[name] = report
    return groups


def _pooled(group: Mapping[str, EvaluationReport]) -> tuple[Ranked, Floats]:
    reports = list(group.values())
    scores = np.concatenate([np.array(report.scores[POLICY].runs) for report in reports])
    confidence = reports[0].thresholds.confidence
    totals = [report.total[POLICY] for report in reports]
    return Ranked(
        rank=0,
        models=tuple(group),
        promotable=tuple(name for name, report in group.items() if report.verdict.promotable),
        settings_hash=reports[0].judged.settings_hash,
        sharpe=stratified_interval(scores, confidence=confidence, seed=0),
        annual_return=float(np.mean([total.annual_return for total in totals])),
        max_drawdown=float(np.mean([total.max_drawdown for total in totals])),
        deflated_sharpe=float(np.mean([report.deflated_sharpe for report in reports])),
        ahead_share=None,
    ), scores


def _ahead(first: Floats, second: Floats) -> float:
    """Return the share of pairs that ``first`` wins, the mean over the folds both have."""
    folds = min(first.shape[1], second.shape[1])
    gaps = first[:, None, :folds] - second[None, :, :folds]
    return float(np.mean((gaps > 0) + 0.5 * (gaps == 0)))


def _notes(reports: Mapping[str, EvaluationReport]) -> tuple[str, ...]:
    notes = []
    judged = [report.judged for report in reports.values()]
    if len({(one.begins, one.ends, one.steps) for one in judged}) > 1:
        notes.append("The models were judged on different data: ranks compare markets, too.")
    if len({one.initial_balance for one in judged}) > 1:
        notes.append("The models traded different balances: costs weigh differently.")
    if any("not_out_of_sample" in report.verdict.reasons for report in reports.values()):
        notes.append("At least one model was trained on what it was judged on.")
    return tuple(notes)
