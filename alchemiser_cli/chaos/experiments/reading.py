"""Reading an experiment's file: everything that is wrong with it is named, with its place."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from alchemiser_cli.chaos.experiments.checking import (
    Problem,
    activity_problems,
    control_problems,
    ours_problems,
)
from alchemiser_cli.chaos.experiments.document import (
    EXTENSION,
    Activity,
    Control,
    Experiment,
    Hypothesis,
    Ours,
)
from alchemiser_cli.errors import ExperimentMalformedError

__all__ = ["experiment_of", "read_experiment"]

T = TypeVar("T")

_KNOWN = {
    "version",
    "title",
    "description",
    "tags",
    "contributions",
    "steady-state-hypothesis",
    "method",
    "rollbacks",
    "controls",
    "extensions",
}
_REFUSED = {
    "configuration": "values from the environment are not supported; write them into the arguments",
    "secrets": "secrets do not belong here, and are not supported",  # pragma: allowlist secret
    "runtime": "when rollbacks run cannot be chosen: they always do",
    "dry": "running without effect is not supported; `chaos validate` checks a file",
}


def read_experiment(file: Path, plugin_modules: Collection[str] = ()) -> Experiment:
    """Read and check one file, JSON or TOML; the experiment's name is the file's.

    Raises:
        ExperimentMalformedError: ``experiment-malformed``, naming every problem.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text) if file.suffix == ".toml" else msgspec.json.decode(text)
    except (OSError, ValueError) as error:  # not UTF-8, not TOML, not JSON
        raise _malformed(file.stem, [Problem("the file", str(error))], file) from None
    return experiment_of(file.stem, values, plugin_modules, file)


def experiment_of(
    name: str, values: Any, plugin_modules: Collection[str] = (), file: Path | None = None
) -> Experiment:
    """Return the experiment that ``values``, as JSON has them, describe.

    ``plugin_modules`` are the packages of plugins whose functions may be called.

    Raises:
        ExperimentMalformedError: ``experiment-malformed``, naming every problem.
    """
    if not isinstance(values, Mapping):
        raise _malformed(name, [Problem("the file", "an experiment is an object")], file)
    problems = _key_problems(values)
    title = _text(values, "title", problems)
    description = _text(values, "description", problems)
    tags = _converted(values.get("tags", []), tuple[str, ...], "tags", problems)
    raw = values.get("steady-state-hypothesis")
    title_held, probes = _hypothesis(raw, problems) if raw is not None else ("", {})
    method = _activities(values.get("method"), "method", problems)
    rollbacks = _activities(values.get("rollbacks", []), "rollbacks", problems)
    controls = (
        _converted(values.get("controls", []), tuple[Control, ...], "controls", problems) or ()
    )
    ours = _ours(values.get("extensions", []), problems)
    for activities, is_held in ((probes, True), (method, False), (rollbacks, False)):
        for place, activity in activities.items():
            problems += activity_problems(activity, place, plugin_modules, is_held=is_held)
    problems += control_problems(controls, plugin_modules)
    problems += ours_problems(ours)
    if problems:
        raise _malformed(name, problems, file)
    return Experiment(
        name=name,
        title=title,
        description=description,
        tags=tags or (),
        hypothesis=None if raw is None else Hypothesis(title_held, tuple(probes.values())),
        method=tuple(method.values()),
        rollbacks=tuple(rollbacks.values()),
        controls=controls,
        ours=ours,
        document=dict(values),
    )


def _key_problems(values: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for key in sorted(values):
        if key in _REFUSED and values[key]:
            problems.append(Problem(key, _REFUSED[key]))
        elif key not in _KNOWN and key not in _REFUSED:
            problems.append(Problem(key, f"{key!r} is no key of an experiment"))
    return problems


def _text(values: Mapping[str, Any], key: str, problems: list[Problem]) -> str:
    value = values.get(key)
    if isinstance(value, str) and value.strip():
        return value
    problems.append(Problem(key, "every experiment needs one, as a text"))
    return ""


def _hypothesis(raw: Any, problems: list[Problem]) -> tuple[str, dict[str, Activity]]:
    """Return the title of the hypothesis, and its probes by their places."""
    place = "steady-state-hypothesis"
    if not isinstance(raw, Mapping):
        problems.append(Problem(place, "a hypothesis is an object with title and probes"))
        return "", {}
    problems += [
        Problem(f"{place}.{key}", f"{key!r} is no key of a hypothesis")
        for key in sorted(raw.keys() - {"title", "probes"})
    ]
    return _text(raw, "title", problems), _activities(
        raw.get("probes"), f"{place}.probes", problems
    )


def _activities(raw: Any, place: str, problems: list[Problem]) -> dict[str, Activity]:
    """Return the activities that have their form, by their places."""
    if not isinstance(raw, list):
        problems.append(Problem(place, "it must be a list of activities"))
        return {}
    found = {}
    for number, one in enumerate(raw):
        where = f"{place}[{number}]"
        activity = _converted(one, Activity, where, problems)
        if activity is not None:
            found[where] = activity
    return found


def _ours(raw: Any, problems: list[Problem]) -> Ours:
    nothing = Ours(name=EXTENSION)
    if not isinstance(raw, list):
        problems.append(Problem("extensions", "it must be a list of objects with a name"))
        return nothing
    for number, one in enumerate(raw):
        if not isinstance(one, Mapping) or not one.get("name"):
            problems.append(Problem(f"extensions[{number}]", "an extension needs a name"))
        elif one["name"] == EXTENSION:
            return _converted(one, Ours, f"extensions[{number}]", problems) or nothing
    return nothing  # those of other tools are theirs


def _converted(value: Any, kind: type[T], place: str, problems: list[Problem]) -> T | None:
    """Convert one part; where it is wrong, note why: msgspec says the place below ``place``."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        why, _, below = str(error).partition(" - at `$")
        if "'process'" in why:
            why = (
                "a process provider is refused: an experiment must not start programs. "
                "Write an action of a plugin, and allow that plugin"
            )
        problems.append(Problem(place + below.rstrip("`"), why))
        return None


def _malformed(name: str, problems: list[Problem], file: Path | None) -> ExperimentMalformedError:
    where = f" ({file})" if file is not None else ""
    return ExperimentMalformedError(
        f"the experiment {name!r} cannot be used{where}",
        why="; ".join(f"{one.place}: {one.why}" for one in problems) + ".",
        next_step="Correct the file, then look again with: "
        f"alchemiser chaos validate {file or name}",
        context={
            "experiment": name,
            "file": None if file is None else str(file),
            "problems": [msgspec.to_builtins(one) for one in problems],
        },
    )
