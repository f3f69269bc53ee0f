"""Reading a passport and checking an artefact's files, without any library of learning.

Preflight reads models this way, so that a check before the open loads neither torch nor
safetensors.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from alchemiser_cli.errors import ModelCorruptError, ModelIncompatibleError, ModelNotFoundError
from alchemiser_cli.rl.artefacts.files import checked_file, file_fault
from alchemiser_cli.rl.artefacts.names import model_folder
from alchemiser_cli.rl.artefacts.passport import PASSPORT, SCHEMA_VERSION, STRATEGY, Passport

__all__ = ["CANARY", "WEIGHTS", "FileCheck", "Header", "check_files", "compare_files", "corrupt"]
__all__ += ["read_header", "read_passport", "refuse_newer", "refuse_other_observations"]

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


class Header(msgspec.Struct, frozen=True):
    """What every model's passport says, whoever wrote it; ``kind`` decides who can read the rest.

    It is ``strategy`` for what a rule's strategy acts on, which ``trading`` reads, the algorithm
    for a policy, and empty where a passport does not say.
    """

    schema_version: int
    kind: str = ""


def read_header(models_folder: Path, model: str) -> tuple[Path, Header]:
    """Return a model's folder and what kind of model it is; no other file is read.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``, as ``read_passport``.
    """
    folder, _, header = _opened(models_folder, model)
    return folder, header


def read_passport(models_folder: Path, model: str) -> tuple[Path, Passport]:
    """Return a policy's folder and its passport; no other file is read.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt`` if there is no readable passport, or the folder is a
            link.
        ModelIncompatibleError: ``model-incompatible`` if a newer alchemiser wrote it, or it is a
            strategy's model.
    """
    folder, content, header = _opened(models_folder, model)
    if header.kind == STRATEGY:
        raise _of_strategy(folder.name)
    refuse_newer(folder.name, header, SCHEMA_VERSION)
    try:
        return folder, msgspec.json.decode(content, type=Passport)
    except msgspec.DecodeError as error:
        raise corrupt(folder.name, (f"{PASSPORT}: {error}",)) from error


def refuse_newer(name: str, header: Header, newest: int) -> None:
    """Refuse a model whose passport has a later version than ``newest``.

    Raises:
        ModelIncompatibleError: ``model-incompatible``.
    """
    if header.schema_version > newest:
        raise ModelIncompatibleError(
            f"model {name} was written by a newer alchemiser",
            why=f"Its passport has version {header.schema_version}; this one reads up to {newest}.",
            next_step="Update alchemiser on this machine.",
            context={"model": name},
        )


def check_files(folder: Path, passport: Passport) -> FileCheck:
    """Compare every file of a policy with the SHA-256 in its passport."""
    return compare_files(folder, passport.sha256, (CANARY, WEIGHTS))


def compare_files(folder: Path, sha256: Mapping[str, str], needed: tuple[str, ...]) -> FileCheck:
    """Compare files with their SHA-256; ``needed`` are those that a model cannot be without."""
    faults = [
        fault
        for name, digest in sorted(sha256.items())
        if (fault := file_fault(folder, name, digest)) is not None
    ]
    faults += [f"{name} is not in the passport" for name in needed if name not in sha256]
    known = {PASSPORT, *sha256}
    extra = tuple(sorted(one.name for one in folder.iterdir() if one.name not in known))
    return FileCheck(len(sha256) + 1, tuple(faults), extra)


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


def _opened(models_folder: Path, model: str) -> tuple[Path, bytes, Header]:
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
        return folder, content, msgspec.json.decode(content, type=Header)
    except msgspec.DecodeError as error:
        raise corrupt(folder.name, (f"{PASSPORT}: {error}",)) from error
    except ValueError as error:  # what is wrong with the file itself
        raise corrupt(folder.name, (str(error),)) from error


def _of_strategy(name: str) -> ModelIncompatibleError:
    return ModelIncompatibleError(
        f"model {name} is no policy",
        why="It is the model of a rule's strategy: it says how likely a trade wins, and has no "
        "actions.",
        next_step="Name a policy: alchemiser model list",
        context={"model": name},
    )
