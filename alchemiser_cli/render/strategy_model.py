"""A strategy's model: its row in the list of models, and all that its passport says."""

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.pipeline.models import StrategyModel
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.trading.strategies.calibration import Forecast
from alchemiser_cli.trading.strategies.model_passport import MODEL_FILE, StrategyPassport

__all__ = ["forecast_cell", "strategy_model_row", "strategy_model_view"]

HASH_SHOWN = 12

_SCORES = ("trades", "won", "log loss", "Brier", "AUC", "ECE")


def forecast_cell(passport: StrategyPassport) -> Cell:
    """Return how good its probabilities are, beside the base rate's."""
    text = f"log loss {passport.metrics.log_loss:.3f}, base {passport.base.log_loss:.3f}"
    return Cell(text, "green" if _beats_base(passport) else "yellow")


def strategy_model_row(passport: StrategyPassport) -> dict[str, object]:
    """Return what the list as JSON says of a strategy's model, beside what it says of every one."""
    return {
        "kind": passport.kind,
        "strategy": passport.strategy,
        "rule": passport.rule,
        "version": passport.version,
        "created_at": passport.created_at,
        "dataset": passport.data.dataset,
        "model_hash": passport.sha256.get(MODEL_FILE),
        "metrics": msgspec.to_builtins(passport.metrics),
        "base": msgspec.to_builtins(passport.base),
        "better_than_base": _beats_base(passport),
    }


def strategy_model_view(model: StrategyModel) -> View:
    """Return all that the passport of a strategy's model says."""
    passport, name = model.passport, model.folder.name
    data = passport.data
    span = f"{_day(data.first_event_time_ns)} to {_day(data.last_event_time_ns)}"
    facts: list[tuple[str, Cell | str]] = [
        ("folder", str(model.folder)),
        ("kind", "model of a strategy: how likely a trade wins"),
        ("strategy", printable(f"{passport.strategy} ({passport.rule})")),
        ("version", printable(passport.version)),
        ("dataset", f"{printable(data.dataset)}, {data.rows:,} rows, {span}"),
        ("symbols", printable(", ".join(data.symbols))),
        ("data hash", printable(data.sha256)),
        ("trades", f"{data.trades:,}, judged after {passport.horizon} rows"),
        ("features", printable(", ".join(passport.features))),
        ("features' hash", printable(passport.feature_schema_hash)),
        ("rule's hash", printable(passport.rule_hash)),
        ("seed", str(passport.seed)),
        ("versions", printable(", ".join(f"{k} {v}" for k, v in passport.versions.items()))),
    ]
    files = [(printable(file), digest[:HASH_SHOWN]) for file, digest in passport.sha256.items()]
    scores = [_scored("model", passport.metrics), _scored("base rate", passport.base)]
    said = (
        "It knows more than the base rate, by log loss and by Brier score."
        if _beats_base(passport)
        else "It knows no more than the base rate: do not rest on it."
    )
    blocks: list[Block] = [
        TableBlock(("model", name), facts),
        TableBlock(
            ("", *_SCORES),
            scores,
            f"On trades that it had not seen, {passport.folds} folds",
            frozenset(_SCORES),
        ),
        TextBlock(said, style="green" if _beats_base(passport) else "yellow"),
        TableBlock(("file", "sha256"), files, title="Files, each as the passport says"),
    ]
    if model.extra:
        names = ", ".join(map(printable, model.extra))
        blocks.append(TextBlock(f"Not in the passport and never read: {names}", style="yellow"))
    document = {
        "name": name,
        "folder": str(model.folder),
        "extra_files": model.extra,
        "better_than_base": _beats_base(passport),
        "passport": msgspec.to_builtins(passport),
    }
    return View(document, blocks)


def _beats_base(passport: StrategyPassport) -> bool:
    model, base = passport.metrics, passport.base
    return model.log_loss < base.log_loss and model.brier < base.brier


def _scored(name: str, scores: Forecast) -> tuple[str, ...]:
    return (
        name,
        f"{scores.trades:,}",
        f"{scores.wins / scores.trades:.1%}" if scores.trades else "-",
        f"{scores.log_loss:.4f}",
        f"{scores.brier:.4f}",
        "-" if scores.roc_auc is None else f"{scores.roc_auc:.3f}",
        f"{scores.calibration_error:.3f}",
    )


def _day(at_ns: int) -> str:
    return iso_from_ns(at_ns // NS_PER_SECOND * NS_PER_SECOND)[:10]
