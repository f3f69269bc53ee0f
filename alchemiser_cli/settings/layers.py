"""The layers a setting may come from, each value with its origin."""

import io
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from dotenv.parser import parse_stream

from alchemiser_cli.errors import ProfileMalformedError, ProfileNotFoundError, UsageError

__all__ = [
    "ENVIRONMENT_PREFIX",
    "KeyPath",
    "Layer",
    "dotenv_layer",
    "environment_layer",
    "find_profile",
    "flag_layer",
    "profile_layer",
    "profile_names",
]

ENVIRONMENT_PREFIX = "ALCHEMISER_"
PROFILE_VARIABLE = "ALCHEMISER_PROFILE"

KeyPath = tuple[str, ...]

# Files in configs/ that are data for other parts, not profiles.
_OTHER_CONFIGS = {"escalation", "risk"}
_TOML_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_TOML_PATH = rf"({_TOML_PART}(?:\s*\.\s*{_TOML_PART})*)"
_TOML_TABLE = re.compile(rf"^\s*\[\s*{_TOML_PATH}\s*\]\s*(?:#.*)?$")
_TOML_KEY = re.compile(rf"^\s*{_TOML_PATH}\s*=")


@dataclass(frozen=True)
class Layer:
    """One source's nested values, and where each leaf stood."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)  # secrets among them
    origins: dict[KeyPath, str] = field(default_factory=dict)
    file: Path | None = None
    profile: str | None = None  # the profile that the layer chooses

    def origin(self, path: KeyPath) -> str | None:
        """Return where ``path``, the first key under it, or the nearest key above it was set."""
        if (found := self.origins.get(path)) is not None:
            return found
        for leaf, found in self.origins.items():
            if leaf[: len(path)] == path:
                return found
        for length in range(len(path) - 1, 0, -1):
            if (found := self.origins.get(path[:length])) is not None:
                return found
        return None


def flag_layer(assignments: list[str], home: Path | None) -> Layer:
    """Read ``--set section.key=value`` flags and ``--home``.

    Raises:
        UsageError: ``usage``, for an assignment without a key or an equals sign.
    """
    layer = Layer()
    if home is not None:
        _put(layer, ("home",), str(home), "flag --home")
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        path = tuple(part.strip() for part in key.split("."))
        if not equals or not all(path):
            raise UsageError(
                f"--set {key!r} is not section.key=value",  # without the value: it may be secret
                why="A setting is named by its section and key, followed by = and its value.",
                next_step="For example: --set kafka.mode=embedded",
            )
        _put(layer, path, _value(text), f"flag --set {'.'.join(path)}")
    return layer


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read ``ALCHEMISER_SECTION__KEY`` variables."""
    layer = Layer()
    for name, path, text in _variables(environ):
        _put(layer, path, _value(text), f"variable {name}")
    return layer


def dotenv_layer(file: Path) -> Layer:
    """Read the same variables from a ``.env`` file; an absent file is an empty layer.

    Raises:
        ProfileMalformedError: ``profile-malformed``, if the file cannot be read or parsed.
    """
    if not _is_file(file):
        return Layer()
    pairs: dict[str, str] = {}
    lines: dict[str, int] = {}
    # The parser alone: values are taken as they stand, `${NAME}` in a password included.
    for binding in parse_stream(io.StringIO(_read(file))):
        original = binding.original
        blank = original.string[: -len(original.string.lstrip()) or None]
        line = original.line + blank.count("\n")
        if binding.error:
            raise ProfileMalformedError(
                f"{file} is not a valid .env file",
                why=f"Line {line} is not NAME=value.",
                next_step="Correct that line, then run `alchemiser config check`.",
                context={"file": str(file)},
            )
        if binding.key is not None and binding.value is not None:
            pairs[binding.key], lines[binding.key] = binding.value, line
    layer = Layer(file=file, profile=pairs.get(PROFILE_VARIABLE))
    for name, path, value in _variables(pairs):
        _put(layer, path, _value(value), f"{file}:{lines[name]}")
    return layer


def profile_layer(file: Path) -> Layer:
    """Read a profile in TOML.

    Raises:
        ProfileMalformedError: ``profile-malformed``, naming the line.
    """
    text = _read(file)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileMalformedError(
            f"{file} is not valid TOML",
            why=str(error),
            next_step="Correct that line, then run `alchemiser config check`.",
            context={"file": str(file)},
        ) from None
    lines = _toml_lines(text)
    layer = Layer(values=values, file=file)
    for path in _leaves(values):
        layer.origins[path] = f"{file}:{_nearest(lines, path)}"
    return layer


def find_profile(name: str, home: Path | None) -> Path:
    """Return the file of a profile given by name or by path.

    A name is looked up in ``./configs``, in ``configs`` of the home, and among
    the profiles that come with the package.

    Raises:
        ProfileNotFoundError: ``profile-not-found``, naming what there is.
    """
    if name.endswith(".toml") or os.sep in name:
        if _is_file(Path(name)):
            return Path(name)
        known = ""
    else:
        for folder in _profile_folders(home):
            if _is_file(file := folder / f"{name}.toml"):
                return file
        known = f" Known profiles: {', '.join(profile_names(home))}."
    raise ProfileNotFoundError(
        f"there is no profile {name!r}",
        why=f"A profile is a TOML file, given by its path or by its name in configs/.{known}",
        next_step="Choose a known one with --profile, or create the file.",
        context={"profile": name},
    )


def profile_names(home: Path | None = None) -> list[str]:
    """Return the names of all profiles that can be chosen."""
    stems = {file.stem for folder in _profile_folders(home) for file in folder.glob("*.toml")}
    return sorted(stems - _OTHER_CONFIGS)


def _profile_folders(home: Path | None) -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    folders = [Path("configs")]
    if home is not None:
        folders.append(home / "configs")
    # An installed wheel carries the profiles inside the package; a checkout has them beside it.
    folders += [package / "configs", package.parent / "configs"]
    return folders


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder that may not be searched, a name that is too long: reading says
        return True


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileMalformedError(
            f"{file} cannot be read",
            why=str(error),
            next_step="Check that it is a UTF-8 text file that you may read.",
            context={"file": str(file)},
        ) from None


def _variables(pairs: Mapping[str, str]) -> Iterator[tuple[str, KeyPath, str]]:
    for name in sorted(pairs):
        if name.startswith(ENVIRONMENT_PREFIX) and name != PROFILE_VARIABLE:
            path = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
            yield name, path, pairs[name]


def _value(text: str) -> Any:
    """Decode a JSON list or object; all else stays text for the section to convert."""
    if text[:1] in "[{" and text:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _put(layer: Layer, path: KeyPath, value: Any, origin: str) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _put(layer, (*path, key), inner, origin)
        return
    target = layer.values
    for part in path[:-1]:
        inner = target.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = target[part] = {}
        target = inner
    target[path[-1]] = value
    layer.origins[path] = origin


def _leaves(values: Mapping[str, Any], prefix: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*prefix, key))
        else:
            yield (*prefix, key)


def _toml_lines(text: str) -> dict[KeyPath, int]:
    """Map each table and key to the line it stands on, as far as plain TOML shows it."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _TOML_TABLE.match(line):
            table = _toml_path(match.group(1))
            lines.setdefault(table, number)
        elif match := _TOML_KEY.match(line):
            lines.setdefault((*table, *_toml_path(match.group(1))), number)
    return lines


def _toml_path(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_TOML_PART, dotted))


def _nearest(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1
