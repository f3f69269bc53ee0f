"""Checks of Python, the packages and librdkafka."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from typing import TYPE_CHECKING

from alchemiser_cli.checks import Check
from alchemiser_cli.errors import (
    LibrdkafkaOldError,
    PackagesIncompatibleError,
    PythonVersionError,
    VirtualEnvironmentError,
)
from alchemiser_cli.preflight.setup import NEVER, Setup

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["checks", "incompatibilities"]

DISTRIBUTION = "alchemiser"
OLDEST_PYTHON = (3, 11)
# The first with KIP-848 (the new consumer group protocol) for general use.
OLDEST_LIBRDKAFKA = (2, 12, 0)


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``runtime``."""
    check = partial(setup.check, "runtime")
    return [
        check("Python is supported", "python-version", _python),
        check("runs in a virtual environment", "virtual-environment", _venv, blocks_in=NEVER),
        check("packages fit together", "packages-incompatible", _packages),
        check("librdkafka is recent", "librdkafka-old", _librdkafka),
    ]


def incompatibilities(distribution: str) -> list[str]:
    """Return a sentence for each unmet requirement of ``distribution`` and all that it needs.

    Walks the installed metadata (``Requires-Dist`` and ``Requires-Python`` of the core
    metadata specification); an extra's requirements count where the extra was asked for.
    """
    from packaging.specifiers import SpecifierSet

    found: list[str] = []
    installed = cache(_installed)
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [(distribution, frozenset[str]())]
    while pending:
        name, extras = pending.pop()
        package = installed(name)
        if package is None or (name, extras) in seen:
            continue
        seen.add((name, extras))
        if package.python and not SpecifierSet(package.python).contains(_python_text()):
            found.append(f"{name} {package.version} does not support Python {_python_text()}")
        for requirement in _requirements(package, extras):
            needed_name = requirement.name.lower()
            needed = installed(needed_name)
            if needed is None:
                found.append(f"{name} needs {requirement}, which is not installed")
            elif not requirement.specifier.contains(needed.version, prereleases=True):
                found.append(f"{name} needs {requirement}, but {needed.version} is installed")
            pending.append((needed_name, frozenset(requirement.extras)))
    return found


def _python() -> str:
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise PythonVersionError(
            f"this is Python {_python_text()}",
            why=f"alchemiser needs Python {oldest} or later.",
            next_step=f"Install Python {oldest} or later and make the environment with it.",
        )
    return f"Python {_python_text()}"


def _venv() -> str:
    if sys.prefix == sys.base_prefix:
        raise VirtualEnvironmentError(
            "not in a virtual environment",
            why="Packages of the system and of other programs can change under alchemiser.",
            next_step="python3 -m venv .venv, and install alchemiser into it.",
        )
    return sys.prefix


def _packages() -> str:
    found = incompatibilities(DISTRIBUTION)
    if found:
        raise PackagesIncompatibleError(
            f"{len(found)} requirement(s) not met",
            why="; ".join(found),
            next_step="pip install --upgrade --constraint constraints.txt alchemiser",
            context={"unmet": found},
        )
    return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)} and all that it needs"


def _librdkafka() -> str:
    from alchemiser_cli.streaming.librdkafka import library_version

    version = library_version()
    text = ".".join(map(str, version))
    if version < OLDEST_LIBRDKAFKA:
        raise LibrdkafkaOldError(
            f"librdkafka {text} is loaded",
            why=f"The stream needs {'.'.join(map(str, OLDEST_LIBRDKAFKA))} or later.",
            next_step="pip install --upgrade confluent-kafka, and check LD_LIBRARY_PATH.",
        )
    return f"librdkafka {text}"


@dataclass(frozen=True)
class _Installed:
    """What a distribution's metadata says of it."""

    version: str
    python: str
    requires: tuple[str, ...]


def _installed(name: str) -> _Installed | None:
    """Read the header of METADATA; the library's own parser also reads the whole README."""
    try:
        text = metadata.distribution(name).read_text("METADATA") or ""
    except metadata.PackageNotFoundError:
        return None
    header = text.partition("\n\n")[0]
    fields = [line.partition(": ") for line in header.splitlines()]
    return _Installed(
        version=next((value for field, _, value in fields if field == "Version"), "0"),
        python=next((value for field, _, value in fields if field == "Requires-Python"), ""),
        requires=tuple(value for field, _, value in fields if field == "Requires-Dist"),
    )


def _requirements(package: _Installed, extras: frozenset[str]) -> "Iterator[Requirement]":
    from packaging.requirements import Requirement

    for text in package.requires:
        if not extras and "extra ==" in text and " or " not in text:
            continue  # most lines of most packages, and parsing them is what takes the time
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ):
            yield requirement


def _python_text() -> str:
    return ".".join(map(str, sys.version_info[:3]))
