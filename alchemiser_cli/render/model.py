"""Models: all of them in a table, one in full, what a verification proved and a promotion did."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns
from alchemiser_cli.pipeline.models import ListedModel, StrategyModel
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.render.strategy_model import (
    forecast_cell,
    strategy_model_row,
    strategy_model_view,
)
from alchemiser_cli.rl.artefacts import (
    Artefact,
    DataOrigin,
    Passport,
    PromotionOutcome,
    Verification,
)
from alchemiser_cli.rl.tracking import RegistryOutcome
from alchemiser_cli.trading.strategies.model_passport import MODEL_FILE

__all__ = ["inspect_view", "list_view", "promote_view", "verify_view"]

HASH_SHOWN = 12
MEGABYTE = 1_000_000

_RIGHT = frozenset({"size", "bytes"})
_RESULTS = {
    "passed": Cell("passed", "green"),
    "failed": Cell("FAILED", "bold red"),
    "skipped": Cell("skipped", "dim"),
}


def list_view(models: Sequence[ListedModel], models_folder: Path) -> View:
    """Return every model in a row, and beneath what is wrong with those that cannot be read."""
    document = {"folder": str(models_folder), "models": [_list_row(one) for one in models]}
    if not models:
        text = f"No model in {models_folder}.\nTo train one: alchemiser train td3"
        return View(document, [TextBlock(text)])
    rows = [
        (
            Cell(one.summary.name, "bold"),
            *_origin_cells(one),
            _judged_cell(one),
            Cell("promoted", "green") if one.summary.promoted else "",
            _registration_text(one.summary.passport),
            f"{one.summary.bytes / MEGABYTE:,.1f} MB",
        )
        for one in models
    ]
    columns = ("model", "kind", "trained on", "created", "weights", "verdict", "state", "mlflow")
    blocks: list[Block] = [TableBlock((*columns, "size"), rows, right=_RIGHT)]
    summaries = [one.summary for one in models]
    faults = [f"{one.name}: {printable(one.fault)}" for one in summaries if one.fault]
    if faults:
        blocks.append(TextBlock("\n".join(faults), style="red"))
    return View(document, blocks)


def inspect_view(artefact: Artefact | StrategyModel, *, promoted: bool) -> View:
    """Return all that a model's passport says, and what its files hold."""
    if isinstance(artefact, StrategyModel):
        return strategy_model_view(artefact)
    passport, name = artefact.passport, artefact.folder.name
    facts: list[tuple[str, Cell | str]] = [
        ("folder", str(artefact.folder)),
        ("algorithm", printable(f"{passport.algorithm} ({passport.kind})")),
        ("environment", printable(passport.environment)),
        ("created", _moment(passport.created_at)),
        ("run", printable(passport.run_id or "-")),
        *_data_facts(passport.data),
        ("architecture", _pairs(passport.architecture)),
        ("seeds", _pairs(passport.seeds)),
        ("weights", f"{artefact.parameters:,} numbers in {len(artefact.weights)} tensors"),
        ("weights' hash", passport.weights_hash),
        ("observations", passport.observation_schema_hash),
        ("canary", f"{len(artefact.canary.observations)} observations"),
        ("versions", _pairs(passport.versions)),
        ("git revision", printable(passport.git_revision or "-")),
        ("verdict", _verdict_cell(passport)),
        ("promoted", _promotion_cell(passport, promoted=promoted)),
        ("mlflow", _registration_text(passport)),
    ]
    files = [(printable(file), digest[:HASH_SHOWN]) for file, digest in passport.sha256.items()]
    blocks: list[Block] = [
        TableBlock(("model", name), facts),
        TableBlock(("file", "sha256"), files, title="Files, each as the passport says"),
        *_reasons(passport),
    ]
    if artefact.extra:
        names = ", ".join(map(printable, artefact.extra))
        blocks.append(TextBlock(f"Not in the passport and never read: {names}", style="yellow"))
    document = {
        "name": name,
        "folder": str(artefact.folder),
        "promoted": promoted,
        "parameters": artefact.parameters,
        "extra_files": artefact.extra,
        "tensors": [
            {"name": key, "dtype": str(array.dtype), "shape": array.shape}
            for key, array in artefact.weights.items()
        ],
        "passport": msgspec.to_builtins(passport),
    }
    return View(document, blocks)


def verify_view(found: Verification) -> View:
    """Return each proof of a model and what it found."""
    rows = [(one.name, _RESULTS[one.result], printable(one.detail)) for one in found.proofs]
    said = f"{found.model} is whole and acts as it did." if found.passed else "Do not trade on it."
    return View(
        {
            "model": found.model,
            "weights_hash": found.weights_hash,
            "passed": found.passed,
            "code": None if found.failure is None else found.failure.code,
            "proofs": [msgspec.to_builtins(one) for one in found.proofs],
        },
        [
            TableBlock(("proof", "result", "found"), rows, title=f"Model {found.model}"),
            TextBlock(said, style="green" if found.passed else "bold red"),
        ],
    )


