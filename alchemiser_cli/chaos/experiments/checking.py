"""What can be wrong with an activity or with our own parts, beyond its form."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import get_args

import msgspec

from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.chaos.experiments.controls import control_problem
from alchemiser_cli.chaos.experiments.document import (
    Activity,
    Control,
    HttpProvider,
    Ours,
    PythonProvider,
)
from alchemiser_cli.chaos.experiments.providers import ACTIONS, provider_problem
from alchemiser_cli.chaos.experiments.tolerance import tolerance_problem
from alchemiser_cli.chaos.verdicts.expectation import Expectation
from alchemiser_cli.chaos.verdicts.verdict import Question
from alchemiser_cli.chaos.workloads.registry import WORKLOADS
from alchemiser_cli.errors import AlchemiserError, error_class

__all__ = ["Problem", "activity_problems", "control_problems", "ours_problems"]

_FAULT_ARGUMENTS = {
    "error": "word",
    "every": "every_s",
    "active": "active_s",
    **{name: name for name in ("target", "probability", "amount", "count", "seed")},
}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: where in the file, and why."""

    place: str
    why: str


def activity_problems(
    activity: Activity, place: str, plugin_modules: Collection[str], *, is_held: bool
) -> Iterator[Problem]:
    """Yield what is wrong with one activity; ``is_held``: it belongs to the hypothesis."""
    provider = activity.provider
    if isinstance(provider, HttpProvider):
        if not provider.url.startswith(("http://", "https://")):
            yield Problem(f"{place}.provider.url", "it must begin with http:// or https://")
        if activity.type == "action":
            yield Problem(f"{place}.provider", "a page can be read by a probe, not by an action")
    elif (found := provider_problem(provider, plugin_modules)) is not None:
        yield Problem(f"{place}.provider.{found[0]}", found[1])
    elif provider.module == ACTIONS and provider.func == "inject":
        yield from _fault_problems(provider, f"{place}.provider.arguments")
    if is_held:
        yield from _held_problems(activity, place)
    if activity.tolerance is not msgspec.UNSET:
        problem = tolerance_problem(activity.tolerance)
        if problem is not None:
            yield Problem(f"{place}.tolerance", problem)


def control_problems(
    controls: Sequence[Control], plugin_modules: Collection[str]
) -> Iterator[Problem]:
    """Yield what is wrong with the controls."""
    for number, control in enumerate(controls):
        problem = control_problem(control, plugin_modules)
        if problem is not None:
            yield Problem(f"controls[{number}].provider.module", problem)


def ours_problems(ours: Ours) -> Iterator[Problem]:
    """Yield what is wrong with the extension ``alchemiser``."""
    place = "extensions.alchemiser"
    if ours.laboratory is not None and (name := ours.laboratory.workload) not in WORKLOADS:
        near = difflib.get_close_matches(name, WORKLOADS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(WORKLOADS) or 'none'}"
        yield Problem(f"{place}.laboratory.workload", f"there is no workload {name!r}; {hint}")
    for number, one in enumerate(ours.expect):
        yield from _expectation_problems(one, f"{place}.expect[{number}]")


def _held_problems(activity: Activity, place: str) -> Iterator[Problem]:
    if activity.type != "probe":
        yield Problem(f"{place}.type", "a hypothesis has probes only")
    if activity.background:
        yield Problem(f"{place}.background", "a probe of the hypothesis is waited for")
    if activity.tolerance is msgspec.UNSET:
        yield Problem(f"{place}.tolerance", "a probe of the hypothesis needs a tolerance")


def _fault_problems(provider: PythonProvider, place: str) -> Iterator[Problem]:
    arguments = {
        _FAULT_ARGUMENTS[name]: value
        for name, value in provider.arguments.items()
        if name in _FAULT_ARGUMENTS
    }
    try:
        asked(**arguments)
    except AlchemiserError as error:
        yield Problem(place, f"{error.what}: {error.why} {error.next_step}".rstrip("."))
    except TypeError:
        yield Problem(place, "a number is expected where there is none")


def _expectation_problems(one: Expectation, place: str) -> Iterator[Problem]:
    for code in one.detected.codes if one.detected is not None else ():
        if error_class(code) is None:
            yield Problem(f"{place}.detected.codes", f"no error has the code {code!r}")
    if one.detected is not None and not one.detected.codes:
        yield Problem(f"{place}.detected.codes", "at least one code must be named")
    for question in one.guards.keys() - set(get_args(Question)):
        yield Problem(f"{place}.guards", f"the verdict has no question {question!r}")
    if one.availability is not None and not 0 <= one.availability <= 1:
        yield Problem(f"{place}.availability", "a share lies between 0 and 1")
