"""How an evaluation's figures are written, for terminals and for the HTML report."""

from collections.abc import Callable

from alchemiser_cli.rl.evaluation import Finding, Interval, Performance, Verdict

__all__ = [
    "PERFORMANCE_COLUMNS",
    "bound_text",
    "interval_text",
    "money",
    "percent",
    "performance_row",
    "ratio",
    "value_text",
    "verdict_text",
]

PERFORMANCE_COLUMNS = (
    "return a year",
    "Sharpe",
    "drawdown",
    "Calmar",
    "hit rate",
    "turnover",
    "costs a year",
    "gross",
    "net",
)
_COUNTS = ("non_finite_weights", "ruined", "not_out_of_sample", "too_few_steps")
_RATIOS = "no_edge_over_"


def percent(share: float) -> str:
    """Write 0.0512 as 5.1 %, and what one digit would make 0 or 100 % with more digits."""
    text = f"{share:.1%}"
    if (text in ("0.0%", "-0.0%") and share) or (text == "100.0%" and share < 1):
        text = f"{share:.3%}"
    return "0.0%" if text in ("-0.000%", "-0.0%") else text


def ratio(value: float) -> str:
    """Write a ratio with two digits; never as minus zero."""
    return f"{value:.2f}".replace("-0.00", "0.00")


def money(value: float) -> str:
    """Write 1,250,000 as 1.25M and 950,000 as 950k."""
    if abs(value) >= 999_500:
        return f"{value / 1e6:.2f}M"
    return f"{value / 1e3:.0f}k" if abs(value) >= 1_000 else f"{value:.0f}"


def interval_text(interval: Interval, write: Callable[[float], str]) -> str:
    """Write an estimate with the ends of its interval."""
    return f"{write(interval.value)} ({write(interval.low)} to {write(interval.high)})"


def performance_row(name: str, one: Performance) -> tuple[str, ...]:
    """Return the figures of ``PERFORMANCE_COLUMNS`` behind a name."""
    return (
        name,
        percent(one.annual_return),
        ratio(one.sharpe),
        percent(one.max_drawdown),
        "-" if one.calmar is None else ratio(one.calmar),
        percent(one.hit_rate),
        f"{one.turnover:.1f}",
        percent(one.annual_cost),
        ratio(one.gross_exposure),
        ratio(one.net_exposure),
    )


def value_text(finding: Finding) -> str:
    """Write the value of a finding in its unit."""
    return _figure(finding.reason, finding.value)


def bound_text(finding: Finding) -> str:
    """Write what the value must keep to."""
    if finding.reason.startswith(_RATIOS):
        return f"above {_figure(finding.reason, finding.limit)}"
    least = finding.reason in ("sharpe_not_significant", "not_out_of_sample", "too_few_steps")
    return f"{'at least' if least else 'at most'} {_figure(finding.reason, finding.limit)}"


def verdict_text(verdict: Verdict) -> str:
    """Write the verdict in a word or two."""
    return "promotable" if verdict.promotable else "not promotable"


def _figure(reason: str, value: float) -> str:
    if reason in _COUNTS:
        return f"{value:,.0f}"
    return ratio(value) if reason.startswith(_RATIOS) else percent(value)