def promote_view(done: PromotionOutcome, registry: RegistryOutcome) -> View:
    """Return what a promotion changed, here and in MLflow's registry."""
    against = done.promotion.overridden
    lines = [f"{done.model} is the promoted model" + (", against its verdict." if against else ".")]
    if done.promotion.reason is not None:
        lines.append(f"  reason: {printable(done.promotion.reason)}")
    if done.previous not in (None, done.model):
        lines.append(f"  before: {done.previous}")
    blocks: list[Block] = [TextBlock("\n".join(lines), style="yellow" if against else "green")]
    version = registry.registration
    again = " --override REASON" if against else ""
    if version is not None:
        text = f"MLflow: version {version.version} of {version.name} is the champion."
        blocks.append(TextBlock(text))
    else:
        blocks.append(
            TextBlock(
                f"MLflow: not registered. {printable(registry.problem or '')}\n"
                f"  To try again: alchemiser model promote {done.model}{again}",
                style="yellow",
            )
        )
    document = {
        "model": done.model,
        "previous": done.previous,
        "promotion": msgspec.to_builtins(done.promotion),
        "registry": msgspec.to_builtins(registry),
    }
    return View(document, blocks)


def _list_row(one: ListedModel) -> dict[str, object]:
    summary, passport = one.summary, one.summary.passport
    row: dict[str, object] = {
        "name": summary.name,
        "promoted": summary.promoted,
        "bytes": summary.bytes,
        "fault": summary.fault,
    }
    if one.strategy is not None:
        return row | strategy_model_row(one.strategy)
    if passport is None:
        return row
    return row | {
        "kind": passport.kind,
        "environment": passport.environment,
        "created_at": passport.created_at,
        "dataset": None if passport.data is None else passport.data.dataset,
        "run_id": passport.run_id,
        "weights_hash": passport.weights_hash,
        "verdict": None if passport.verdict is None else msgspec.to_builtins(passport.verdict),
        "registration": (
            None if passport.registration is None else msgspec.to_builtins(passport.registration)
        ),
    }


def _origin_cells(one: ListedModel) -> tuple[str, str, str, str]:
    """Return what it is, what it was trained on, when, and the hash of what it holds."""
    strategy, passport = one.strategy, one.summary.passport
    if strategy is not None:
        dataset, digest = printable(strategy.data.dataset), strategy.sha256.get(MODEL_FILE, "-")
        return strategy.kind, dataset, _moment(strategy.created_at), digest[:HASH_SHOWN]
    if passport is None:
        return printable(one.summary.kind or "-"), "-", "-", "-"
    dataset = printable(passport.environment if passport.data is None else passport.data.dataset)
    created, digest = _moment(passport.created_at), passport.weights_hash[:HASH_SHOWN]
    return passport.kind, dataset, created, digest


def _judged_cell(one: ListedModel) -> Cell:
    if one.strategy is not None:
        return forecast_cell(one.strategy)
    return _verdict_cell(one.summary.passport)


def _verdict_cell(passport: Passport | None) -> Cell:
    if passport is None:
        return Cell("damaged", "bold red")
    if passport.verdict is None:
        return Cell("not evaluated", "yellow")
    return Cell("promotable", "green") if passport.promotable else Cell("not promotable", "red")


def _promotion_cell(passport: Passport, *, promoted: bool) -> Cell:
    promotion = passport.promotion
    if promotion is None:
        return Cell("never")
    text = f"{_moment(promotion.at)} by {printable(promotion.by)}"
    text += "" if promoted else ", not any more"
    if promotion.overridden:
        text += f", against its verdict: {printable(promotion.reason or '')}"
    return Cell(text, "yellow" if promotion.overridden else "green" if promoted else "")


def _reasons(passport: Passport) -> list[Block]:
    reasons = () if passport.verdict is None else passport.verdict.reasons
    if not reasons:
        return []
    lines = "\n".join(f"  {printable(reason)}" for reason in reasons)
    return [TextBlock(f"Not promotable, because:\n{lines}", style="red")]


def _data_facts(data: DataOrigin | None) -> list[tuple[str, Cell | str]]:
    if data is None:
        return []
    held_out = "none" if data.held_out_rows is None else _rows(data.held_out_rows)
    first, last = _day(data.first_event_time_ns), _day(data.last_event_time_ns)
    return [
        ("dataset", f"{printable(data.dataset)}, {data.rows:,} rows, {first} to {last}"),
        ("data hash", data.sha256),
        ("trained rows", _rows(data.trained_rows)),
        ("held-out rows", held_out),
    ]


def _rows(rows: tuple[int, int]) -> str:
    return f"{rows[0]:,} to {rows[1] - 1:,}"


def _registration_text(passport: Passport | None) -> str:
    version = None if passport is None else passport.registration
    return "-" if version is None else printable(f"{version.name} v{version.version}")


def _pairs(values: dict[str, object] | dict[str, int] | dict[str, str]) -> str:
    return printable(", ".join(f"{name} {value}" for name, value in values.items())) or "-"


def _moment(text: str) -> str:
    return printable(text[:19]) + "Z"


def _day(at_ns: int) -> str:
    return iso_from_ns(at_ns // NS_PER_SECOND * NS_PER_SECOND)[:10]
