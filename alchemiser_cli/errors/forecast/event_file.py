"""How well the events of a file can be forecast: a CSV of times and codes."""

import csv
import datetime as dt
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.outlook import CodeScore, judged, pooled
from alchemiser_cli.errors.forecast.rolling import Windows
from alchemiser_cli.errors.market import (
    DatasetColumnsError,
    DatasetNotFoundError,
    DatasetTimeError,
    DatasetUnreadableError,
    DatasetValueError,
)

__all__ = ["FileScore", "score_file"]

COLUMNS = ("time", "code")
SMALLEST_EPOCH = 1e8  # March 1973; a smaller number is a mistake
LARGEST_EPOCH = 9.2e18  # nanoseconds, in 2261
UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6))  # below the first: so many in a second
LONGEST_CODE = 128

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class FileScore(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one file; minutes are counted since 1970, UTC.

    ``codes`` come with the most frequent first; ``pooled`` is all that could be scored as one,
    None where nothing could.
    """

    file: str
    rows: int
    window_minutes: int
    since_minute: int
    until_minute: int
    windows: int
    pooled: CodeScore | None
    codes: list[CodeScore]


def score_file(file: Path, *, window_minutes: int = 60) -> FileScore:
    """Replay the events of a CSV file with the columns ``time`` and ``code``, in any order.

    Times are ISO 8601, UTC unless they carry an offset, or Unix time in seconds, milliseconds,
    microseconds or nanoseconds by its size. Rows are read one by one, and of each only its minute
    is kept. Windows lie side by side from the first event's minute.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``.
        DatasetUnreadableError: ``dataset-unreadable``, also when there is no row.
        DatasetColumnsError: ``dataset-columns``.
        DatasetTimeError: ``dataset-time``, naming the line.
        DatasetValueError: ``dataset-value``, naming the line.
    """
    rows, events = _read(file)
    since = min(int(minutes[0]) for minutes in events.values())
    until = max(int(minutes[-1]) for minutes in events.values()) + 1
    windows = Windows(since, until, window_minutes)
    judgements = [
        judged(code, History(minutes, since), windows) for code, minutes in events.items()
    ]
    codes = [one for one, _ in judgements]
    replays = [replay for _, replay in judgements if replay is not None]
    return FileScore(
        file=str(file),
        rows=rows,
        window_minutes=window_minutes,
        since_minute=since,
        until_minute=until,
        windows=windows.count,
        pooled=pooled(codes, replays, windows),
        codes=sorted(codes, key=lambda one: (-one.events, one.code)),
    )


def _read(file: Path) -> tuple[int, dict[str, NDArray[np.int64]]]:
    if not file.is_file():
        raise DatasetNotFoundError(
            f"there is no file {file}",
            why="`bench forecast` reads a CSV file with the columns time and code.",
            next_step="Check the path.",
        )
    rows = 0
    minutes: dict[str, array[int]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for code, minute in _events(file, text):
                rows += 1
                minutes.setdefault(code, array("q")).append(minute)
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unreadable(file, str(error)) from error
    if not rows:
        raise _unreadable(file, "It has no row.")
    return rows, {code: np.unique(np.array(found)) for code, found in minutes.items()}


def _events(file: Path, text: TextIO) -> Iterator[tuple[str, int]]:
    reader = csv.reader(text)
    header = [name.strip().lower() for name in next(reader, [])]
    if any(header.count(name) != 1 for name in COLUMNS):
        raise DatasetColumnsError(
            f"{file} does not have one column time and one column code",
            why=f"Its columns are: {', '.join(header) or 'none'}.",
            next_step="Name the columns `time` and `code` in the first line.",
            context={"file": str(file), "columns": header},
        )
    time, code = header.index("time"), header.index("code")
    for row in reader:
        if not row:
            continue
        line = reader.line_num
        name = row[code].strip() if len(row) > max(time, code) else ""
        if not name or len(name) > LONGEST_CODE:
            raise DatasetValueError(
                f"{file}, line {line}: there is no usable code",
                why=f"Each row has a time and a code of at most {LONGEST_CODE} characters.",
                next_step="Correct or remove the line.",
                context={"file": str(file), "line": line},
            )
        minute = _minute(row[time].strip())
        if minute is None:
            raise DatasetTimeError(
                f"{file}, line {line}: the time {row[time][:64]!r} cannot be read",
                why="Times are ISO 8601 or Unix time in seconds to nanoseconds, from March 1973.",
                next_step="Correct or remove the line.",
                context={"file": str(file), "line": line},
            )
        yield name, minute


def _minute(text: str) -> int | None:
    if _NUMBER.fullmatch(text):
        number = float(text)
        if not SMALLEST_EPOCH <= number <= LARGEST_EPOCH:
            return None
        unit = next((unit for most, unit in UNITS if number < most), 1e9)
        return int(number / unit // 60)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() // 60)


def _unreadable(file: Path, why: str) -> DatasetUnreadableError:
    return DatasetUnreadableError(
        f"{file} cannot be read as CSV", why=why, next_step="Save it as CSV in UTF-8."
    )
