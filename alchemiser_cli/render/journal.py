"""The journal: groups of errors, one of them in full, figures, and what mended them."""

from collections.abc import Sequence

import msgspec

from alchemiser_cli.clock import duration_text, iso_from_ns
from alchemiser_cli.errors.journal.records import Captured, ErrorGroup, MinuteCount, Resolution
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

__all__ = ["errors_view", "occurrence_view", "resolution_view", "stats_view"]

SHORT_ID = 10

_STATES = {
    "open": "red",
    "regressed": "bold red",
    "recovering": "yellow",
    "resolved": "green",
}
_RIGHT = frozenset({"count", "last hour", "24 hours", "recovered"})


def errors_view(rows: Sequence[tuple[ErrorGroup, Captured | None]]) -> View:
    """Return groups, each with its latest occurrence where one is still kept."""
    table = [
        (
            group.fingerprint[:SHORT_ID],
            Cell(group.code, "bold"),
            group.severity,
            group.component,
            Cell(group.state, _STATES[group.state]),
            f"{group.count:,}",
            _moment(group.last_seen_ns),
            group.template,
        )
        for group, _ in rows
    ]
    columns = ("id", "code", "severity", "component", "state", "count", "last seen", "what")
    blocks: list[Block] = [TableBlock(columns, table, right=_RIGHT)]
    if not rows:
        blocks = [TextBlock("No error in the journal matches.", style="green")]
    return View({"errors": [_row(group, latest) for group, latest in rows]}, blocks)


def occurrence_view(
    group: ErrorGroup, occurrences: Sequence[Captured], resolutions: Sequence[Resolution]
) -> View:
    """Return one group in full: its latest occurrence, the chain of causes, the contexts."""
    facts: list[tuple[str, Cell | str]] = [
        ("code", group.code),
        ("state", Cell(group.state, _STATES[group.state])),
        ("severity", group.severity),
        ("component", group.component),
        ("count", f"{group.count:,} ({group.injected:,} injected, {group.recovered:,} recovered)"),
        ("first seen", _moment(group.first_seen_ns)),
        ("last seen", _moment(group.last_seen_ns)),
        ("template", group.template),
    ]
    blocks: list[Block] = [TableBlock(("error", group.fingerprint), facts)]
    if occurrences:
        blocks += _latest(occurrences[0])
        blocks.append(
            TableBlock(
                ("id", "at", "operation", "context"),
                [
                    (one.id[:SHORT_ID], _moment(one.at_ns), one.operation, _compact(one.context))
                    for one in occurrences
                ],
                title="Occurrences that are kept",
            )
        )
    if resolutions:
        blocks.append(_resolutions(resolutions))
    document = {
        **msgspec.to_builtins(group),
        "occurrences": [msgspec.to_builtins(one) for one in occurrences],
        "resolutions": [msgspec.to_builtins(one) for one in resolutions],
    }
    return View(document, blocks)


def stats_view(minutes: Sequence[MinuteCount], now_minute: int) -> View:
    """Return counts by code and component in the last hour and the last day, and recovery."""
    totals: dict[tuple[str, str], list[int]] = {}
    for one in minutes:
        sums = totals.setdefault((one.code, one.component), [0, 0, 0, 0])
        sums[0] += one.count if now_minute - one.minute < 60 else 0
        sums[1] += one.count
        sums[2] += one.recovered
        sums[3] += one.count if one.injected else 0
    ordered = sorted(totals.items(), key=lambda item: (-item[1][1], item[0]))
    rows = [
        (Cell(code, "bold"), component, f"{hour:,}", f"{day:,}", f"{recovered / day:.0%}")
        for (code, component), (hour, day, recovered, _) in ordered
    ]
    document = {
        "window_hours": 24,
        "total": sum(sums[1] for sums in totals.values()),
        "by_code": [
            {
                "code": code,
                "component": component,
                "last_hour": hour,
                "last_day": day,
                "recovered": recovered,
                "injected": injected,
            }
            for (code, component), (hour, day, recovered, injected) in ordered
        ],
    }
    if not rows:
        return View(document, [TextBlock("No error in the last 24 hours.", style="green")])
    columns = ("code", "component", "last hour", "24 hours", "recovered")
    return View(document, [TableBlock(columns, rows, right=_RIGHT)])


def resolution_view(resolution: Resolution) -> View:
    """Return what was just recorded."""
    return View(msgspec.to_builtins(resolution), [_resolutions([resolution])])


def _row(group: ErrorGroup, latest: Captured | None) -> dict[str, object]:
    return {
        "id": group.fingerprint,
        "code": group.code,
        "severity": group.severity,
        "component": group.component,
        "operation": latest.operation if latest else None,
        "at": iso_from_ns(group.last_seen_ns),
        "first_seen": iso_from_ns(group.first_seen_ns),
        "count": group.count,
        "recovered": group.recovered,
        "injected": group.injected,
        "state": group.state,
        "template": group.template,
        "context": latest.context if latest else None,
    }


def _latest(one: Captured) -> list[Block]:
    said = [("what", one.what), ("why", one.why), ("next step", one.next_step)]
    blocks: list[Block] = [TableBlock(("latest", one.id[:SHORT_ID]), said)]
    if one.causes:
        chain = [(str(depth), cause.type, cause.message) for depth, cause in enumerate(one.causes)]
        blocks.append(TableBlock(("depth", "type", "message"), chain, title="Chain of causes"))
    if one.traceback:
        blocks.append(TextBlock(one.traceback, style="dim"))
    return blocks


def _resolutions(resolutions: Sequence[Resolution]) -> TableBlock:
    worked = {True: Cell("yes", "green"), False: Cell("no", "red"), None: Cell("not known", "dim")}
    rows = [
        (
            _moment(one.at_ns),
            one.author,
            worked[one.worked],
            "-" if one.seconds is None else duration_text(one.seconds),
            one.text,
        )
        for one in resolutions
    ]
    return TableBlock(("at", "by", "worked", "after", "what was done"), rows, title="Resolutions")


def _moment(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:19] + "Z"


def _compact(context: dict[str, object]) -> str:
    shown = {key: value for key, value in context.items() if value not in (None, "", {}, [])}
    return msgspec.json.encode(shown, enc_hook=str).decode() if shown else "-"
