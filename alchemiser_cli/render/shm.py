"""Segments of shared memory: all of them in a table, and what a repair, rollback or drill did."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from alchemiser_cli.clock import duration_text
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.render.segment import inspect_view, reader_rows, writer_row
from alchemiser_cli.render.segment_words import VERDICTS, freshness_cell, size_text, writer_cell
from alchemiser_cli.shm import Diagnosis, RepairOutcome, RepairPlan, RollbackOutcome
from alchemiser_cli.shm.drill import DrillResult

__all__ = ["drill_view", "inspect_view", "repair_view", "rollback_view", "status_view"]


def status_view(found: Sequence[Diagnosis], directory: Path) -> View:
    """Return each segment in a row, and beneath what was found."""
    document = {"directory": str(directory), "segments": [_status_row(one) for one in found]}
    if not found:
        text = (
            f"No segment in {directory}: no writer has published there yet.\n"
            "To try the bus on a scratch segment: alchemiser shm drill"
        )
        return View(document, [TextBlock(text)])
    rows = [
        (
            Cell(printable(one.facts.name), "bold"),
            VERDICTS[one.judgement.verdict],
            freshness_cell(one.freshness),
            "-" if one.facts.generation is None else f"{one.facts.generation:,}",
            "-" if one.facts.age_s is None else duration_text(one.facts.age_s),
            writer_cell(one.writer),
            _readers_cell(one),
            size_text(one.facts.size),
            Cell(f"{one.facts.mode:04o}", "" if one.facts.mode == 0o600 else "yellow"),
        )
        for one in found
    ]
    columns = ("segment", "verdict", "state", "gen", "age", "writer", "readers", "size", "mode")
    table = TableBlock(columns, rows, right=frozenset({"gen", "age", "size"}))
    return View(document, [table, *_advice(found)])


def repair_view(
    plan: RepairPlan, outcome: RepairOutcome | None, *, adopt: bool = False, prune: bool = False
) -> View:
    """Return the plan, made with the options ``adopt`` and ``prune``, or what was done."""
    plan = plan if outcome is None else outcome.plan
    judgement = plan.judgement
    document = {
        **msgspec.to_builtins(plan),
        "applied": outcome is not None,
        "copy": None if outcome is None else outcome.copy,
        "generation": None if outcome is None else outcome.generation,
    }
    verdict = VERDICTS[judgement.verdict]
    word = "an orphan" if judgement.verdict == "orphan" else verdict.text
    lines = [f"{printable(plan.segment)} is {word}."]
    lines += [f"  {printable(finding)}" for finding in judgement.findings]
    blocks: list[Block] = [TextBlock("\n".join(lines), style=verdict.style)]
    if plan.steps:
        steps = [(str(at), one.action, one.words) for at, one in enumerate(plan.steps, 1)]
        title = "Plan" if outcome is None else "Done"
        blocks.append(TableBlock(("#", "step", "what"), steps, title=title))
    if plan.offers:
        blocks.append(TextBlock("An option adds:\n" + "\n".join(f"  {one}" for one in plan.offers)))
    blocks.append(TextBlock(_conclusion(plan, outcome, adopt=adopt, prune=prune)))
    return View(document, blocks)


def rollback_view(done: RollbackOutcome) -> View:
    """Return from which generation to which a segment went."""
    text = (
        f"{done.segment}: generation {done.generation:,} is published now, with the content of "
        f"{done.source:,}. Before, it was {done.before:,}."
    )
    return View(msgspec.to_builtins(done), [TextBlock(text, style="green")])


def drill_view(result: DrillResult) -> View:
    """Return what a drill counted and measured."""
    kills = f"{result.kills:,}" + (f" of {result.wanted:,}" if result.interrupted else "")
    rows: list[tuple[str, Cell | str]] = [
        ("writers killed", kills),
        ("  of them in the middle of a write", f"{result.mid_write:,}"),
        ("weights", size_text(result.bytes)),
        ("generations published", f"{result.last_generation:,}"),
        ("reads verified", f"{result.reads:,}"),
        ("torn reads", _bad(result.torn_reads)),
        ("reads that went back", _bad(result.went_back)),
        ("generations refused", _bad(result.refusals)),
        ("retries of the reader", f"{result.retries:,}"),
        ("copies discarded by checksum", f"{result.checksum_failures:,}"),
        ("recovery, median", _ms(result.recovery_p50_ms)),
        ("recovery, longest", _ms(result.recovery_max_ms)),
        ("longest look of the reader", _ms(result.longest_poll_ms)),
        ("segment at the end", VERDICTS[result.verdict]),
    ]
    passed = Cell("passed", "bold green") if result.passed else Cell("FAILED", "bold red")
    said = f"Drill {passed.text}." + (" It was interrupted." if result.interrupted else "")
    return View(
        {**msgspec.to_builtins(result), "passed": result.passed},
        [
            TableBlock(("drill", "value"), rows, right=frozenset({"value"})),
            TextBlock(said, style=passed.style),
        ],
    )


def _status_row(one: Diagnosis) -> dict[str, object]:
    facts = one.facts
    return {
        "name": facts.name,
        "verdict": one.judgement.verdict,
        "state": one.freshness,
        "generation": facts.generation,
        "age_s": facts.age_s,
        "writer": writer_row(one),
        "readers": reader_rows(one),
        "bytes": facts.size,
        "mode": f"{facts.mode:04o}",
        "findings": one.judgement.findings,
        "next_step": one.judgement.next_step,
    }


def _advice(found: Sequence[Diagnosis]) -> list[Block]:
    lines = []
    for one in found:
        if one.judgement.verdict != "healthy":
            name = printable(one.facts.name)
            lines += [f"{name}: {printable(finding)}" for finding in one.judgement.findings]
            lines.append(f"  {one.judgement.next_step}")
    return [TextBlock("\n".join(lines))] if lines else []


def _readers_cell(one: Diagnosis) -> Cell:
    living = [reader for reader in one.facts.readers if reader.alive is not False]
    dead = len(one.facts.readers) - len(living)
    lag = max((max(0, (one.facts.generation or 0) - each.generation) for each in living), default=0)
    parts = [str(len(living))]
    if lag:
        parts.append(f"lag {lag:,}")
    if dead:
        parts.append(f"{dead} dead")
    return Cell(", ".join(parts), "yellow" if lag or dead else "")


def _conclusion(
    plan: RepairPlan, outcome: RepairOutcome | None, *, adopt: bool, prune: bool
) -> str:
    idle = plan.judgement.verdict == "degraded" and not plan.offers
    if plan.refused is not None:
        return f"Refused: {printable(plan.refused)}."
    if outcome is not None and outcome.copy is not None:
        now = "none" if outcome.generation is None else f"{outcome.generation:,}"
        return f"Published generation now: {now}. The file as it was found: {outcome.copy}"
    if not plan.steps:
        return "A repair has nothing to do." + (" Start its writer again." if idle else "")
    options = " --adopt" * adopt + " --prune" * prune
    return (
        "Nothing was changed. To do it: "
        f"alchemiser shm repair {printable(plan.segment)}{options} --apply"
    )


def _bad(number: int) -> Cell:
    return Cell(f"{number:,}", "bold red" if number else "green")


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
