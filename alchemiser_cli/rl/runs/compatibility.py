"""Whether a run can be continued as it began: all that changes its result must be the same."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from alchemiser_cli.errors import RunNotResumableError
from alchemiser_cli.rl.runs.record import RunFacts

__all__ = ["Difference", "differences", "package_versions", "require_same"]

# What may be another at a resumption: how long the run lasts, and how often it is saved.
FREE_SETTINGS = frozenset({"timesteps", "checkpoint_every"})
PACKAGES = ("torch", "numpy", "stable-baselines3", "gymnasium")
RECORDED_PACKAGES = ("alchemiser", *PACKAGES, "safetensors")


class Difference(msgspec.Struct, frozen=True):
    """One thing that was another when the run began."""

    name: str
    began: Any
    now: Any


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a run's result rests on."""
    versions = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def differences(began: RunFacts, now: RunFacts) -> tuple[Difference, ...]:
    """Return what changes the result and is another now, in the order in which it is recorded."""
    return tuple(_differences(began, now))


def require_same(run: str, began: RunFacts, now: RunFacts) -> None:
    """Refuse to continue ``run`` with other facts than it began with.

    Raises:
        RunNotResumableError: ``run-not-resumable``, naming each difference.
    """
    found = differences(began, now)
    if not found:
        return
    said = "; ".join(f"{one.name} was {one.began} and is {one.now} now" for one in found)
    raise RunNotResumableError(
        f"run {run} cannot be continued as it began: {len(found)} "
        f"{'thing differs' if len(found) == 1 else 'things differ'}",
        why=f"{said}.",
        next_step="Set these as they were, or start a new run.",
        context={"run": run, "differences": [msgspec.to_builtins(one) for one in found]},
    )


def _differences(began: RunFacts, now: RunFacts) -> Iterator[Difference]:
    for name in ("command", "dataset", "data_sha256", "seeds", "threads"):
        yield from _unequal(name, getattr(began, name), getattr(now, name))
    for section in ("options", "training"):
        yield from _within(section, getattr(began, section), getattr(now, section))
    for package in PACKAGES:
        yield from _unequal(
            f"version of {package}", began.versions.get(package), now.versions.get(package)
        )


def _within(section: str, began: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted({*began, *now} - FREE_SETTINGS):
        yield from _unequal(f"{section}.{name}", began.get(name), now.get(name))


def _unequal(name: str, began: Any, now: Any) -> Iterator[Difference]:
    if began != now:
        yield Difference(name, began, now)
