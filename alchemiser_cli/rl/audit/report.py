"""What an audit found: an outcome for each law, and the refusal to train when one is broken."""

import msgspec

from alchemiser_cli.errors import EnvironmentAuditError

__all__ = ["AuditOutcome", "AuditReport", "require"]


class AuditOutcome(msgspec.Struct, frozen=True):
    """One law of the environment: whether it held, and what was looked at or what broke it."""

    name: str
    law: str
    passed: bool
    detail: str
    seconds: float


class AuditReport(msgspec.Struct, frozen=True):
    """The outcomes in the order in which they were found, and on what."""

    rows: int
    seed: int
    outcomes: tuple[AuditOutcome, ...]

    @property
    def passed(self) -> bool:
        """Whether every law held; a report without outcomes has proven nothing."""
        return bool(self.outcomes) and not self.failures

    @property
    def failures(self) -> tuple[AuditOutcome, ...]:
        """The outcomes of the laws that are broken."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def seconds(self) -> float:
        """How long all audits took together."""
        return sum(outcome.seconds for outcome in self.outcomes)


def require(report: AuditReport) -> None:
    """Let a training start only in an environment that keeps every law.

    Raises:
        EnvironmentAuditError: environment-audit-failed, when a law is broken or none was audited.

    """
    if report.passed:
        return
    broken = report.failures
    first = f"Broken is: {broken[0].law}. {broken[0].detail}" if broken else "No audit was run"
    others = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
    raise EnvironmentAuditError(
        f"the environment failed {len(broken)} of {len(report.outcomes)} audits: "
        f"{', '.join(one.name for one in broken) or 'nothing was audited'}",
        why=f"{first}{others}. What is trained in it would not hold in a market.",
        next_step="See `alchemiser train audit`, and mend the first law that is broken.",
        context={"failed": [one.name for one in broken], "rows": report.rows, "seed": report.seed},
    )
