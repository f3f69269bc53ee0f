"""Errors that wait in files because the journal's database could not take them."""

from pathlib import Path

import msgspec

__all__ = ["SpillFile", "spilled"]

SPILL_PATTERN = "error_spill*.jsonl"


class SpillFile(msgspec.Struct, frozen=True):
    """One file of errors that are not in the journal yet."""

    name: str
    bytes: int


def spilled(logs_folder: Path) -> list[SpillFile]:
    """Return the spill files that hold something, by name."""
    found = []
    for file in sorted(logs_folder.glob(SPILL_PATTERN)):
        try:
            size = file.stat().st_size
        except FileNotFoundError:  # taken in while we looked
            continue
        if size:
            found.append(SpillFile(file.name, size))
    return found
