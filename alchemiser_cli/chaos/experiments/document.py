"""An experiment as its file says it, in the format of Chaos Toolkit.

Source: https://chaostoolkit.org/reference/api/experiment/
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from alchemiser_cli.chaos.verdicts.expectation import Expectation

__all__ = [
    "EXTENSION",
    "Activity",
    "Control",
    "ControlProvider",
    "Experiment",
    "HttpProvider",
    "Hypothesis",
    "Ours",
    "Pauses",
    "PythonProvider",
    "Safeguard",
    "WorkloadSetting",
]

EXTENSION: Literal["alchemiser"] = "alchemiser"
"""The name of the extension that holds our own parts."""

_Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class PythonProvider(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="python", tag_field="type"
):
    """A function to call, with its arguments by name."""

    module: str
    func: str
    arguments: dict[str, Any] = {}


class HttpProvider(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="http", tag_field="type"
):
    """A page to read; the answer has ``status``, ``headers`` and ``body``."""

    url: str
    method: Literal["GET"] = "GET"
    headers: dict[str, str] = {}
    timeout: Annotated[float, Meta(gt=0, le=60)] = 5.0


Provider = PythonProvider | HttpProvider


class Pauses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds to wait before and after an activity."""

    before: _Seconds = 0.0
    after: _Seconds = 0.0


class Activity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step: an action, which changes something, or a probe, which looks.

    ``tolerance`` is what a probe of the hypothesis must return; see ``tolerance.is_within``.
    """

    type: Literal["action", "probe"]
    name: Annotated[str, Meta(min_length=1)]
    provider: Provider
    tolerance: Any = msgspec.UNSET
    background: bool = False
    pauses: Pauses = Pauses()


class Hypothesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The steady state: every probe returns what its tolerance allows."""

    title: str
    probes: tuple[Activity, ...]


class ControlProvider(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="python", tag_field="type"
):
    """A module whose functions are called; each takes ``arguments`` by name."""

    module: str
    arguments: dict[str, Any] = {}


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is called around the parts of the experiment; see ``controls``."""

    name: Annotated[str, Meta(min_length=1)]
    provider: ControlProvider
    automatic: Literal[True] = True


class WorkloadSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The laboratory of an experiment: which work goes on in it, under which settings."""

    workload: str
    arguments: dict[str, Any] = {}
    settings: dict[str, Any] = {}


class Safeguard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stops an experiment when it is more than ``limit``.

    ``error-budget`` counts the failures in the journal since the start, ``drawdown`` is the
    largest of the running desks as a share of equity, ``lag`` the pieces of work that wait, on a
    home the messages that its consumer group has not committed. What cannot be read stops it, too.
    """

    kind: Literal["error-budget", "drawdown", "lag"]
    limit: Annotated[float, Meta(ge=0)]


class Ours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The extension ``alchemiser``: laboratory, expectations and safeguards."""

    name: Literal["alchemiser"]
    laboratory: WorkloadSetting | None = None
    expect: tuple[Expectation, ...] = ()
    safeguards: tuple[Safeguard, ...] = ()


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment, checked; ``document`` is the file's own content."""

    name: str
    title: str
    description: str
    tags: tuple[str, ...]
    hypothesis: Hypothesis | None
    method: tuple[Activity, ...]
    rollbacks: tuple[Activity, ...]
    controls: tuple[Control, ...]
    ours: Ours
    document: dict[str, Any]
