"""Audit trails: their lines in a table, and whether each is what was written."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View
from alchemiser_cli.render.foreign_text import printable
from alchemiser_cli.trading.audit import AuditHead, AuditRecord, Verification

__all__ = ["accept_view", "show_view", "verify_view"]

_EVENTS = {
    "TRADE_APPROVED": "green",
    "EXECUTED": "bold green",
    "TRADE_REJECTED": "yellow",
    "ORDER_REJECTED": "yellow",
    "STRATEGY_DISABLED": "red",
    "KILL_SWITCH_SET": "bold red",
    "RECONCILED": "cyan",
}
_FAULTS = {
    "edited": "A line or a file is not as it was written.",
    "gap": "Lines or a file are missing, doubled or in another order.",
    "truncated": "Lines at its end are missing.",
    "torn_tail": "A crash left its last line incomplete; the next start of its writer mends that.",
}


def show_view(trail: str, records: Sequence[AuditRecord], matched: int) -> View:
    """Return the newest lines of a trail; ``matched`` is how many fit the options in all."""
    document = {"trail": trail, "matched": matched, "entries": list(records)}
    if not records:
        return View(document, [TextBlock(f"No line of the audit trail {trail} matches.")])
    rows = [
        (
            f"{one.sequence:,}",
            one.at[:23].replace("T", " "),
            Cell(one.event, _EVENTS.get(one.event, "")),
            printable(one.strategy_id) or "-",
            printable(one.symbol) or "-",
            f"{one.quantity:,}" if one.quantity else "-",
            printable(one.reason) or "-",
            _limit(one),
            printable(one.event_id),
        )
        for one in records
    ]
    columns = ("line", "at (UTC)", "event", "strategy", "symbol", "qty", "reason", "limit", "id")
    said = f"{len(records):,} of {matched:,} lines that match, in the audit trail {trail}."
    blocks: list[Block] = [
        TableBlock(columns, rows, right=frozenset({"line", "qty"})),
        TextBlock(said, style="dim"),
    ]
    return View(document, blocks)


def verify_view(
    found: Mapping[str, Verification],
    anchors: Mapping[str, AuditHead],
    *,
    no_anchors: str | None,
    folder: str,
) -> View:
    """Return each trail's verdict; ``no_anchors`` is why anchors could not be read, if so."""
    bad = next((one for one in found.values() if not one.ok), None)
    document: dict[str, Any] = {
        "ok": bad is None,
        "entries": sum(one.entries for one in found.values()),
        "first_bad": None if bad is None else bad.first_bad,
        "kind": None if bad is None else bad.kind,
        "anchors_unreadable": no_anchors,
        "trails": [_row(name, one, anchors.get(name)) for name, one in found.items()],
    }
    blocks: list[Block] = []
    if found:
        rows = [_cells(name, one, anchors.get(name)) for name, one in found.items()]
        columns = ("trail", "verdict", "good lines", "first bad", "anchored", "last good line")
        blocks.append(
            TableBlock(columns, rows, right=frozenset({"good lines", "first bad", "anchored"}))
        )
        blocks += [_finding(name, one) for name, one in found.items() if not one.ok]
    else:
        blocks.append(TextBlock(f"No audit trail in {folder}: nothing has traded there yet."))
    if no_anchors is not None and found:
        text = (
            f"The anchors could not be read: {no_anchors}\n"
            "Without them, a trail that was cut at its end or rewritten to it looks whole."
        )
        blocks.append(TextBlock(text, style="yellow"))
    return View(document, blocks)


def accept_view(forgotten: AuditHead, reason: str, by: str) -> View:
    """Return which anchor was forgotten, and why."""
    text = (
        f"{printable(forgotten.trail)}: the anchor at line {forgotten.sequence:,} is forgotten. "
        "The next start of its writer anchors it anew."
    )
    document = {**msgspec.to_builtins(forgotten), "reason": reason, "by": by}
    return View(document, [TextBlock(text, style="yellow")])


def _row(name: str, one: Verification, anchor: AuditHead | None) -> dict[str, object]:
    return {
        "trail": name,
        **msgspec.to_builtins(one),
        "anchor": None if anchor is None else msgspec.to_builtins(anchor),
    }


def _cells(name: str, one: Verification, anchor: AuditHead | None) -> tuple[Cell | str, ...]:
    verdict = Cell("whole", "green") if one.ok else Cell(one.kind or "not proved", "bold red")
    if one.kind == "torn_tail":
        verdict = Cell("torn tail", "yellow")
    return (
        Cell(printable(name), "bold"),
        verdict,
        f"{one.entries:,}",
        "-" if one.first_bad is None else f"{one.first_bad:,}",
        "-" if anchor is None else f"{anchor.sequence:,}",
        "-" if one.head is None else iso_from_ns(one.head.at_ns)[:19] + "Z",
    )


def _finding(name: str, one: Verification) -> TextBlock:
    meaning = "Nothing can be said of its lines." if one.kind is None else _FAULTS[one.kind]
    style = "yellow" if one.kind == "torn_tail" else "red"
    return TextBlock(f"{printable(name)}: {printable(one.detail)}.\n  {meaning}", style=style)


def _limit(one: AuditRecord) -> Cell | str:
    """Return the limit that refused, as value against threshold."""
    failed = next((limit for limit in one.limits if not limit.passed), None)
    if failed is None:
        return "-"
    value, threshold = (
        "?" if number is None else f"{number:,.4g}" for number in (failed.value, failed.threshold)
    )
    return Cell(f"{printable(failed.name)} {value} / {threshold}", "yellow")
