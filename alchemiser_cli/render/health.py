"""Health for people: the status with its checks, and the report in sections."""

from typing import Any

import msgspec

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.report import HealthReport
from alchemiser_cli.health.status import HealthStatus
from alchemiser_cli.health.surroundings import duration_text
from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

__all__ = ["report_view", "serving_view", "status_view"]

SIGNS = {
    "success": Cell("ok", "green"),
    "warning": Cell("degraded", "yellow"),
    "error": Cell("critical", "bold red"),
    "skipped": Cell("skipped", "dim"),
}
STATUS_STYLES = {"healthy": "bold green", "degraded": "bold yellow", "critical": "bold red"}
STATE_STYLES = {
    "open": "red",
    "regressed": "bold red",
    "recovering": "yellow",
    "isolated": "bold red",
    "half-open": "yellow",
    "mute": "bold red",
    "gone": "yellow",
    "disconnected": "yellow",
    "flowing": "green",
    "closed": "green",
    "alert": "bold red",
    "above": "yellow",
}


def status_view(status: HealthStatus) -> View:
    """Return every check, what to do about those that failed, and the word."""
    blocks: list[Block] = [_checks(status)]
    if status.alerts:
        blocks.append(
            TableBlock(
                ("code", "next step"),
                [(Cell(alert.code, "bold"), alert.next_step) for alert in status.alerts],
                title="What to do",
            )
        )
    return View(_document(status), [*blocks, _verdict(status)])


def report_view(report: HealthReport) -> View:
    """Return the report, section by section; sections without content say so in one line."""
    blocks: list[Block] = [
        TextBlock(f"health from {report.since[:16]} to {report.until[:16]} UTC", style="bold"),
        _checks(report.status),
        _verdict(report.status),
    ]
    if report.unreadable:
        blocks.append(TextBlock(f"The rest cannot be read: {report.unreadable}", style="bold red"))
    blocks += [
        TextBlock(_totals(report)),
        _table(
            "Errors by code and component",
            ("code", "component", "count", "critical", "recovered", "injected"),
            [
                (
                    Cell(one.code, "bold"),
                    one.component or "-",
                    f"{one.count:,}",
                    f"{one.criticals:,}",
                    f"{one.recovered:,}",
                    "yes" if one.injected else "no",
                )
                for one in report.errors
            ],
            right=("count", "critical", "recovered"),
        ),
        _table(
            "Open groups, the latest first",
            ("group", "code", "component", "state", "count", "first seen", "last seen"),
            [
                (
                    one.fingerprint[:12],
                    Cell(one.code, "bold"),
                    one.component or "-",
                    _state(one.state),
                    f"{one.count:,}",
                    _time(one.first_seen_ns),
                    _time(one.last_seen_ns),
                )
                for one in report.groups
            ],
            right=("count",),
        ),
        *_parts(report),
        *_advice(report),
    ]
    return View(_document(report), blocks)


def serving_view(address: str) -> View:
    """Return where health is served."""
    rows = [(path, f"{address}{path}") for path in ("/healthz", "/readyz", "/metrics")]
    return View(
        {"address": address},
        [
            TableBlock(("health is served at", ""), rows),
            TextBlock("Ctrl-C stops it.", style="dim"),
        ],
    )


def _document(result: msgspec.Struct) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(result)
    return document


def _checks(status: HealthStatus) -> Block:
    rows = [
        (
            check.category,
            check.name,
            SIGNS[check.result],
            f"because {check.skipped_because}" if check.skipped_because else check.detail,
        )
        for check in status.checks
    ]
    return TableBlock(("category", "check", "result", "detail"), rows)


def _verdict(status: HealthStatus) -> Block:
    errors = status.errors
    told = "nobody can tell how many errors there were"
    if errors.rate_per_min is not None:
        told = f"{errors.rate_per_min:g} errors a minute, {errors.criticals_5min} critical in 5 min"
    return TextBlock(f"{status.status}: {told}", style=STATUS_STYLES[status.status])


def _advice(report: HealthReport) -> list[Block]:
    blocks: list[Block] = [TextBlock("What to do", style="table.title")]
    for number, one in enumerate(report.recommendations, start=1):
        because = " ".join(one.because.splitlines())
        blocks.append(TextBlock(f"{number}. {one.step}\n   {because}\n   {one.command}"))
    if not report.recommendations:
        blocks.append(TextBlock("Nothing."))
    return blocks


def _totals(report: HealthReport) -> str:
    totals = report.totals
    if totals.recovery_rate is None:
        return f"no errors, {totals.injected:,} injected"
    return (
        f"{totals.count:,} errors, {totals.criticals:,} critical; "
        f"{totals.recovered:,} recovered ({totals.recovery_rate:.1%}); "
        f"{totals.injected:,} injected"
    )


def _parts(report: HealthReport) -> list[Block]:
    """Return the tables of the parts of the running system."""
    return [
        _table(
            "Circuit breakers",
            ("breaker", "state", "since", "opened", "open for", "reason"),
            [
                (
                    one.name,
                    _state(one.state),
                    _time(one.since_ns),
                    f"{one.opened_count:,}",
                    duration_text(one.open_s),
                    one.reason,
                )
                for one in report.breakers
            ],
            right=("opened", "open for"),
        ),
        _table(
            "Thresholds",
            ("metric", "value", "threshold", "state", "from"),
            [
                (
                    one.metric,
                    f"{one.value:g}",
                    f"{one.threshold:g}",
                    _state(
                        "alert"
                        if one.alerting
                        else "above"
                        if one.value > one.threshold
                        else "within"
                    ),
                    f"{one.samples} samples" if one.kind == "learned" else "default",
                )
                for one in report.thresholds
            ],
            right=("value", "threshold"),
        ),
        _table(
            "Feeds",
            ("feed", "state", "silent for", "events", "newest event"),
            [
                (
                    one.name,
                    _state(one.state),
                    duration_text(one.silent_s),
                    f"{one.count:,}",
                    "-" if one.last_event_ns is None else _time(one.last_event_ns),
                )
                for one in report.feeds
            ],
            right=("silent for", "events"),
        ),
        _table(
            "Strategies",
            ("broker", "loaded", "configured", "missing because"),
            [
                (
                    one.broker,
                    Cell(str(one.loaded), "" if one.loaded >= one.configured else "bold red"),
                    str(one.configured),
                    one.why,
                )
                for one in report.strategies
            ],
            right=("loaded", "configured"),
        ),
        _table(
            "Segments",
            ("segment", "verdict", "state", "generation", "age", "bytes", "last written"),
            [
                (
                    one.name,
                    one.verdict,
                    one.state,
                    "-" if one.generation is None else f"{one.generation:,}",
                    "-" if one.age_s is None else duration_text(one.age_s),
                    f"{one.bytes:,}",
                    _time(one.changed_ns),
                )
                for one in report.segments
            ],
            right=("generation", "age", "bytes"),
        ),
    ]


def _table(
    title: str,
    columns: tuple[str, ...],
    rows: list[tuple[Cell | str, ...]],
    *,
    right: tuple[str, ...] = (),
) -> Block:
    if not rows:
        return TextBlock(f"{title}: none", style="dim")
    return TableBlock(columns, rows, title=title, right=frozenset(right))


def _state(state: str) -> Cell:
    return Cell(state, STATE_STYLES.get(state, ""))


def _time(at_ns: int) -> str:
    return iso_from_ns(at_ns)[:19].replace("T", " ")
