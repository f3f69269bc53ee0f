"""The files of a trail: one a UTC day, past days packed, and what lies beside them."""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from alchemiser_cli.clock import NS_PER_SECOND, iso_from_ns

__all__ = ["DAY_NS", "PACKED", "PLAIN", "UNPACKING", "TrailDay", "day_of", "trail_days"]

DAY_NS = 86_400 * NS_PER_SECOND
PLAIN = ".jsonl"
PACKED = ".jsonl.gz"

UNPACKING = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a damaged packed file raises."""

_NAME = re.compile(r"^(\d{4}-\d{2}-\d{2})(\.jsonl(?:\.gz)?)$")


@dataclass(frozen=True)
class TrailDay:
    """One day of a trail: its file as it is written, the packed one, or for a moment both.

    A process that is killed after packing, before it removed the original, leaves both. They are
    the same lines, so that the original is read.
    """

    folder: Path
    day: str
    plain: bool
    packed: bool

    @property
    def plain_file(self) -> Path:
        """The file that lines are appended to."""
        return self.folder / f"{self.day}{PLAIN}"

    @property
    def packed_file(self) -> Path:
        """The compressed file."""
        return self.folder / f"{self.day}{PACKED}"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the day's lines for reading, unpacked.

        Raises:
            OSError: as the system answers; ``UNPACKING`` while a packed file is read that is
                damaged.
        """
        try:
            plain = self.plain_file.open("rb") if self.plain else None
        except FileNotFoundError:  # its writer has packed it since the folder was listed
            plain = None
        with plain or cast("BinaryIO", gzip.open(self.packed_file)) as lines:
            yield lines


def day_of(at_ns: int) -> str:
    """Return the UTC day of a moment, as YYYY-MM-DD."""
    return iso_from_ns(at_ns)[:10]


def trail_days(folder: Path) -> list[TrailDay]:
    """Return the days of a trail, the oldest first; none where the folder is missing.

    Raises:
        OSError: as the system answers.
    """
    try:
        names = [match for one in folder.iterdir() if (match := _NAME.match(one.name))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    endings: dict[str, set[str]] = {}
    for match in names:
        endings.setdefault(match[1], set()).add(match[2])
    return [
        TrailDay(folder, day, PLAIN in found, PACKED in found)
        for day, found in sorted(endings.items())
    ]
