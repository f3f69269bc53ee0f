"""The training of a strategy's model: each fold beside the base rate, and what came of it."""

from typing import Any

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.trading.strategies.calibration import Forecast
from alchemiser_cli.trading.strategies.training import StrategyTraining

__all__ = ["strategy_training_view"]

_COLUMNS = ("fold", "from", "to", "trained", "purged", "trades", "won")
_SCORES = ("log loss", "base", "Brier", "base Brier", "AUC", "ECE", "base ECE")
_RIGHT = frozenset({"trained", "purged", "trades", "won", *_SCORES})


def strategy_training_view(trained: StrategyTraining) -> View:
    """Return the folds in a table, the pooled scores last, then the model and what it is worth."""
    rows = [
        (
            str(number),
            _day(fold.first_event_time_ns),
            _day(fold.last_event_time_ns),
            f"{fold.trained:,}",
            f"{fold.purged:,}",
            *_scored(fold.model, fold.base),
        )
        for number, fold in enumerate(trained.folds, start=1)
    ]
    first, last = trained.folds[0], trained.folds[-1]
    span = (_day(first.first_event_time_ns), _day(last.last_event_time_ns))
    rows.append(("all", *span, "", "", *_scored(trained.pooled, trained.base)))
    better = trained.better_than_base
    said = (
        "It knows more than the base rate, by log loss and by Brier score."
        if better
        else "It knows no more than the base rate: do not rest on it."
    )
    blocks: list[Block] = [
        TableBlock((*_COLUMNS, *_SCORES), rows, "On trades that it had not seen", _RIGHT),
        TableBlock(("model", trained.model), _facts(trained)),
        TextBlock(said, style="green" if better else "yellow"),
        TextBlock(
            f"To act on it: --set strategies.{trained.strategy}.model={trained.model}, "
            "or name it in the definition."
        ),
    ]
    document: dict[str, Any] = msgspec.to_builtins(trained, enc_hook=str)
    return View(document | {"better_than_base": better}, blocks)


def _facts(trained: StrategyTraining) -> list[tuple[Cell | str, ...]]:
    weights = ", ".join(f"{name} {weight:+.3f}" for name, weight in trained.weights.items())
    taken = f"{trained.taken:,} of {trained.pooled.trades:,}"
    won = f", of which {trained.taken_wins / trained.taken:.1%} won" if trained.taken else ""
    rows = [
        ("strategy", trained.strategy),
        ("data", f"{trained.dataset}, {trained.rows:,} rows of {', '.join(trained.symbols)}"),
        ("trades", f"{trained.trades:,}, {trained.wins:,} won after {trained.horizon} rows"),
        (f"confidence {trained.min_confidence:g} or more", f"{taken}{won}"),
        ("weights", weights),
        ("SHA-256", trained.model_hash),
        ("folder", str(trained.folder)),
    ]
    return [(name, text) for name, text in rows]


def _scored(model: Forecast, base: Forecast) -> tuple[str, ...]:
    return (
        f"{model.trades:,}",
        f"{model.wins / model.trades:.1%}",
        f"{model.log_loss:.4f}",
        f"{base.log_loss:.4f}",
        f"{model.brier:.4f}",
        f"{base.brier:.4f}",
        "-" if model.roc_auc is None else f"{model.roc_auc:.3f}",
        f"{model.calibration_error:.3f}",
        f"{base.calibration_error:.3f}",
    )


def _day(at_ns: int) -> str:
    return iso_from_ns(at_ns // NS_PER_SECOND * NS_PER_SECOND)[:10]
