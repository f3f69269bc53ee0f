"""The checks behind the status: is the system healthy, degraded, or in a critical state?"""

from functools import partial

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import (
    AlchemiserError,
    CircuitOpenError,
    FeedSilentError,
    InternalError,
    MarketDataStaleError,
    StateUnreachableError,
    StrategyExecutionError,
    error_class,
)
from alchemiser_cli.health.feeds import Feed, feeds
from alchemiser_cli.health.notifications import notification_checks
from alchemiser_cli.health.readings import breakers
from alchemiser_cli.health.spill import spilled
from alchemiser_cli.health.strategies import readiness
from alchemiser_cli.health.surroundings import (
    ERROR_RATE,
    WINDOW_MINUTES,
    Surroundings,
    duration_text,
)
from alchemiser_cli.health.trading_checks import trading_checks
from alchemiser_cli.preflight import shm
from alchemiser_cli.preflight.setup import Setup

__all__ = ["checks"]


def checks(surroundings: Surroundings) -> list[Check]:
    """Return the checks in order; a fatal one that fails is critical, any other degrades."""
    answers = "state database answers"
    # The database gives up by itself; the check's limit is only for a driver that hangs.
    limit_s = surroundings.settings.state.connect_timeout_s + 2.0
    critical = partial(Check, timeout_s=limit_s)
    degrading = partial(Check, fatal=False, timeout_s=limit_s, needs=(answers,))
    return [
        critical(answers, "state", "state-unreachable", lambda: _answers(surroundings)),
        critical(
            f"no critical error in {WINDOW_MINUTES} minutes",
            "errors",
            InternalError.code,
            lambda: _no_criticals(surroundings),
            needs=(answers,),
        ),
        degrading(
            "error rate is within its threshold",
            "errors",
            InternalError.code,
            lambda: _rate_within_threshold(surroundings),
        ),
        degrading(
            "journal has no spill file",
            "errors",
            "state-unreachable",
            lambda: _no_spill(surroundings),
        ),
        degrading(
            "circuit breakers are closed",
            "resilience",
            "circuit-open",
            lambda: _breakers_closed(surroundings),
        ),
        critical(
            "connected feeds make progress",
            "feeds",
            "feed-silent",
            lambda: _feeds_progress(surroundings),
            needs=(answers,),
        ),
        degrading(
            "feeds are connected",
            "feeds",
            "market-data-stale",
            lambda: _feeds_connected(surroundings),
        ),
        degrading(
            "configured strategies are loaded",
            "strategies",
            "strategy-failed",
            lambda: _strategies_loaded(surroundings),
        ),
        *trading_checks(surroundings, answers, limit_s),
        *notification_checks(surroundings, answers, limit_s),
        *shm.checks(Setup(surroundings.resolved, surroundings.clock)),
    ]


def _answers(surroundings: Surroundings) -> str:
    with surroundings.database.begin():
        return surroundings.database.location


def _no_criticals(surroundings: Surroundings) -> str:
    recent = surroundings.recent_errors()
    if not recent.total.criticals:
        return "none"
    raise _as_failure(
        f"{recent.total.criticals} critical error(s) in {WINDOW_MINUTES} minutes",
        codes={code: rate.criticals for code, rate in recent.by_code.items()},
        components={name: rate.criticals for name, rate in recent.by_component.items()},
    )


def _rate_within_threshold(surroundings: Surroundings) -> str:
    recent = surroundings.recent_errors()
    state = next(one for one in surroundings.thresholds() if one.metric == ERROR_RATE)
    told = f"{state.value:g} a minute, threshold {state.threshold:g}"
    # Before there is a history the first sample counts; then one sample alone is no alert.
    crossed = state.alerting or (state.kind == "static" and state.value > state.threshold)
    if crossed and recent.by_code:
        raise _as_failure(
            told,
            codes={code: rate.count for code, rate in recent.by_code.items()},
            components={name: rate.count for name, rate in recent.by_component.items()},
        )
    return told


def _no_spill(surroundings: Surroundings) -> str:
    found = spilled(surroundings.settings.logs_folder)
    if found:
        raise StateUnreachableError(
            f"errors wait in {', '.join(one.name for one in found)}",
            why=f"The journal could not reach its database for "
            f"{sum(one.bytes for one in found):,} bytes of them.",
            next_step="`alchemiser errors list` takes them in; where they stay, "
            "see `alchemiser errors runbook state-unreachable`.",
        )
    return "none"


