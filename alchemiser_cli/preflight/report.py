"""Running preflight: all categories in order, one report, kept as a file and a log record."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from alchemiser_cli.checks import Check, CheckResult, run_checks
from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.errors import AlchemiserError, PreflightBlockedError, UsageError
from alchemiser_cli.hooks import plugin_checks
from alchemiser_cli.logs import get_logger
from alchemiser_cli.preflight import (
    clock,
    configuration,
    credentials,
    files,
    kafka,
    market,
    models,
    notifications,
    registry,
    runtime,
    shm,
    state,
    strategies,
    tracking,
    trading,
)
from alchemiser_cli.preflight.setup import Setup, policy_name

__all__ = [
    "CATEGORIES",
    "Category",
    "PreflightReport",
    "blocked",
    "checks_of",
    "run_preflight",
    "summary_file",
]

SCHEMA_VERSION = 1

# In the order in which they run: what everything else stands on comes first.
CATEGORIES: dict[str, Callable[[Setup], list[Check]]] = {
    "runtime": runtime.checks,
    "files": files.checks,
    "configuration": configuration.checks,
    "credentials": credentials.checks,
    "state": state.checks,
    "kafka": kafka.checks,
    "clock": clock.checks,
    "registry": registry.checks,
    "shm": shm.checks,
    "models": models.checks,
    "strategies": strategies.checks,
    "trading": trading.checks,
    "tracking": tracking.checks,
    "notifications": notifications.checks,
    "market": market.checks,
}


class Category(msgspec.Struct, frozen=True):
    """The results of one category."""

    name: str
    checks: list[CheckResult]


class PreflightReport(msgspec.Struct, frozen=True):
    """What preflight found; ``success`` means that the environment's policy lets it start."""

    schema_version: int
    success: bool
    policy: str
    environment: str
    started_at: str
    duration_ms: float
    categories: list[Category]

    def results(self, *outcomes: str) -> list[CheckResult]:
        """Return the results that ended in one of ``outcomes``."""
        return [
            result
            for category in self.categories
            for result in category.checks
            if result.result in outcomes
        ]


def checks_of(setup: Setup, only: Sequence[str] = ()) -> list[Check]:
    """Return the checks of the named categories, of all and of the plugins' without a name.

    Raises:
        UsageError: ``usage``, for a category that does not exist.
    """
    from_plugins = _plugin_checks(setup)
    known = [*CATEGORIES, *dict.fromkeys(check.category for check in from_plugins)]
    unknown = [name for name in only if name not in known]
    if unknown:
        raise UsageError(
            f"there is no category {unknown[0]!r}",
            why=f"The categories are {', '.join(known)}.",
            next_step="`alchemiser preflight --list` shows every check.",
        )
    chosen = only or known
    own = [check for name, make in CATEGORIES.items() if name in chosen for check in make(setup)]
    return own + [check for check in from_plugins if check.category in chosen]


def run_preflight(
    setup: Setup,
    checks: Iterable[Check],
    *,
    wait_s: float = 0.0,
    on_result: Callable[[CheckResult], None] = lambda _: None,
) -> PreflightReport:
    """Run the checks and report; the report is also logged and kept in the logs folder.

    ``wait_s`` is how many seconds checks may be repeated for which waiting can help.
    """
    started_at_ns, started_ns = setup.clock.now_ns(), setup.clock.monotonic_ns()
    with setup.stack:
        results = run_checks(checks, setup.clock, wait_s=wait_s, on_result=on_result)
    by_category: dict[str, list[CheckResult]] = {}
    for result in results:
        by_category.setdefault(result.category, []).append(result)
    report = PreflightReport(
        schema_version=SCHEMA_VERSION,
        success=not any(result.result == "error" for result in results),
        policy=policy_name(setup.settings.environment),
        environment=setup.settings.environment,
        started_at=iso_from_ns(started_at_ns),
        duration_ms=round((setup.clock.monotonic_ns() - started_ns) / 1_000_000, 3),
        categories=[Category(name, found) for name, found in by_category.items()],
    )
    _keep(report, summary_file(setup.settings.logs_folder))
    return report


def summary_file(logs_folder: Path) -> Path:
    """Return the file that holds the last report."""
    return logs_folder / "preflight_summary.json"


def blocked(report: PreflightReport) -> PreflightBlockedError:
    """Return the error that stops a start after a report without success."""
    errors = report.results("error")
    return PreflightBlockedError(
        f"{len(errors)} check(s) stand in the way of a start",
        why="; ".join(f"{result.name} ({result.code})" for result in errors),
        next_step=f"{errors[0].hint.rstrip('.')}. Then run `alchemiser preflight` again.",
        context={"codes": [result.code for result in errors], "policy": report.policy},
    )


def _plugin_checks(setup: Setup) -> list[Check]:
    # A plugin that cannot be loaded is reported by its own check, not by a crash here.
    with suppress(AlchemiserError):
        return plugin_checks(setup.settings)
    return []


def _keep(report: PreflightReport, file: Path) -> None:
    get_logger("application", "preflight").info(
        "preflight_summary",
        success=report.success,
        policy=report.policy,
        duration_ms=report.duration_ms,
        **{
            outcome: [result.name for result in report.results(outcome)]
            for outcome in ("error", "warning", "skipped")
        },
    )
    document = msgspec.json.format(msgspec.json.encode(report), indent=2)
    # Without a writable home there is nowhere to keep it; the check on the home has said so.
    with suppress(OSError):
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(document + b"\n")
        part.chmod(0o600)
        part.replace(file)
