"""An experiment: its verdict, question by question, and what a failed answer accuses."""

from collections.abc import Iterator

import msgspec

from alchemiser_cli.chaos.experiments.document import Experiment
from alchemiser_cli.chaos.experiments.journal import ExperimentJournal
from alchemiser_cli.chaos.verdicts.verdict import Finding
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable

__all__ = ["accusations", "experiment_view", "run_view", "troubles"]


def run_view(journal: ExperimentJournal) -> View:
    """Return the journal as the document, and the verdict as a table."""
    document = {
        **msgspec.to_builtins(journal),
        "passed": journal.passed,
        "accused": journal.verdict.accused,
    }
    rows = []
    for fault in journal.verdict.faults:
        rows += [_row(f"{fault.target} {fault.fault}", one) for one in fault.findings]
    rows += [_row("", one) for one in journal.verdict.findings]
    title = printable(str(journal.experiment.get("title", "")))
    blocks: list[Block] = [
        TableBlock(("fault", "question", "expected", "seen", "verdict"), rows, title=title)
    ]
    if lines := [*accusations(journal), *troubles(journal)]:
        blocks.append(TextBlock("\n".join(lines), style="yellow"))
    word, style = ("passed", "bold green") if journal.passed else ("FAILED", "bold red")
    status = "deviated" if journal.deviated else journal.status
    conclusion = f"{word}: the experiment {status} after {journal.duration:.1f} s."
    blocks.append(TextBlock(conclusion, style=style))
    return View(document, blocks)


def experiment_view(experiment: Experiment) -> View:
    """Return what an experiment that is in order will do."""
    ours = experiment.ours
    document = {
        "name": experiment.name,
        "title": experiment.title,
        "valid": True,
        "workload": None if ours.laboratory is None else ours.laboratory.workload,
        "faults": [one.target for one in ours.expect],
    }
    where = "on this home" if ours.laboratory is None else f"workload {ours.laboratory.workload}"
    steps = [
        (part, one.type, printable(one.name))
        for part, activities in (
            ("hypothesis", experiment.hypothesis.probes if experiment.hypothesis else ()),
            ("method", experiment.method),
            ("rollbacks", experiment.rollbacks),
        )
        for one in activities
    ]
    return View(
        document,
        [
            TextBlock(f"{experiment.name} is in order ({where}): {printable(experiment.title)}"),
            TableBlock(("part", "type", "step"), steps),
        ],
    )


def accusations(journal: ExperimentJournal) -> Iterator[str]:
    """Yield a line for each failed answer, with the defence that it accuses."""
    verdict = journal.verdict
    named = [
        (f"{one.target} {one.fault}: ", each) for one in verdict.faults for each in one.findings
    ]
    for about, one in [*named, *(("", each) for each in verdict.findings)]:
        if not one.passed:
            accused = f"; this accuses: {one.defence}" if one.defence else ""
            seen = printable(one.observed)
            yield f"{about}{one.question}: expected {one.expected}, seen {seen}{accused}"


def troubles(journal: ExperimentJournal) -> Iterator[str]:
    """Yield what else went wrong: a safeguard, a step that failed, work that could not be ended."""
    if journal.aborted_by:
        yield f"a safeguard was passed: {printable(journal.aborted_by)}"
    for one in [*journal.run, *journal.rollbacks]:
        if one.status == "failed":
            why = one.exception[-1].strip() if one.exception else "no reason is known"
            yield f"the step {printable(str(one.activity['name']))!r} failed: {printable(why)}"
    yield from (printable(one) for one in journal.troubles)


def _row(about: str, finding: Finding) -> tuple[Cell | str, ...]:
    verdict = Cell("as expected", "green") if finding.passed else Cell("FAILED", "bold red")
    return (
        Cell(about, "bold"),
        finding.question,
        finding.expected,
        printable(finding.observed),
        verdict,
    )
