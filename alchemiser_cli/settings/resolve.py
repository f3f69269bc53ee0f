"""Resolution: flags > environment > .env > profile > defaults, once, into one frozen object."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr, ValidationError

from alchemiser_cli.errors import ConfigurationError, SettingInvalidError, error_class
from alchemiser_cli.settings.layers import (
    PROFILE_VARIABLE,
    KeyPath,
    Layer,
    dotenv_layer,
    environment_layer,
    find_profile,
    flag_layer,
    profile_layer,
)
from alchemiser_cli.settings.model import Settings, settings_from_layers
from alchemiser_cli.settings.policy import policy_problems
from alchemiser_cli.settings.problems import Problem, validation_problems
from alchemiser_cli.settings.sections import Environment
from alchemiser_cli.settings.urls import SERVICE_URLS, masked_url

__all__ = ["Inspection", "Request", "Resolved", "inspect", "resolve"]

DEFAULT_PROFILE = "development"


@dataclass(frozen=True)
class Request:
    """What the command line and the process's surroundings say about the settings."""

    profile: str | None = None
    home: Path | None = None
    assignments: tuple[str, ...] = field(default=(), repr=False)  # secrets among them
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)  # and here
    dotenv: Path = Path(".env")


@dataclass(frozen=True)
class Resolved:
    """Settings, the profile they came from, and the origin of each value."""

    settings: Settings
    profile: str
    layers: tuple[Layer, ...]

    def origin(self, path: KeyPath) -> str:
        """Return where the value at ``path`` came from; ``default`` when nobody set it."""
        for layer in self.layers:
            if (found := layer.origins.get(path)) is not None:
                return found
        return next((o for layer in self.layers if (o := layer.origin(path))), "default")

    @property
    def secret_files(self) -> list[Path]:
        """Configuration files that hold at least one secret."""
        secret_paths = set(_secret_paths(self.settings))
        return [
            layer.file
            for layer in self.layers
            if layer.file is not None and secret_paths.intersection(layer.origins)
        ]


@dataclass(frozen=True)
class Inspection:
    """All that is wrong with a configuration; ``resolved`` is None when it cannot be built."""

    profile: str
    resolved: Resolved | None
    problems: list[Problem]


def inspect(request: Request) -> Inspection:
    """Resolve, and gather every problem of form and of policy instead of raising.

    Raises:
        ConfigurationError: ``profile-not-found`` or ``profile-malformed``, where there is
            nothing to inspect; UsageError ``usage`` for a malformed flag.
    """
    profile, layers = _read_layers(request)
    try:
        settings = settings_from_layers(layers)
    except ValidationError as error:
        return Inspection(profile, None, validation_problems(error, Settings, layers))
    if settings.signing.key is None and settings.environment is not Environment.PRODUCTION:
        layers = (*layers, _transient_signing_key())
        settings = settings_from_layers(layers)
    resolved = Resolved(settings, profile, layers)
    problems = [
        msgspec.structs.replace(
            problem, origin=problem.origin or resolved.origin(tuple(problem.key.split(".")))
        )
        for problem in policy_problems(settings, resolved.secret_files)
    ]
    return Inspection(profile, resolved, problems)


def resolve(request: Request) -> Resolved:
    """Resolve the settings, or raise the first problem of form, counting the others.

    Problems of policy do not stop here: ``config check`` and ``preflight`` report them.

    Raises:
        ConfigurationError: ``setting-unknown``, ``setting-invalid``, ``bootstrap-malformed``,
            ``url-malformed``, ``profile-not-found`` or ``profile-malformed``.
    """
    inspection = inspect(request)
    if inspection.resolved is None:
        raise _as_error(inspection.problems)
    return inspection.resolved


def _read_layers(request: Request) -> tuple[str, tuple[Layer, ...]]:
    flags = flag_layer(list(request.assignments), request.home)
    environment = environment_layer(request.environ)
    dotenv = dotenv_layer(request.dotenv)
    layers = [flags, environment, dotenv]
    named = (
        request.profile
        or request.environ.get(PROFILE_VARIABLE)
        or dotenv.profile
        or DEFAULT_PROFILE
    )
    home = next((layer.values["home"] for layer in layers if "home" in layer.values), None)
    # A home that is not a text is refused with the other values, by its section's type.
    folder = Path(home) if isinstance(home, str) else None
    layers.append(profile_layer(find_profile(named, folder)))
    return named, tuple(layers)


def _transient_signing_key() -> Layer:
    return Layer(
        values={"signing": {"key": secrets.token_hex(32)}},
        origins={("signing", "key"): "transient, made for this process"},
    )


def _as_error(problems: list[Problem]) -> ConfigurationError:
    first, others = problems[0], len(problems) - 1
    kind = error_class(first.code)
    if kind is None or not issubclass(kind, ConfigurationError):
        kind = SettingInvalidError
    more = f" (and {others} more: `alchemiser config check` names them all)" if others else ""
    return kind(
        f"the setting {first.key} cannot be used{more}",
        why=f"{first.message} ({first.origin})",
        next_step=first.next_step,
        context={"key": first.key, "origin": first.origin, "problems": len(problems)},
    )


def _secret_paths(section: BaseModel, prefix: KeyPath = ()) -> Iterable[KeyPath]:
    for name in type(section).model_fields:
        yield from _secret_leaves(getattr(section, name), (*prefix, name))


def _secret_leaves(value: Any, path: KeyPath) -> Iterable[KeyPath]:
    if isinstance(value, SecretStr):
        url = value.get_secret_value()
        if path not in SERVICE_URLS or masked_url(url) != url:
            yield path
    elif isinstance(value, BaseModel):
        yield from _secret_paths(value, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _secret_leaves(inner, (*path, key))
