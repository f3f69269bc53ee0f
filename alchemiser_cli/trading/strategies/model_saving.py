"""Saving a strategy's model: all its files in a hidden folder, which then gets its name at once."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from alchemiser_cli.errors import (
    AlchemiserError,
    DiskFullError,
    HomeNotWritableError,
    ModelExistsError,
)
from alchemiser_cli.trading.strategies.model_passport import (
    MODEL_FILE,
    PASSPORT_FILE,
    StrategyPassport,
)

__all__ = ["refuse_existing", "save_model"]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
# All models live in one folder, so that all who save them hold the same lock.
_LOCK = ".lock"
_UNFINISHED = ".saving-"


def save_model(folder: Path, content: bytes, passport: StrategyPassport) -> None:
    """Write the model ``folder``, which must not exist; files get mode 0600, the folder 0700.

    A process that is killed on the way leaves a hidden folder, which the next one to save removes,
    and no model.

    Raises:
        ModelExistsError: ``model-exists``.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    unfinished = folder.with_name(f"{_UNFINISHED}{folder.name}")
    try:
        folder.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with _locked(folder.parent):
            refuse_existing(folder)
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                unfinished.mkdir(mode=FOLDER_MODE)
                _write(unfinished / MODEL_FILE, content)
                text = msgspec.json.format(msgspec.json.encode(passport)) + b"\n"
                _write(unfinished / PASSPORT_FILE, text)
                unfinished.rename(folder)
                _sync(folder.parent)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise _storage_error(error, folder) from error


def refuse_existing(folder: Path) -> None:
    """Refuse to write over a model.

    Raises:
        ModelExistsError: ``model-exists``.
    """
    if os.path.lexists(folder):
        raise ModelExistsError(
            f"there is a model {folder.name} already",
            why=f"{folder} exists, and a model is never written over.",
            next_step="Choose another name with --name, or move that folder away.",
            context={"model": folder.name},
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _storage_error(error: OSError, path: Path) -> AlchemiserError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return (DiskFullError if full else HomeNotWritableError)(
        f"no space was left to write {path}" if full else f"{path} cannot be written",
        why=f"The file system answered: {error.strerror or error}.",
        next_step="Free some space or allow this user to write there, or set another --home.",
        context={"path": str(path), "errno": error.errno},
    )
