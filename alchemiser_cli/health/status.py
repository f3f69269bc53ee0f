"""The status: one word, the checks behind it, and what somebody should be told."""

from collections.abc import Callable
from typing import Literal

import msgspec

from alchemiser_cli.checks import CheckResult, run_checks
from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.health.checks import checks
from alchemiser_cli.health.surroundings import Surroundings

__all__ = ["Alert", "ErrorRates", "Health", "HealthStatus", "health_status"]

Health = Literal["healthy", "degraded", "critical"]


class ErrorRates(msgspec.Struct, frozen=True):
    """Errors of the last five minutes, without injected ones; None where nobody can tell.

    ``by_component`` counts them.
    """

    rate_per_min: float | None
    criticals_5min: int | None
    by_component: dict[str, int]


class Alert(msgspec.Struct, frozen=True):
    """One thing to tell somebody; ``code`` names the runbook."""

    level: Literal["degraded", "critical"]
    name: str
    code: str
    message: str
    next_step: str


class HealthStatus(msgspec.Struct, frozen=True):
    """How the running system is."""

    status: Health
    checks: list[CheckResult]
    errors: ErrorRates
    alerts: list[Alert]
    started_at: str
    duration_ms: float


def health_status(
    surroundings: Surroundings, on_result: Callable[[CheckResult], None] = lambda _: None
) -> HealthStatus:
    """Look once; what cannot be read is a finding and never raises."""
    surroundings.look_anew()
    clock = surroundings.clock
    started_at, started_ns = iso_from_ns(clock.now_ns()), clock.monotonic_ns()
    results = run_checks(checks(surroundings), clock, on_result=on_result)
    return HealthStatus(
        status=_overall(results),
        checks=results,
        errors=_rates(surroundings),
        alerts=_alerts(results),
        started_at=started_at,
        duration_ms=round((clock.monotonic_ns() - started_ns) / 1_000_000, 3),
    )


def _overall(results: list[CheckResult]) -> Health:
    outcomes = {result.result for result in results}
    if "error" in outcomes:
        return "critical"
    return "degraded" if "warning" in outcomes else "healthy"


def _rates(surroundings: Surroundings) -> ErrorRates:
    recent = surroundings.recent
    if recent is None:  # No check could read them.
        return ErrorRates(None, None, {})
    counts = {name: rate.count for name, rate in recent.by_component.items()}
    return ErrorRates(
        rate_per_min=round(recent.total.per_minute, 3),
        criticals_5min=recent.total.criticals,
        by_component=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
    )


def _alerts(results: list[CheckResult]) -> list[Alert]:
    """Return the failed checks, the critical ones first."""
    failed = [result for result in results if result.result in ("error", "warning")]
    failed.sort(key=lambda result: result.result != "error")
    return [
        Alert(
            "critical" if result.result == "error" else "degraded",
            result.name,
            result.code,
            result.detail,
            result.hint,
        )
        for result in failed
    ]
