"""Saving a model: all its files in a hidden folder, which then gets its name in one step."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import ModelExistsError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.artefacts.files import (
    FOLDER_MODE,
    locked_folder,
    storage_error,
    write_file,
)
from alchemiser_cli.rl.artefacts.loading import Artefact
from alchemiser_cli.rl.artefacts.names import PROMOTED, model_folder
from alchemiser_cli.rl.artefacts.passport import PASSPORT, ModelVerdict, Origin, Passport
from alchemiser_cli.rl.artefacts.reading import CANARY, WEIGHTS, read_passport
from alchemiser_cli.rl.artefacts.surroundings import git_revision, library_versions
from alchemiser_cli.rl.artefacts.tensors import Array, Canary, encoded, weights_hash
from alchemiser_cli.rl.durable import sync

__all__ = ["EVALUATION", "REPORT", "Evaluated", "Verdict", "save_artefact", "set_evaluation"]
__all__ += ["write_passport"]

EVALUATION = "evaluation.json"
REPORT = "report.html"

_UNFINISHED = ".saving-"
_SAVE = fault_point("rl.save")
_LOG = get_logger("application", "models")


class Verdict(Protocol):
    """What an evaluation says of a model's promotion."""

    @property
    def promotable(self) -> bool:
        """Whether the model may be promoted."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not, a sentence each."""
        ...


class Evaluated(Protocol):
    """A report of an evaluation; what msgspec can encode, with a verdict."""

    @property
    def verdict(self) -> Verdict:
        """What follows from it."""
        ...


def save_artefact(
    models_folder: Path,
    name: str,
    weights: Mapping[str, Array],
    canary: Canary,
    origin: Origin,
    clock: Clock,
    *,
    evaluation: Evaluated | None = None,
    report_html: str | None = None,
) -> Artefact:
    """Write the model ``name``, which must not exist, and return it.

    ``weights`` are named arrays; ``canary`` has the model's own actions for some observations.
    The files get mode 0600, the folder 0700. A process that is killed on the way leaves a hidden
    folder, which the next one to save removes, and no model.

    Raises:
        ModelExistsError: ``model-exists``.
        ModelNotFoundError: ``model-not-found`` for a name that no model can have.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    folder = model_folder(models_folder, "." if name == PROMOTED else name)
    files = {
        WEIGHTS: encoded(weights),
        CANARY: encoded({"observations": canary.observations, "actions": canary.actions}),
        **_evaluation_files(evaluation, report_html),
    }
    passport = Passport(
        **msgspec.structs.asdict(origin),
        name=folder.name,
        created_at=iso_from_ns(clock.now_ns()),
        sha256={file: _sha256(content) for file, content in files.items()},
        weights_hash=weights_hash(weights),
        versions=library_versions(),
        git_revision=git_revision(),
        verdict=_verdict(evaluation),
    )
    with locked_folder(models_folder):
        _remove_unfinished(models_folder)
        if os.path.lexists(folder):
            raise _exists(folder)
        _write(folder, files, passport)
    _LOG.info("model_saved", model=folder.name, weights_hash=passport.weights_hash)
    return Artefact(folder, passport, dict(weights), canary)


def set_evaluation(
    models_folder: Path, model: str, evaluation: Evaluated, report_html: str | None = None
) -> Passport:
    """Put a new evaluation, its report and its verdict into a model; return the new passport.

    A process that is killed on the way leaves a whole model without an evaluation: the passport
    first forgets the old one, then the files change, then the passport knows the new one.

    Raises:
        ModelNotFoundError: ``model-not-found``.
        ModelCorruptError: ``model-corrupt``.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    files = _evaluation_files(evaluation, report_html)
    with locked_folder(models_folder):
        folder, passport = read_passport(models_folder, model)
        kept = {k: v for k, v in passport.sha256.items() if k not in (EVALUATION, REPORT)}
        write_passport(folder, msgspec.structs.replace(passport, sha256=kept, verdict=None))
        (folder / REPORT).unlink(missing_ok=True)
        for name, content in files.items():
            write_file(folder / name, content)
        passport = msgspec.structs.replace(
            passport,
            sha256={**kept, **{name: _sha256(content) for name, content in files.items()}},
            verdict=_verdict(evaluation),
        )
        write_passport(folder, passport)
    return passport


def write_passport(folder: Path, passport: Passport) -> None:
    """Replace a model's passport; a reader sees the old or the new one.

    Raises:
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    write_file(folder / PASSPORT, msgspec.json.format(msgspec.json.encode(passport)) + b"\n")


def _write(folder: Path, files: Mapping[str, bytes], passport: Passport) -> None:
    unfinished = folder.with_name(f"{_UNFINISHED}{folder.name}")
    try:
        unfinished.mkdir(mode=FOLDER_MODE)
        if _SAVE.armed is not None:
            _SAVE.strike()
        for name, content in files.items():
            write_file(unfinished / name, content)
        write_passport(unfinished, passport)
        unfinished.rename(folder)
        sync(folder.parent)
    except OSError as error:
        raise storage_error(error, folder) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_unfinished(models_folder: Path) -> None:
    # Who saves holds the lock: what lies here was left by a process that was killed.
    for path in models_folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _evaluation_files(evaluation: Evaluated | None, report_html: str | None) -> dict[str, bytes]:
    files = {}
    if evaluation is not None:
        files[EVALUATION] = msgspec.json.format(msgspec.json.encode(evaluation)) + b"\n"
    if report_html is not None:
        files[REPORT] = report_html.encode("utf-8", "replace")
    return files


def _verdict(evaluation: Evaluated | None) -> ModelVerdict | None:
    if evaluation is None:
        return None
    return ModelVerdict(evaluation.verdict.promotable, tuple(evaluation.verdict.reasons))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _exists(folder: Path) -> ModelExistsError:
    return ModelExistsError(
        f"there is a model {folder.name} already",
        why=f"{folder} exists, and a model is never written over.",
        next_step="Choose another name, or move that folder away.",
        context={"model": folder.name},
    )
