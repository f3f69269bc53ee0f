"""Reading a passport and checking an artefact's files, without any library of learning.

Preflight reads models this way, so that a check before the open loads neither torch nor
safetensors.
"""

from pathlib import Path

import msgspec

from alchemiser_cli.errors import ModelCorruptError, ModelIncompatibleError, ModelNotFoundError
from alchemiser_cli.rl.artefacts.files import checked_file, file_fault
from alchemiser_cli.rl.artefacts.names import model_folder
from alchemiser_cli.rl.artefacts.passport import PASSPORT, SCHEMA_VERSION, Passport

__all__ = ["CANARY", "WEIGHTS", "FileCheck", "check_files", "corrupt", "read_passport"]
__all__ += ["refuse_other_observations"]

WEIGHTS = "weights.safetensors"
CANARY = "canary.safetensors"

_RESTORE = "Restore the artefact from where it was trained; do not edit its files."


class FileCheck(msgspec.Struct, frozen=True):
    """What became of an artefact's files: ``faults`` say what is wrong, ``extra`` was not listed.

    An extra file is never read; it is no fault.
    """

    files: int
    faults: tuple[str, ...]
    extra: tuple[str, ...]


class _Version(msgspec.Struct):
    schema_version: int


def read_passport(models_folder: Path, model: str) -> tuple[Path, Passport]:
    """Return a model's folder and its passport; no other file is read.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt`` if there is no readable passport, or the folder is a
            link.
        ModelIncompatibleError: ``model-incompatible`` if a newer alchemiser wrote it.
    """
    folder = model_folder(models_folder, model)
    if folder.is_symlink():
        raise corrupt(folder.name, (f"{folder} is a link",))
    if not folder.is_dir():
        raise ModelNotFoundError(
            f"there is no model {folder.name}",
            why=f"{folder} does not exist.",
            next_step="See which there are: alchemiser model list",
        )
    try:
        content = checked_file(folder, PASSPORT, None)
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version > SCHEMA_VERSION:
            raise _too_new(folder.name, version)
        passport = msgspec.json.decode(content, type=Passport)
    except msgspec.DecodeError as error:
        raise corrupt(folder.name, (f"{PASSPORT}: {error}",)) from error
    except ValueError as error:  # what is wrong with the file itself
        raise corrupt(folder.name, (str(error),)) from error
    return folder, passport


def check_files(folder: Path, passport: Passport) -> FileCheck:
    """Compare every file of an artefact with the SHA-256 in its passport."""
    faults = [
        fault
        for name, sha256 in sorted(passport.sha256.items())
        if (fault := file_fault(folder, name, sha256)) is not None
    ]
    missing = sorted({WEIGHTS, CANARY} - passport.sha256.keys())
    faults += [f"{name} is not in the passport" for name in missing]
    known = {PASSPORT, *passport.sha256}
    extra = tuple(sorted(one.name for one in folder.iterdir() if one.name not in known))
    return FileCheck(len(passport.sha256) + 1, tuple(faults), extra)


def refuse_other_observations(passport: Passport, observation_schema_hash: str) -> None:
    """Refuse a model that was made for other observations.

    Raises:
        ModelIncompatibleError: ``model-incompatible``.
    """
    if passport.observation_schema_hash != observation_schema_hash:
        raise ModelIncompatibleError(
            f"model {passport.name} was made for other observations",
            why=f"Its observation schema is {passport.observation_schema_hash[:12]}, the running "
            f"environment's is {observation_schema_hash[:12]}.",
            next_step="Train it again with this version, or run the version that trained it: "
            f"alchemiser model inspect {passport.name}",
            context={
                "model": passport.name,
                "expected": observation_schema_hash,
                "found": passport.observation_schema_hash,
            },
        )


def corrupt(name: str, faults: tuple[str, ...]) -> ModelCorruptError:
    """Return the error for a model whose files are not what its passport says."""
    return ModelCorruptError(
        f"model {name} is damaged",
        why="; ".join(faults) + ".",
        next_step=_RESTORE,
        context={"model": name, "faults": list(faults)},
    )


def _too_new(name: str, version: int) -> ModelIncompatibleError:
    return ModelIncompatibleError(
        f"model {name} was written by a newer alchemiser",
        why=f"Its passport has version {version}; this one reads up to {SCHEMA_VERSION}.",
        next_step="Update alchemiser on this machine.",
        context={"model": name},
    )
