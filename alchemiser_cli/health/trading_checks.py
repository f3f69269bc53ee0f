"""The checks of trading: can it be stopped, is it stopped, and does each stage do its work?"""

from functools import partial

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import (
    AlchemiserError,
    KillSwitchActiveError,
    KillSwitchUnreadableError,
    MarketDataStaleError,
    StageSilentError,
    ValidationError,
)
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.health.trading import day_losses, kill_switch, readable_switch, stages
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.validator import Finding

__all__ = ["trading_checks"]

_READABLE = "kill switch can be read"


def trading_checks(surroundings: Surroundings, answers: str, limit_s: float) -> list[Check]:
    """Return the checks; ``answers`` is the name of the one that the database answers."""
    degrading = partial(Check, category="trading", fatal=False, timeout_s=limit_s)
    return [
        Check(
            _READABLE,
            "trading",
            KillSwitchUnreadableError.code,
            lambda: readable_switch(surroundings.settings),
            timeout_s=limit_s,
        ),
        degrading(
            "kill switch is not set",
            code=KillSwitchActiveError.code,
            run=lambda: _switch_clear(surroundings),
            needs=(_READABLE,),
        ),
        degrading(
            "stages of trading do their work",
            code=StageSilentError.code,
            run=lambda: _stages_work(surroundings),
            needs=(answers,),
        ),
        degrading(
            "losses of the day are within their limits",
            code=KillSwitchActiveError.code,
            run=lambda: _losses_within(surroundings),
        ),
    ]


def _switch_clear(surroundings: Surroundings) -> str:
    switch = kill_switch(surroundings.settings)
    if switch is None:
        raise SkipCheck("nothing has traded in this home")
    if switch.active:
        since = (
            f"{surroundings.age(switch.since_ns)} ago" if switch.since_ns else "at no known time"
        )
        raise KillSwitchActiveError(
            "the kill switch is set",
            why=f"{switch.by or 'Nobody known'} set it {since}: {switch.reason or 'no reason'}.",
            next_step="When what it was set for is over: alchemiser trade resume --reason WHY",
        )
    return "trading may run"


def _stages_work(surroundings: Surroundings) -> str:
    found = stages(surroundings)
    if not found:
        raise SkipCheck("no process trades")
    findings = [finding for one in found for finding in one.findings]
    if findings:
        raise _as_failure(findings)
    quiet = [f"{one.broker}: {one.excuse}" for one in found if one.excuse]
    working = sum(look.state == "active" for one in found for look in one.looks)
    told = f"{working} of {sum(len(one.looks) for one in found)} active"
    return "; ".join([told, *quiet])


def _losses_within(surroundings: Surroundings) -> str:
    found = day_losses(surroundings.settings)
    if not found:
        raise SkipCheck("no desk is running")
    said = [f"{one.broker} {_words(limit)}" for one in found for limit in one.limits]
    if any(not limit.passed for one in found for limit in one.limits):
        raise KillSwitchActiveError(
            "a desk has lost more today than it may",
            why=f"{', '.join(said)}.",
            next_step="See what was traded: alchemiser trade status",
        )
    return ", ".join(said)


def _as_failure(findings: list[Finding]) -> AlchemiserError:
    """Fail with the first finding's code: its runbook is what the operator needs."""
    first = findings[0]
    what = ", ".join(f"{one.broker} {one.stage}" for one in findings)
    why = "; ".join(f"{one.broker} {one.stage}: {one.detail}" for one in findings)
    if first.issue == "validation_error":
        return ValidationError(
            f"what {what} reported cannot be",
            why=why,
            next_step="Compare the clocks of the machines that write to the state database.",
        )
    kind = MarketDataStaleError if first.stage == "market_data" else StageSilentError
    return kind(
        f"{what} silent",
        why=why,
        next_step="See whether its process runs: alchemiser trade status",
    )


def _words(limit: LimitReading) -> str:
    name = limit.name.replace("_", " ")
    return f"{name} {_share(limit.value)} of {_share(limit.threshold)}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"
