"""Inline SVG charts for the HTML report: stacked bars over time, shares, breaker strips."""

from collections.abc import Sequence
from html import escape

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.readings import NS_PER_MINUTE, BreakerReading, Bucket

__all__ = ["SERIES", "breaker_strips", "error_bars", "share_bar"]

# From the bottom of a bar to its top: the worst stands on the ground line.
SERIES = ("critical", "high", "medium", "low", "injected")

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 12, 26
TIME_LABELS = 6
TWO_DAYS_NS = 2 * 24 * 60 * NS_PER_MINUTE


def error_bars(series: Sequence[Bucket], bucket_minutes: int) -> str:
    """Draw one stacked bar a bucket, by severity, with a tooltip each."""
    most = max((bucket.total + bucket.injected for bucket in series), default=0)
    top = _ceiling(most)
    span_ns = (series[-1].start_ns - series[0].start_ns) if series else 0
    step = (WIDTH - LEFT - RIGHT) / max(1, len(series))
    parts = [*_grid(top)]
    for position, bucket in enumerate(series):
        x = LEFT + position * step
        when = _moment(bucket.start_ns, span_ns)
        parts.append(_bar(bucket, x, step, top, f"{when} · {bucket_minutes} min"))
    for position in _spread(len(series), TIME_LABELS):
        x = LEFT + (position + 0.5) * step
        label = _moment(series[position].start_ns, span_ns)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" class="tick mid">{escape(label)}</text>')
    return _svg(WIDTH, HEIGHT, "Errors over time, by severity", parts)


def share_bar(share: float, kind: str) -> str:
    """Draw one horizontal bar of ``share`` (0 to 1) of the full width."""
    width = max(0.5, 100 * min(1.0, share))
    parts = [
        '<rect x="0" y="2" width="100" height="6" rx="2" class="track"/>',
        f'<rect x="0" y="2" width="{width:.1f}" height="6" rx="2" class="{escape(kind)}"/>',
    ]
    return (
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def breaker_strips(breakers: Sequence[BreakerReading], since_ns: int, until_ns: int) -> str:
    """Draw a strip a breaker: since when it has been in its state; before that is not recorded."""
    row, width, name_width = 26, WIDTH, 190
    height = row * len(breakers) + BOTTOM
    length_ns = max(1, until_ns - since_ns)
    scale = (width - name_width - RIGHT) / length_ns
    parts = []
    for position, one in enumerate(breakers):
        y = position * row + 4
        begin = name_width + scale * max(0, min(length_ns, one.since_ns - since_ns))
        end = width - RIGHT
        name = one.name if len(one.name) <= 26 else one.name[:25] + "…"
        parts.append(
            f'<text x="0" y="{y + 13}" class="label">{escape(name)}</text>'
            f'<rect x="{name_width}" y="{y}" width="{end - name_width}" height="18" rx="3" '
            'class="track"/>'
            f"<g><title>{escape(one.name)}: {escape(one.state)} since "
            f"{escape(iso_from_ns(one.since_ns)[:19])}</title>"
            f'<rect x="{begin:.1f}" y="{y}" width="{max(3.0, end - begin):.1f}" height="18" rx="3" '
            f'class="breaker-{escape(one.state)}"/></g>'
        )
    for at, side in ((0.0, "start"), (0.5, "mid"), (1.0, "end")):
        x = name_width + at * (width - name_width - RIGHT)
        label = _moment(since_ns + round(at * length_ns), length_ns)
        parts.append(f'<text x="{x:.1f}" y="{height - 6}" class="tick {side}">{label}</text>')
    return _svg(width, height, "Circuit breakers", parts)


def _bar(bucket: Bucket, x: float, step: float, top: int, caption: str) -> str:
    floor = HEIGHT - BOTTOM
    full = floor - TOP
    told = [f"{getattr(bucket, kind):,} {kind}" for kind in SERIES if getattr(bucket, kind)]
    if not told:
        return ""
    parts = []
    for kind in SERIES:
        count = getattr(bucket, kind)
        if count:
            height = max(1.0, count / top * full)
            floor -= height
            parts.append(
                f'<rect x="{x + step * 0.1:.1f}" y="{floor:.1f}" width="{step * 0.8:.1f}" '
                f'height="{height:.1f}" class="{kind}"/>'
            )
    return f"<g><title>{escape(caption)}: {', '.join(told)}</title>{''.join(parts)}</g>"


def _grid(top: int) -> list[str]:
    parts = []
    for quarter in range(5) if top >= 4 else (0, 4):
        value = top * quarter / 4
        y = HEIGHT - BOTTOM - quarter / 4 * (HEIGHT - BOTTOM - TOP)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="tick end">{value:,.0f}</text>'
        )
    return parts


def _ceiling(most: int) -> int:
    """Return the least of 1, 2, 4, 8, 12, 20, 40, 60, 80, 100 ... that holds ``most``."""
    if most <= 4:
        return next(step for step in (1, 2, 4) if most <= step)
    scale = 1
    while True:
        for step in (8, 12, 20, 40, 60, 80):
            if most <= step * scale:
                return step * scale
        scale *= 10


def _spread(count: int, wanted: int) -> list[int]:
    """Choose up to ``wanted`` positions, spread evenly and away from the edges."""
    wanted = min(wanted, count)
    return [round((i + 0.5) * count / wanted - 0.5) for i in range(wanted)]


def _moment(at_ns: int, span_ns: int) -> str:
    text = iso_from_ns(at_ns)
    return (
        text[5:10]
        if span_ns > 7 * TWO_DAYS_NS
        else (f"{text[5:10]} {text[11:16]}" if span_ns > TWO_DAYS_NS else text[11:16])
    )


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
