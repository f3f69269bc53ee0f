"""Run checks with time limits, retries and dependencies; a check never takes another down."""

import queue
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    CheckCrashedError,
    CheckTimedOutError,
)

__all__ = ["Check", "CheckResult", "Outcome", "SkipCheck", "run_checks"]

Outcome = Literal["success", "warning", "error", "skipped"]

RETRY_INTERVAL_S = 0.5


class SkipCheck(Exception):  # noqa: N818  an outcome, not an error
    """Raised by a check that does not apply here; the message says because of what."""


@dataclass(frozen=True)
class Check:
    """One question about the system.

    ``run`` returns a detail on success, raises an ``AlchemiserError`` on failure and
    ``SkipCheck`` where the question does not apply. A failure is an error when ``fatal``,
    else a warning. ``code`` is the error code that the check is about. ``retry`` says
    whether waiting may help.
    """

    name: str
    category: str
    code: str
    run: Callable[[], str]
    fatal: bool = True
    timeout_s: float = 10.0
    retry: bool = False
    needs: tuple[str, ...] = ()


class CheckResult(msgspec.Struct, frozen=True):
    """How one check ended; ``hint`` is the next step where it failed."""

    name: str
    category: str
    code: str
    result: Outcome
    detail: str = ""
    hint: str = ""
    skipped_because: str | None = None
    duration_ms: float = 0.0


def run_checks(
    checks: Iterable[Check],
    clock: Clock,
    *,
    wait_s: float = 0.0,
    on_result: Callable[[CheckResult], None] = lambda _: None,
) -> list[CheckResult]:
    """Run the checks in order and return one result for each.

    A check whose need did not succeed is skipped because of it. A failing check with
    ``retry`` is asked again until ``wait_s`` seconds, shared by all checks, have passed.
    ``on_result`` sees every result as it is known.
    """
    deadline_ns = clock.monotonic_ns() + round(wait_s * NS_PER_SECOND)
    results: list[CheckResult] = []
    by_name: dict[str, CheckResult] = {}
    for check in checks:
        result = _unmet_need(check, by_name) or _run_with_retries(check, clock, deadline_ns)
        results.append(result)
        by_name[check.name] = result
        on_result(result)
    return results


def _unmet_need(check: Check, results: dict[str, CheckResult]) -> CheckResult | None:
    for need in check.needs:
        result = results.get(need)
        # A need outside the chosen categories was not asked, and does not stand in the way.
        if result is not None and result.result != "success":
            verb = "was skipped" if result.result == "skipped" else "failed"
            return _skipped(check, f'"{need}" {verb}')
    return None


def _run_with_retries(check: Check, clock: Clock, deadline_ns: int) -> CheckResult:
    while True:
        started_ns = clock.monotonic_ns()
        result = _run_once(check)
        now_ns = clock.monotonic_ns()
        result = msgspec.structs.replace(
            result, duration_ms=round((now_ns - started_ns) / 1_000_000, 3)
        )
        left_s = (deadline_ns - now_ns) / NS_PER_SECOND
        if result.result in ("success", "skipped") or not check.retry or left_s <= 0:
            return result
        clock.sleep(min(RETRY_INTERVAL_S, left_s))


def _run_once(check: Check) -> CheckResult:
    answers: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()
    # A thread of its own, so that a call that never returns costs only its time limit.
    threading.Thread(
        target=lambda: answers.put(_outcome(check)), name=f"check {check.name}", daemon=True
    ).start()
    try:
        return answers.get(timeout=check.timeout_s)
    except queue.Empty:
        late = CheckTimedOutError(
            f"no answer within {check.timeout_s:g} s",
            why=f"The check {check.name!r} did not finish in its time limit.",
            next_step="See whether the service it asks is slow or hangs, then try again.",
        )
        return _failed(check, late)


def _outcome(check: Check) -> CheckResult:
    try:
        detail = check.run()
    except SkipCheck as reason:
        return _skipped(check, str(reason))
    except AlchemiserError as error:
        return _failed(check, error)
    except BaseException as error:  # noqa: BLE001  a crash, SystemExit too, is its own result
        crash = CheckCrashedError(
            f"the check crashed: {''.join(traceback.format_exception_only(error)).strip()}",
            why="A check raised an exception without a code: a defect in the check.",
            next_step="Report it with the output of `alchemiser --verbose preflight`.",
        )
        return _failed(check, crash)
    return CheckResult(check.name, check.category, check.code, "success", detail=detail)


def _failed(check: Check, error: AlchemiserError) -> CheckResult:
    return CheckResult(
        check.name,
        check.category,
        error.code,
        "error" if check.fatal else "warning",
        detail=f"{error.what}: {error.why}",
        hint=error.next_step,
    )


def _skipped(check: Check, because: str) -> CheckResult:
    return CheckResult(check.name, check.category, check.code, "skipped", skipped_because=because)
