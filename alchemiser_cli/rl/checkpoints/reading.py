"""Reading a checkpoint: the newest whole one, every byte of it checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alchemiser_cli.errors import RunNotResumableError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.checkpoints.layout import (
    ARRAYS,
    STATE,
    checkpoint_folders,
    manifest_of,
)

__all__ = ["Checkpoint", "Skipped", "read_checkpoint"]

_LOG = get_logger("application", "rl")


@dataclass(frozen=True)
class Skipped:
    """A checkpoint that is not whole, and why."""

    folder: Path
    why: str


@dataclass(frozen=True)
class Checkpoint:
    """One whole checkpoint; ``skipped`` are the newer ones that are damaged."""

    folder: Path
    step: int
    arrays: dict[str, np.ndarray[Any, Any]]
    state: dict[str, Any]
    skipped: tuple[Skipped, ...] = ()


def read_checkpoint(folder: Path, *, before: int | None = None) -> Checkpoint:
    """Return the newest whole checkpoint in ``folder``; damaged newer ones are skipped and named.

    With ``before``, only those of an earlier environment step than that are looked for.

    Nothing is unpickled, and nothing is changed on the disk.

    Raises:
        RunNotResumableError: ``run-not-resumable`` if there is none that is whole.
    """
    skipped: list[Skipped] = []
    for candidate in checkpoint_folders(folder):
        read = _whole(candidate)
        if isinstance(read, str):
            _LOG.warning("checkpoint_skipped", checkpoint=candidate.name, why=read)
            skipped.append(Skipped(candidate, read))
            continue
        step, arrays, state = read
        if before is not None and step >= before:
            continue
        return Checkpoint(candidate, step, arrays, state, tuple(skipped))
    found = "; ".join(f"{one.folder.name}: {one.why}" for one in skipped)
    raise RunNotResumableError(
        f"no whole checkpoint is in {folder}",
        why=f"Each one there is damaged. {found}." if skipped else "None was written there yet.",
        next_step="Start the run anew; with a smaller training.checkpoint_every less is lost.",
        context={"folder": str(folder), "damaged": [one.folder.name for one in skipped]},
    )


def _whole(
    checkpoint: Path,
) -> tuple[int, dict[str, np.ndarray[Any, Any]], dict[str, Any]] | str:
    """Return the step, arrays and state, or why the checkpoint cannot be used."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    manifest, why = manifest_of(checkpoint)
    if manifest is None:
        return why
    try:
        for name, seal in manifest.files.items():
            with (checkpoint / name).open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != seal.sha256:
                    return f"the SHA-256 of {name} is another one"
        arrays = load_file(checkpoint / ARRAYS)
        state = json.loads((checkpoint / STATE).read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        return str(error)
    return manifest.step, arrays, state
