"""A look at the stages of trading: a row for each, what is wrong, and why a broker is quiet."""

import msgspec

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.trading.validator import EVERY_STAGE, Report

__all__ = ["validator_view"]

_STATES = {
    "active": "green",
    "idle": "",
    "waiting": "yellow",
    "silent": "bold red",
    "unknown": "dim",
}


def validator_view(report: Report) -> View:
    """Return the stages of each broker, the findings, and the silences with their reasons."""
    blocks: list[Block] = []
    if report.stages:
        rows = [
            (
                printable(one.broker),
                one.stage.replace("_", " "),
                Cell(one.state, _STATES[one.state]),
                "-" if one.age_s is None else duration_text(one.age_s),
                printable(one.detail) or "-",
            )
            for one in report.stages
        ]
        columns = ("broker", "stage", "state", "last work", "what")
        blocks.append(TableBlock(columns, rows, right=frozenset({"last work"})))
    lines = [
        f"{printable(one.broker)}: {one.issue}, "
        f"{'' if one.stage == EVERY_STAGE else one.stage + ' '}{printable(one.detail)}"
        for one in report.findings
    ]
    if lines:
        blocks.append(TextBlock("\n".join(lines), style="red"))
    blocks += [
        TextBlock(f"{printable(one.broker)} is not watched: {one.reason}.")
        for one in report.silences
    ]
    if not blocks:
        blocks.append(TextBlock("No broker is watched."))
    document = {**msgspec.to_builtins(report), "at": iso_from_ns(report.at_ns)}
    return View({**document, "sound": report.sound}, blocks)
