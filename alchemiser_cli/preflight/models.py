"""Checks of the model artefacts that enabled strategies name."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import ModelCorruptError, ModelNotFoundError
from alchemiser_cli.preflight.setup import LIVE, Setup

__all__ = ["checks", "model_folder"]

PASSPORT = "passport.json"


class _Passport(msgspec.Struct):
    """The part of a model's passport that preflight verifies: SHA-256 by file name."""

    sha256: dict[str, str]


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``models``."""
    check = partial(setup.check, "models")
    exist = "strategies' models exist"
    return [
        check(exist, "model-not-found", lambda: _exist(setup), blocks_in=LIVE),
        check(
            "strategies' models verify",
            "model-corrupt",
            lambda: _verify(setup),
            blocks_in=LIVE,
            needs=(exist,),
        ),
    ]


def model_folder(models: Path, name: str) -> Path:
    """Return the folder of a model given as ``NAME`` or ``models/NAME``."""
    return models / PurePosixPath(name.removeprefix("models/"))


def _named(setup: Setup) -> Iterator[tuple[str, Path]]:
    for strategy, settings in setup.settings.strategies.items():
        if settings.enabled and settings.model:
            yield strategy, model_folder(setup.settings.models_folder, settings.model)


def _exist(setup: Setup) -> str:
    named = list(_named(setup))
    if not named:
        raise SkipCheck("no enabled strategy names a model")
    missing = [(strategy, folder) for strategy, folder in named if not folder.is_dir()]
    if missing:
        raise ModelNotFoundError(
            f"{len(missing)} model(s) missing",
            why="; ".join(f"strategy {name!r} names {folder}" for name, folder in missing),
            next_step="Put the artefact there, correct strategies.NAME.model, or disable it.",
            context={"strategies": [name for name, _ in missing]},
        )
    return f"{len(named)} models"


def _verify(setup: Setup) -> str:
    faults = [fault for _, folder in _named(setup) for fault in _faults(folder)]
    if faults:
        raise ModelCorruptError(
            f"{len(faults)} file(s) do not match their passport",
            why="; ".join(faults),
            next_step="Restore the artefact from where it was trained; do not edit its files.",
            context={"faults": faults},
        )
    return "every file matches its passport"


def _faults(folder: Path) -> Iterator[str]:
    try:
        passport = msgspec.json.decode((folder / PASSPORT).read_bytes(), type=_Passport)
    except (OSError, msgspec.DecodeError) as error:
        yield f"{folder / PASSPORT}: {error}"
        return
    for name, expected in passport.sha256.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            yield f"{file}: lies outside the artefact"
        elif not file.is_file():
            yield f"{file}: is missing"
        else:
            with file.open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() != expected:
                    yield f"{file}: has another SHA-256"
