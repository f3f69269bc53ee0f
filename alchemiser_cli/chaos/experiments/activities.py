"""Running one activity, or looking at the hypothesis: what came of it, and how long it took."""

import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from alchemiser_cli.chaos.experiments.document import Activity, Hypothesis, PythonProvider
from alchemiser_cli.chaos.experiments.journal import ActivityRun, SteadyState, StepStatus
from alchemiser_cli.chaos.experiments.pace import HaltedError, Pace
from alchemiser_cli.chaos.experiments.page import read_page
from alchemiser_cli.chaos.experiments.providers import called
from alchemiser_cli.chaos.experiments.tolerance import is_within
from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns

__all__ = ["look", "run_activity"]


def run_activity(activity: Activity, pace: Pace, clock: Clock) -> ActivityRun:
    """Run one activity with its pauses; what it raises is in the result.

    One that is halted is ``aborted``, and so is one whose pause is cut short.
    """
    began_ns, from_ns = clock.now_ns(), clock.monotonic_ns()
    output, raised = None, None
    status: StepStatus = "succeeded"
    try:
        pace.wait(activity.pauses.before)
        began_ns, from_ns = clock.now_ns(), clock.monotonic_ns()
        output = _encodable(_called(activity))
    except HaltedError:
        status = "aborted"
    except Exception as error:  # noqa: BLE001  what a step raises is its result
        status, raised = "failed", traceback.format_exception(error)
    duration_s = (clock.monotonic_ns() - from_ns) / NS_PER_SECOND
    if status == "succeeded":
        try:
            pace.wait(activity.pauses.after)
        except HaltedError:
            status = "aborted"
    return ActivityRun(
        activity=msgspec.to_builtins(activity),
        status=status,
        start=iso_from_ns(began_ns),
        end=iso_from_ns(began_ns + round(duration_s * NS_PER_SECOND)),
        duration=round(duration_s, 6),
        output=output,
        exception=raised,
    )


def look(hypothesis: Hypothesis, ask: Callable[[Activity], ActivityRun]) -> SteadyState:
    """Ask every probe of the hypothesis, up to the first that is not within its tolerance."""
    probes = []
    for activity in hypothesis.probes:
        run = ask(activity)
        run.tolerance_met = run.status == "succeeded" and is_within(activity.tolerance, run.output)
        probes.append(run)
        if not run.tolerance_met:
            return SteadyState(False, probes)
    return SteadyState(True, probes)


def _called(activity: Activity) -> Any:
    provider = activity.provider
    return called(provider) if isinstance(provider, PythonProvider) else read_page(provider)


def _encodable(output: Any) -> Any:
    """Return the output as JSON has it, else its text."""
    try:
        return msgspec.json.decode(msgspec.json.encode(output))
    except (TypeError, ValueError):
        return repr(output)
