"""The score card of a drill: a row a fault, and below it what failed and whom that accuses."""

from collections.abc import Iterator
from typing import Any

import msgspec

from alchemiser_cli.chaos.drill import ChaosDrill, Score
from alchemiser_cli.chaos.verdicts.verdict import FaultVerdict, Finding, Question
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.chaos_run import accusations, troubles
from alchemiser_cli.render.foreign_text import printable

__all__ = ["chaos_drill_view"]

_COLUMNS = ("experiment, faults", "seen", "told", "steady", "lost", "twice", "done")
_RIGHT = frozenset(_COLUMNS[1:])


def chaos_drill_view(drill: ChaosDrill) -> View:
    """Return the score card, times in seconds after the fault; a dash was not asked."""
    rows = [row for score in drill.scores for row in _rows(score)]
    blocks: list[Block] = [TableBlock(_COLUMNS, rows, right=_RIGHT)]
    if lines := [line for score in drill.scores for line in _failures(score)]:
        blocks.append(TextBlock("\n".join(lines), style="yellow"))
    if drill.left_out:
        blocks.append(TextBlock(f"Interrupted; not run: {', '.join(drill.left_out)}."))
    blocks.append(_conclusion(drill))
    return View(_document(drill), blocks)


def _rows(score: Score) -> Iterator[tuple[Cell | str, ...]]:
    """Yield a row for the experiment with its verdict, and one for each fault below it."""
    style = "bold green" if score.passed else "bold red"
    verdict = "passed" if score.passed else "FAILED"
    if score.skipped:
        style, verdict = "yellow", "skipped"
    yield (Cell(f"{score.name}: {verdict}", style), *("",) * 6)
    for fault in [] if score.journal is None else score.journal.verdict.faults:
        yield (
            f"{fault.target} {fault.fault}",
            _after(fault, "detected"),
            _told(fault),
            _after(fault, "steady"),
            _seen(fault, "lost"),
            _seen(fault, "twice"),
            _seen(fault, "availability"),
        )


def _answer(fault: FaultVerdict, question: Question) -> Finding | None:
    return next((one for one in fault.findings if one.question == question), None)


def _after(fault: FaultVerdict, question: Question) -> Cell:
    found = _answer(fault, question)
    if found is None:
        return Cell("-")
    text = "never" if found.after_s is None else f"{found.after_s:.1f} s"
    return Cell(text, "" if found.passed else "bold red")


def _told(fault: FaultVerdict) -> Cell:
    found = _answer(fault, "told")
    if found is None:
        return Cell("-")
    text = "nobody" if found.after_s is None else f"{found.after_s:.1f} s"
    return Cell(text, "" if found.passed else "bold red")


def _seen(fault: FaultVerdict, question: Question) -> Cell:
    found = _answer(fault, question)
    if found is None:
        return Cell("-")
    text = found.observed.partition(" of ")[0]
    return Cell(printable(text), "" if found.passed else "bold red")


def _failures(score: Score) -> Iterator[str]:
    if score.trouble:
        how = "skipped" if score.skipped else "it could not be run"
        yield f"{score.name}: {how}: {printable(score.trouble)}"
    if score.journal is not None and not score.passed:
        for line in (*accusations(score.journal), *troubles(score.journal)):
            yield f"{score.name}: {line}"


def _conclusion(drill: ChaosDrill) -> TextBlock:
    passed = sum(one.passed for one in drill.scores)
    skipped = sum(one.skipped for one in drill.scores)
    word, style = ("passed", "bold green") if drill.passed else ("FAILED", "bold red")
    text = f"Drill {word}: {passed} of {len(drill.scores) + len(drill.left_out)} experiments"
    more = f", {skipped} skipped" if skipped else ""
    return TextBlock(f"{text} passed{more}, in {drill.duration_s:.0f} s.", style=style)


def _document(drill: ChaosDrill) -> dict[str, Any]:
    return {
        "passed": drill.passed,
        "duration_s": round(drill.duration_s, 3),
        "left_out": drill.left_out,
        "experiments": [
            {
                "name": one.name,
                "title": one.title,
                "passed": one.passed,
                "skipped": one.skipped,
                "duration_s": round(one.duration_s, 3),
                "trouble": one.trouble,
                "accused": [] if one.journal is None else one.journal.verdict.accused,
                "journal": None if one.journal is None else msgspec.to_builtins(one.journal),
            }
            for one in drill.scores
        ],
    }
