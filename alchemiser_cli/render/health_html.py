"""The health report as one HTML file that needs nothing else: style and charts are inside."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.readings import NS_PER_MINUTE
from alchemiser_cli.health.report import HealthReport
from alchemiser_cli.health.surroundings import duration_text
from alchemiser_cli.render.health_charts import SERIES, breaker_strips, error_bars, share_bar

__all__ = ["report_html"]

_TONES = {
    **dict.fromkeys(("healthy", "success", "flowing", "closed", "within"), "good"),
    **dict.fromkeys(("degraded", "warning", "half-open", "recovering"), "warn"),
    **dict.fromkeys(("gone", "disconnected", "above"), "warn"),
    **dict.fromkeys(("critical", "error", "open", "isolated", "mute", "regressed", "alert"), "bad"),
}
_WORDS = {"success": "ok", "warning": "degraded", "error": "critical"}


class _Html(str):
    """Markup that is safe to show as it is; every other text is escaped."""

    __slots__ = ()


def report_html(report: HealthReport) -> str:
    """Return the whole document; every text from outside is escaped."""
    style = (resources.files(__package__) / "health_style.css").read_text(encoding="utf-8")
    sections = "".join(_sections(report))
    status = report.status
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Even a mistake in the escaping could load or run nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>alchemiser health: {escape(status.status)}</title>"
        f"<style>\n{style}</style></head>\n<body><main>"
        f'<header><h1>System health</h1><span class="pill {_TONES[status.status]}">'
        f"{escape(status.status)}</span>"
        f"<p>{_time(report.since)} to {_time(report.until)} UTC</p></header>\n"
        f"{sections}"
        "<footer>Written by <code>alchemiser health report</code>. "
        "Times are UTC; counts leave injected errors out unless they say otherwise.</footer>"
        "</main></body></html>\n"
    )


def _sections(report: HealthReport) -> Iterable[str]:
    yield _figures(report)
    if report.unreadable:
        yield _section(
            "The database cannot be read", _Html(f'<p class="bad">{escape(report.unreadable)}</p>')
        )
    if report.recommendations:
        yield _section("What to do", _advice(report))
    if report.series:
        yield _section("Errors over time", _over_time(report))
    yield _section("Checks", _checks(report))
    yield _section("Errors by component", _by_component(report))
    yield _section("Errors by code", _by_code(report))
    yield _section("Open groups", _groups(report))
    yield _section("Circuit breakers", _breakers(report))
    yield _section("Thresholds", _thresholds(report))
    yield _section("Feeds", _feeds(report))
    yield _section("Strategies", _strategies(report))
    yield _section("Shared-memory segments", _segments(report))


def _figures(report: HealthReport) -> str:
    totals, errors = report.totals, report.status.errors
    unknown = "unknown"
    recovery = "none" if totals.recovery_rate is None else f"{totals.recovery_rate:.1%}"
    figures = [
        (f"{totals.count:,}", "errors in the window", ""),
        (f"{totals.criticals:,}", "of them critical", "bad" if totals.criticals else ""),
        (recovery, "recovered by themselves", ""),
        (
            unknown if errors.rate_per_min is None else f"{errors.rate_per_min:g}",
            "a minute now",
            "",
        ),
        (
            unknown if errors.criticals_5min is None else f"{errors.criticals_5min:,}",
            "critical in 5 minutes",
            "bad" if errors.criticals_5min else "",
        ),
        (f"{totals.injected:,}", "injected on purpose", ""),
    ]
    cells = "".join(
        f'<div><b class="{tone}">{escape(number)}</b><span>{escape(text)}</span></div>'
        for number, text, tone in figures
    )
    return f'<div class="figures">{cells}</div>\n'


def _advice(report: HealthReport) -> _Html:
    items = "".join(
        f"<li><div><p>{escape(one.step)}</p>"
        f'<p class="soft">{escape(one.because)}</p>'
        f'<code class="command">{escape(one.command)}</code></div></li>'
        for one in report.recommendations
    )
    return _Html(f"<ol>{items}</ol>")


def _over_time(report: HealthReport) -> _Html:
    legend = "".join(f'<span><i class="{kind}"></i>{kind}</span>' for kind in SERIES)
    width = duration_text(report.bucket_minutes * 60)
    return _Html(
        f"{error_bars(report.series, report.bucket_minutes)}"
        f'<p class="legend">{legend}<span>one bar: {escape(width)}</span></p>'
    )


def _checks(report: HealthReport) -> _Html:
    rows = [
        (
            check.name,
            _state(check.result),
            f"because {check.skipped_because}" if check.skipped_because else check.detail,
        )
        for check in report.status.checks
    ]
    return _table(("check", "result", "detail"), rows)


def _by_component(report: HealthReport) -> _Html:
    sums: dict[str, tuple[int, int]] = {}
    for one in report.errors:
        if not one.injected:
            count, criticals = sums.get(one.component, (0, 0))
            sums[one.component] = (count + one.count, criticals + one.criticals)
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    most = max((count for count, _ in sums.values()), default=1)
    rows = [
        (component or "-", f"{count:,}", f"{criticals:,}", _share(count / most, "accent"))
        for component, (count, criticals) in ranked
    ]
    return _table(("component", "#count", "#critical", ""), rows)


def _by_code(report: HealthReport) -> _Html:
    most = max((one.count for one in report.errors), default=1)
    rows = [
        (
            _code(one.code),
            f"{one.component or '-'}{', injected' if one.injected else ''}",
            f"{one.count:,}",
            f"{one.criticals:,}",
            f"{one.recovered:,}",
            _share(one.count / most, "injected" if one.injected else "accent"),
        )
        for one in report.errors
    ]
    return _table(("code", "component", "#count", "#critical", "#recovered", ""), rows)


def _groups(report: HealthReport) -> _Html:
    rows = [
        (
            _code(one.code),
            one.component or "-",
            one.template,
            _state(one.state),
            f"{one.count:,}",
            _at(one.first_seen_ns),
            _at(one.last_seen_ns),
        )
        for one in report.groups
    ]
    columns = ("code", "component", "message", "state", "#count", "first seen", "last seen")
    return _table(columns, rows)


def _breakers(report: HealthReport) -> _Html:
    rows = [
        (
            one.name,
            _state(one.state),
            _at(one.since_ns),
            f"{one.opened_count:,}",
            duration_text(one.open_s),
            one.reason,
        )
        for one in report.breakers
    ]
    table = _table(("breaker", "state", "since", "#opened", "#open for", "reason"), rows)
    if not report.breakers or not report.series:
        return table
    first = report.series[0].start_ns
    last = report.series[-1].start_ns + report.bucket_minutes * NS_PER_MINUTE
    return _Html(f"{table}<br>{breaker_strips(report.breakers, first, last)}")


def _thresholds(report: HealthReport) -> _Html:
    rows = [
        (
            one.metric,
            f"{one.value:g}",
            f"{one.threshold:g}",
            _state("alert" if one.alerting else "above" if one.value > one.threshold else "within"),
            f"{one.samples} samples" if one.kind == "learned" else "default",
        )
        for one in report.thresholds
    ]
    return _table(("metric", "#value", "#threshold", "", "from"), rows)


def _feeds(report: HealthReport) -> _Html:
    rows = [
        (
            one.name,
            _state(one.state),
            duration_text(one.silent_s),
            f"{one.count:,}",
            "-" if one.last_event_ns is None else _at(one.last_event_ns),
        )
        for one in report.feeds
    ]
    return _table(("feed", "state", "#silent for", "#events", "newest event"), rows)


def _strategies(report: HealthReport) -> _Html:
    rows = [(one.broker, f"{one.loaded} of {one.configured}", one.why) for one in report.strategies]
    return _table(("broker", "#loaded", "missing because"), rows)


def _segments(report: HealthReport) -> _Html:
    rows = [
        (
            one.name,
            one.verdict,
            one.state,
            "-" if one.generation is None else f"{one.generation:,}",
            f"{one.bytes:,}",
            _at(one.changed_ns),
        )
        for one in report.segments
    ]
    return _table(("segment", "verdict", "state", "#generation", "#bytes", "last written"), rows)


def _section(title: str, body: _Html) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> _Html:
    """Return a table; a column whose name begins with # holds numbers."""
    if not rows:
        return _Html('<p class="none">None.</p>')
    numbers = [name.startswith("#") for name in columns]
    head = "".join(
        f"<th{_kind(number=number)}>{escape(name.lstrip('#'))}</th>"
        for name, number in zip(columns, numbers, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, number=n) for c, n in zip(row, numbers, strict=True))}</tr>"
        for row in rows
    )
    return _Html(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def _kind(*, number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(text: str, *, number: bool) -> str:
    kind = _kind(number=number)
    if isinstance(text, _Html):
        kind = ' class="share-cell"' if text.startswith("<svg") else ' class="whole"'
        return f"<td{kind}>{text}</td>"
    return f"<td{kind}>{escape(text)}</td>"


def _state(state: str) -> _Html:
    tone = _TONES.get(state, "none")
    return _Html(f'<span class="state {tone}">{escape(_WORDS.get(state, state))}</span>')


def _code(code: str) -> _Html:
    return _Html(f"<code>{escape(code)}</code>")


def _share(share: float, kind: str) -> _Html:
    return _Html(share_bar(share, kind))


def _at(at_ns: int) -> _Html:
    return _Html(escape(_time(iso_from_ns(at_ns))))


def _time(iso: str) -> str:
    return iso[:16].replace("T", " ")