def _breakers_closed(surroundings: Surroundings) -> str:
    found = breakers(surroundings.database, surroundings.clock.now_ns())
    if not found:
        raise SkipCheck("no circuit breaker has been used")
    barred = [one for one in found if one.state in ("open", "isolated")]
    if barred:
        raise CircuitOpenError(
            ", ".join(f"{one.name} {one.state}" for one in barred),
            why="; ".join(
                f"{one.name} for {surroundings.age(one.since_ns)}, {one.reason or 'unexplained'}"
                for one in barred
            ),
            next_step="Mend what the breaker guards; an open one probes by itself, "
            "an isolated one stays so until somebody releases it.",
        )
    probing = [one.name for one in found if one.state == "half-open"]
    return f"{len(found)} closed" if not probing else f"probing: {', '.join(probing)}"


def _feeds_progress(surroundings: Surroundings) -> str:
    connected = _feeds(surroundings, "flowing", "quiet", "mute")
    if not connected:
        raise SkipCheck("no feed is running")
    mute = [one for one in connected if one.state == "mute"]
    if mute:
        raise FeedSilentError(
            f"{_names(mute)} connected but mute",
            why="; ".join(
                f"{one.name} has brought no newer event for {duration_text(one.silent_s)}"
                for one in mute
            ),
            next_step="Ask the source whether it has data; else restart the feed: "
            "its socket stands, but nothing comes through it.",
        )
    quiet = [one for one in connected if one.state == "quiet"]
    told = f"{len(connected) - len(quiet)} flowing"
    return told + (f", {len(quiet)} quiet while the exchange is closed" if quiet else "")


def _feeds_connected(surroundings: Surroundings) -> str:
    found = _feeds(surroundings, "flowing", "quiet", "mute", "disconnected", "gone")
    if not found:
        raise SkipCheck("no feed is running")
    missing = [one for one in found if one.state in ("disconnected", "gone")]
    if missing:
        raise MarketDataStaleError(
            f"{_names(missing)} not connected",
            why="; ".join(
                f"{one.name} lost its connection {duration_text(one.silent_s)} ago"
                if one.state == "disconnected"
                else f"the process of {one.name} fell silent {duration_text(one.reported_s)} ago"
                for one in missing
            ),
            next_step="Start the process again, or see in its log why it cannot connect.",
        )
    return f"{len(found)} connected"


def _strategies_loaded(surroundings: Surroundings) -> str:
    found = readiness(surroundings)
    if not found:
        raise SkipCheck("no strategy is configured")
    loaded = sum(one.loaded for one in found)
    told = f"{loaded} of {sum(one.configured for one in found)} loaded"
    short = [one for one in found if one.loaded < one.configured]
    if short:
        raise StrategyExecutionError(
            told,
            why="; ".join(f"{one.broker}: {one.why}" for one in short),
            next_step="Start the trading process, or mend what kept the strategy from loading.",
        )
    return told


def _feeds(surroundings: Surroundings, *states: str) -> list[Feed]:
    found = feeds(surroundings.database, surroundings.settings, surroundings.clock.now_ns())
    return [one for one in found if one.state in states]


def _as_failure(what: str, *, codes: dict[str, int], components: dict[str, int]) -> AlchemiserError:
    """Fail with the code that counts most: its runbook is what the operator needs."""
    worst = max(codes, key=lambda code: codes[code])
    kind = error_class(worst) or InternalError
    return kind(
        what,
        why=f"{_ranked(codes)}; in {_ranked(components)}",
        next_step=f"Follow its runbook; `alchemiser errors list --code {worst}` has its messages.",
    )


def _ranked(counts: dict[str, int], most: int = 3) -> str:
    """Write the largest counts, such as ``broker-unreachable (7), usage (2) and 4 more``."""
    ranked = sorted((-count, name) for name, count in counts.items() if count)
    parts = [f"{name or 'no component'} ({-count})" for count, name in ranked[:most]]
    rest = len(ranked) - len(parts)
    return ", ".join(parts) + (f" and {rest} more" if rest else "")


def _names(found: list[Feed]) -> str:
    return ", ".join(one.name for one in found)
