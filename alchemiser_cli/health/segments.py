"""The shared-memory segments that are there."""

from pathlib import Path

import msgspec

from alchemiser_cli.preflight.shm import SEGMENT_PREFIX

__all__ = ["Segment", "segments"]


class Segment(msgspec.Struct, frozen=True):
    """One segment's file; ``changed_ns`` is when it was last written, in UTC nanoseconds."""

    name: str
    bytes: int
    changed_ns: int


def segments(directory: Path) -> list[Segment]:
    """Return the segments of ``directory`` by name; none where there is no such folder."""
    found = []
    for file in sorted(directory.glob(f"{SEGMENT_PREFIX}*")):
        try:
            seen = file.stat()
        except FileNotFoundError:  # removed while we looked
            continue
        found.append(Segment(file.name, seen.st_size, seen.st_mtime_ns))
    return found
