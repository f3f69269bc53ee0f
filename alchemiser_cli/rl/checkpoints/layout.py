"""How a checkpoint lies on the disk: one folder with arrays, state and a manifest over both.

The folders of a run are called ``NUMBER-STEP``. The number counts what was written, so that the
newest is the newest even where a resumed run writes a step for the second time.
"""

import re
from pathlib import Path

import msgspec

__all__ = [
    "ARRAYS",
    "MANIFEST",
    "STATE",
    "FileSeal",
    "Manifest",
    "checkpoint_folders",
    "manifest_of",
    "number_of",
]

ARRAYS = "arrays.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
FORMAT = 1

_NAME = re.compile(r"(\d{6,})-(\d+)")


class FileSeal(msgspec.Struct, frozen=True):
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The seal of a checkpoint, written after everything it names."""

    step: int
    files: dict[str, FileSeal]
    format: int = FORMAT


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints in ``folder``, whole or not, the newest first."""
    found = [one for one in folder.glob("*-*") if _NAME.fullmatch(one.name)]
    return sorted(found, key=number_of, reverse=True)


def number_of(checkpoint: Path) -> int:
    """Return the number of a checkpoint's folder, which grows with every one that is written."""
    return int(checkpoint.name.partition("-")[0])


def manifest_of(checkpoint: Path) -> tuple[Manifest | None, str]:
    """Return the manifest whose files all have their size; else None, and what is wrong.

    The content of the files is not read.
    """
    try:
        manifest = msgspec.json.decode((checkpoint / MANIFEST).read_bytes(), type=Manifest)
        if manifest.format != FORMAT or set(manifest.files) != {ARRAYS, STATE}:
            return None, f"its {MANIFEST} is of another version"
        for name, seal in manifest.files.items():
            if (size := (checkpoint / name).stat().st_size) != seal.bytes:
                return None, f"{name} has {size:,} bytes instead of {seal.bytes:,}"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, f"its {MANIFEST} cannot be read"
    except OSError as error:
        return None, f"{Path(error.filename or MANIFEST).name}: {error.strerror}"
    return manifest, ""
