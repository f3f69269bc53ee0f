"""Writing a checkpoint: everything is on the disk before it takes its name."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from alchemiser_cli.errors import DiskFullError, ValidationError, translating
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.checkpoints.layout import (
    ARRAYS,
    MANIFEST,
    STATE,
    FileSeal,
    Manifest,
    checkpoint_folders,
    manifest_of,
    number_of,
)
from alchemiser_cli.rl.durable import sync, write_file

__all__ = ["Written", "write_checkpoint"]

KEPT = 2  # the newest can be damaged by the disk itself; the one before is then the way back
_UNFINISHED = ".writing-"
_SAVE = fault_point("rl.save")
_OS_ERROR = re.compile(r"os error (\d+)")
_LOG = get_logger("application", "rl")


class Written(msgspec.Struct, frozen=True):
    """A checkpoint that is on the disk."""

    folder: Path
    step: int
    bytes: int


def write_checkpoint(
    folder: Path, step: int, arrays: Mapping[str, np.ndarray[Any, Any]], state: Mapping[str, Any]
) -> Written:
    """Write a checkpoint of environment step ``step`` into ``folder``; keep the newest two.

    ``arrays`` go to one safetensors file, straight from their memory where they are contiguous.
    ``state`` is JSON: integers of any size, such as the state of a random generator, come back
    exactly, and so do NaN and infinity. Whenever the process or the machine dies, the checkpoint
    is whole or not there. One process at a time may write into ``folder``.

    Raises:
        DiskFullError: ``disk-full``, also at a limit of file sizes; the earlier ones stay.
        EnvironmentMisconfiguredError: ``environment-misconfigured`` if this user may not write.
        ValidationError: ``validation-failed`` for a state that JSON cannot hold.
    """
    content = _encoded(state)
    with translating(f"write a checkpoint to {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_unfinished(folder)
        number = max((number_of(one) for one in checkpoint_folders(folder)), default=0) + 1
        unfinished = folder / f"{_UNFINISHED}{os.getpid()}"
        try:
            size = _fill(unfinished, step, arrays, content)
            whole = folder / f"{number:06d}-{step}"
            unfinished.rename(whole)
            sync(folder)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise _no_room(folder, error) or error from error
        _keep_newest(folder)
    _LOG.info("checkpoint_written", checkpoint=whole.name, step=step, bytes=size)
    return Written(whole, step, size)


def _encoded(state: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(state)).encode()
    except (TypeError, ValueError) as error:
        raise ValidationError(
            "the state of a checkpoint cannot be written as JSON",
            why=f"{error}.",
            next_step="Give arrays as arrays, and everything else as JSON-compatible values.",
        ) from error


def _fill(
    unfinished: Path, step: int, arrays: Mapping[str, np.ndarray[Any, Any]], content: bytes
) -> int:
    unfinished.mkdir(mode=0o700)
    if _SAVE.armed is not None:
        _SAVE.strike()
    (unfinished / ARRAYS).touch(mode=0o600)
    _save_arrays(unfinished / ARRAYS, arrays)
    write_file(unfinished / STATE, content)
    seals = {ARRAYS: _seal(unfinished / ARRAYS), STATE: _seal(unfinished / STATE)}
    write_file(unfinished / MANIFEST, msgspec.json.encode(Manifest(step, seals)))
    sync(unfinished)
    return sum(seal.bytes for seal in seals.values())


def _save_arrays(file: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    # safetensors takes the memory as it lies there, without looking at strides.
    dense = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        save_file(dense, file)
    except SafetensorError as error:
        number = _OS_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(file)) from error
    file.chmod(0o600)
    sync(file)


def _seal(file: Path) -> FileSeal:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    return FileSeal(file.stat().st_size, digest.hexdigest())


def _no_room(folder: Path, error: OSError) -> DiskFullError | None:
    if error.errno != errno.EFBIG:  # a full disk itself is known to `translating`
        return None
    return DiskFullError(
        f"could not write a checkpoint to {folder}: the file may not become so large",
        why="The limit of file sizes of this process, or of the file system, is reached.",
        next_step="Raise the limit (ulimit -f), or take a smaller training.buffer_size.",
        context={"file": str(error.filename or folder), "errno": "EFBIG"},
    )


def _remove_unfinished(folder: Path) -> None:
    for left in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _keep_newest(folder: Path) -> None:
    kept = 0
    for checkpoint in checkpoint_folders(folder):
        if kept < KEPT and manifest_of(checkpoint)[0] is not None:
            kept += 1
            continue
        with contextlib.suppress(OSError):  # without its manifest it counts no more
            (checkpoint / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(checkpoint, ignore_errors=True)
