"""Escalation policies: who is told of an alert, when, and how often until somebody answers."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta

from alchemiser_cli.errors import EscalationMalformedError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.notifications.alert import Alert, Level
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.settings import NotificationChannel

__all__ = ["FILE", "Policies", "Policy", "Step", "read_policies"]

FILE = "escalation.toml"

_log = get_logger("monitoring", "notifications.policies")

_LONGEST_S = 366 * 86_400
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=64)]
_ChannelName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=64)]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step: the channels to tell, ``after_s`` seconds after the incident began to fire."""

    after_s: Annotated[float, Meta(ge=0, le=_LONGEST_S)]
    channels: Annotated[tuple[_ChannelName, ...], Meta(min_length=1)]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The steps for the alerts that ``match`` means.

    After the last step its message is repeated every ``repeat_s`` seconds until somebody
    acknowledges the incident, at most ``max_repeats`` times. It is written as JSON into an
    incident, which keeps the policy that it began with.
    """

    name: _Name
    match: Matcher = Matcher()
    steps: Annotated[tuple[Step, ...], Meta(min_length=1)]
    repeat_s: Annotated[float, Meta(ge=1, le=_LONGEST_S)] = 3_600.0
    max_repeats: Annotated[int, Meta(ge=0, le=1_000)] = 0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    policy: Annotated[tuple[Policy, ...], Meta(min_length=1)]


class Policies:
    """All policies in their order, and the channels that they can reach."""

    def __init__(
        self, policies: Sequence[Policy], channels: Mapping[str, NotificationChannel] | None = None
    ) -> None:
        """Take policies of which the last matches every alert, and the channels of the settings."""
        self.policies = tuple(policies)
        self._enabled = {
            name: frozenset(channel.severities)
            for name, channel in (channels or {}).items()
            if channel.enabled
        }
        self._told: set[str] = set()

    @classmethod
    def load(
        cls, home: Path | None, channels: Mapping[str, NotificationChannel] | None = None
    ) -> Self:
        """Read ``escalation.toml`` from ./configs, else configs of the home, else the package.

        Raises:
            EscalationMalformedError: ``escalation-malformed``, saying what is wrong.
        """
        for folder in _folders(home):
            if _is_there(file := folder / FILE):
                return cls(read_policies(file), channels)
        raise _malformed(
            Path(FILE), "The package carries a file of that name, and it is gone", "Install it anew"
        )

    def choose(self, alert: Alert) -> Policy:
        """Return the first policy that matches ``alert``."""
        return next(one for one in self.policies if one.match.matches(alert))

    def recipients(self, step: Step, severity: Level) -> tuple[str, ...]:
        """Return the names of the channels that ``step`` reaches at ``severity``.

        These are the step's channels that are enabled and take the severity. Where one of them is
        not configured or not enabled, or none of them takes the severity, every enabled channel
        that takes it is told as well, for somebody must be; the log says so once a channel. It is
        empty only where no channel at all takes the severity.
        """
        takers = [name for name, levels in self._enabled.items() if severity in levels]
        missing = [name for name in step.channels if name not in self._enabled]
        self._tell(missing, takers)
        named = [name for name in dict.fromkeys(step.channels) if name in takers]
        if missing or not named:
            named += [name for name in takers if name not in named]
        return tuple(named)

    def _tell(self, missing: list[str], takers: list[str]) -> None:
        for name in missing:
            if name not in self._told:
                self._told.add(name)
                _log.warning(
                    "escalation_channel_not_enabled",
                    recipient=name,
                    told_instead=takers,
                    next_step=f"Set notifications.{name}.url, or take it out of {FILE}.",
                )


def read_policies(file: Path) -> tuple[Policy, ...]:
    """Read the policies of one file.

    Raises:
        EscalationMalformedError: ``escalation-malformed``, saying what is wrong.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _malformed(file, str(error)) from None
    _refuse_unknown(file, values)
    try:
        policies = msgspec.convert(_listed(values), _File).policy
    except msgspec.ValidationError as error:
        raise _malformed(file, str(error)) from None
    for problem in _problems(policies):
        raise _malformed(file, problem)
    return policies


def _problems(policies: tuple[Policy, ...]) -> Iterator[str]:
    names = [one.name for one in policies]
    yield from (f"two policies are called {name}" for name in names if names.count(name) > 1)
    for one in policies:
        yield from (f"of the policy {one.name}, {what}" for what in one.match.problems())
        times = [step.after_s for step in one.steps]
        if any(later <= sooner for sooner, later in pairwise(times)):
            yield f"the steps of the policy {one.name} do not come one after another in after_s"
    for one in policies[:-1]:
        if one.match.is_empty:
            yield f"the policy {one.name} matches every alert, so that none after it is ever used"
    if not policies[-1].match.is_empty:
        yield "the last policy has a match; without one that takes every alert some would be lost"


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """Write a single value in a match as the list of it: both are allowed."""
    for policy in _tables(values.get("policy")):
        if isinstance(match := policy.get("match"), dict):
            policy["match"] = {
                key: [value] if isinstance(value, str) else value for key, value in match.items()
            }
    return values


def _refuse_unknown(file: Path, values: dict[str, Any]) -> None:
    _known(file, values, _File, "file")
    for policy in _tables(values.get("policy")):
        _known(file, policy, Policy, "policy")
        _known(file, policy.get("match"), Matcher, "match")
        for step in _tables(policy.get("steps")):
            _known(file, step, Step, "step")


def _known(file: Path, table: Any, kind: type[msgspec.Struct], what: str) -> None:
    if not isinstance(table, dict):
        return  # converting says what it must be
    names = kind.__struct_fields__
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            next_step = f"Did you mean {near[0]}" if near else f"Known are {', '.join(names)}"
            raise _malformed(file, f"{key!r} is no key of a {what}", next_step)


def _tables(values: Any) -> list[dict[str, Any]]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _malformed(file: Path, why: str, next_step: str = "") -> EscalationMalformedError:
    return EscalationMalformedError(
        f"the escalation policies cannot be used ({file})",
        why=f"{why[:1].upper()}{why[1:].rstrip('.')}.",
        next_step=f"{next_step or f'Correct {file}'}{'?' if 'Did you' in next_step else '.'}",
        context={"file": str(file)},
    )


def _folders(home: Path | None) -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    folders = [Path("configs")]
    if home is not None:
        folders.append(home / "configs")
    # An installed wheel carries the file inside the package; a checkout has it beside it.
    return [*folders, package / "configs", package.parent / "configs"]


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder that may not be searched: reading says so
        return True
