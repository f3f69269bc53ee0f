"""Rules that turn what was found into next steps."""

import msgspec

from alchemiser_cli.errors.journal.records import ErrorGroup
from alchemiser_cli.health.readings import ErrorSum
from alchemiser_cli.health.status import HealthStatus

__all__ = ["Recommendation", "recommendations"]

TOP_CODES = 3


class Recommendation(msgspec.Struct, frozen=True):
    """One next step, what it rests on, and what to type."""

    because: str
    step: str
    command: str


def recommendations(
    status: HealthStatus, errors: list[ErrorSum], groups: list[ErrorGroup]
) -> list[Recommendation]:
    """Return next steps, the most urgent first: alerts, errors that came back, frequent codes."""
    urgent = {alert.code: alert for alert in reversed(status.alerts)}  # the first of each code
    found = [
        Recommendation(
            because=alert.message,
            step=alert.next_step,
            command=f"alchemiser errors runbook {alert.code}",
        )
        for alert in status.alerts
        if urgent[alert.code] is alert
    ]
    found += [
        Recommendation(
            because=f"{group.code} in {group.component} was resolved and came back",
            step="See what was done then, and why it did not last.",
            command=f"alchemiser errors show {group.fingerprint}",
        )
        for group in groups
        if group.state == "regressed"
    ]
    by_code: dict[str, int] = {}
    for one in errors:
        if not one.injected:
            by_code[one.code] = by_code.get(one.code, 0) + one.count
    frequent = sorted(by_code.items(), key=lambda item: (-item[1], item[0]))
    found += [
        Recommendation(
            because=f"{code} happened {count:,} time(s)",
            step="Follow its runbook.",
            command=f"alchemiser errors runbook {code}",
        )
        for code, count in frequent[:TOP_CODES]
        if code not in urgent
    ]
    return found
