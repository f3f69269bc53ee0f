"""The health report as one HTML file that needs nothing else: style and charts are inside."""

from collections.abc import Iterable
from html import escape

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.readings import NS_PER_MINUTE
from alchemiser_cli.health.report import HealthReport
from alchemiser_cli.health.surroundings import duration_text
from alchemiser_cli.render.health_charts import SERIES, breaker_strips, error_bars, share_bar
from alchemiser_cli.render.page import Html, figures, page, section, table

__all__ = ["report_html"]

_TONES = {
    **dict.fromkeys(("healthy", "success", "flowing", "closed", "within"), "good"),
    **dict.fromkeys(("degraded", "warning", "half-open", "recovering"), "warn"),
    **dict.fromkeys(("gone", "disconnected", "above"), "warn"),
    **dict.fromkeys(("critical", "error", "open", "isolated", "mute", "regressed", "alert"), "bad"),
}
_WORDS = {"success": "ok", "warning": "degraded", "error": "critical"}


def report_html(report: HealthReport) -> str:
    """Return the whole document; every text from outside is escaped."""
    status = report.status
    header = Html(
        f'<h1>System health</h1><span class="pill {_TONES[status.status]}">'
        f"{escape(status.status)}</span>"
        f"<p>{_time(report.since)} to {_time(report.until)} UTC</p>"
    )
    footer = Html(
        "Written by <code>alchemiser health report</code>. "
        "Times are UTC; counts leave injected errors out unless they say otherwise."
    )
    title = f"alchemiser health: {status.status}"
    return page(title, ["health_style.css"], header, "".join(_sections(report)), footer)


def _sections(report: HealthReport) -> Iterable[str]:
    yield _figures(report)
    if report.unreadable:
        yield section(
            "The database cannot be read", Html(f'<p class="bad">{escape(report.unreadable)}</p>')
        )
    if report.recommendations:
        yield section("What to do", _advice(report))
    if report.series:
        yield section("Errors over time", _over_time(report))
    yield section("Checks", _checks(report))
    yield section("Errors by component", _by_component(report))
    yield section("Errors by code", _by_code(report))
    yield section("Open groups", _groups(report))
    yield section("Circuit breakers", _breakers(report))
    yield section("Thresholds", _thresholds(report))
    yield section("Feeds", _feeds(report))
    yield section("Strategies", _strategies(report))
    yield section("Shared-memory segments", _segments(report))


def _figures(report: HealthReport) -> str:
    totals, errors = report.totals, report.status.errors
    unknown = "unknown"
    recovery = "none" if totals.recovery_rate is None else f"{totals.recovery_rate:.1%}"
    shown = [
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
    return figures(shown)


def _advice(report: HealthReport) -> Html:
    items = "".join(
        f"<li><div><p>{escape(one.step)}</p>"
        f'<p class="soft">{escape(one.because)}</p>'
        f'<code class="command">{escape(one.command)}</code></div></li>'
        for one in report.recommendations
    )
    return Html(f"<ol>{items}</ol>")


def _over_time(report: HealthReport) -> Html:
    legend = "".join(f'<span><i class="{kind}"></i>{kind}</span>' for kind in SERIES)
    width = duration_text(report.bucket_minutes * 60)
    return Html(
        f"{error_bars(report.series, report.bucket_minutes)}"
        f'<p class="legend">{legend}<span>one bar: {escape(width)}</span></p>'
    )


def _checks(report: HealthReport) -> Html:
    rows = [
        (
            check.name,
            _state(check.result),
            f"because {check.skipped_because}" if check.skipped_because else check.detail,
        )
        for check in report.status.checks
    ]
    return table(("check", "result", "detail"), rows)


def _by_component(report: HealthReport) -> Html:
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
    return table(("component", "#count", "#critical", ""), rows)


def _by_code(report: HealthReport) -> Html:
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
    return table(("code", "component", "#count", "#critical", "#recovered", ""), rows)


def _groups(report: HealthReport) -> Html:
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
    return table(columns, rows)


def _breakers(report: HealthReport) -> Html:
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
    drawn = table(("breaker", "state", "since", "#opened", "#open for", "reason"), rows)
    if not report.breakers or not report.series:
        return drawn
    first = report.series[0].start_ns
    last = report.series[-1].start_ns + report.bucket_minutes * NS_PER_MINUTE
    return Html(f"{drawn}<br>{breaker_strips(report.breakers, first, last)}")


def _thresholds(report: HealthReport) -> Html:
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
    return table(("metric", "#value", "#threshold", "", "from"), rows)


def _feeds(report: HealthReport) -> Html:
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
    return table(("feed", "state", "#silent for", "#events", "newest event"), rows)


def _strategies(report: HealthReport) -> Html:
    rows = [(one.broker, f"{one.loaded} of {one.configured}", one.why) for one in report.strategies]
    return table(("broker", "#loaded", "missing because"), rows)


def _segments(report: HealthReport) -> Html:
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
    return table(("segment", "verdict", "state", "#generation", "#bytes", "last written"), rows)


def _state(state: str) -> Html:
    tone = _TONES.get(state, "none")
    return Html(f'<span class="state {tone}">{escape(_WORDS.get(state, state))}</span>')


def _code(code: str) -> Html:
    return Html(f"<code>{escape(code)}</code>")


def _share(share: float, kind: str) -> Html:
    return Html(share_bar(share, kind))


def _at(at_ns: int) -> Html:
    return Html(escape(_time(iso_from_ns(at_ns))))


def _time(iso: str) -> str:
    return iso[:16].replace("T", " ")
