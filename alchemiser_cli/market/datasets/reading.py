"""Files to raw columns: CSV, plain or gzipped, and Parquet; nothing is interpreted yet."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn, cast

import polars as pl
from polars.exceptions import PanicException, PolarsError

from alchemiser_cli.errors import DatasetColumnsError, DatasetUnreadableError
from alchemiser_cli.market.datasets.columns import binance_columns
from alchemiser_cli.market.datasets.dataset import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Header", "read_frame", "read_header", "source_file"]

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
PARQUET_ENDINGS = (".parquet", ".pq")
ENDINGS = (*TEXT_ENDINGS, *(f"{ending}.gz" for ending in TEXT_ENDINGS), *PARQUET_ENDINGS)
SEPARATORS = ",;\t|"
LONGEST_LINE = 1 << 16  # bytes; a longer first line is not a header


class Header(NamedTuple):
    """The names of a file's columns and how its rows are found.

    ``symbol`` is the one that yfinance writes in a second header line.
    """

    names: tuple[str, ...]
    is_parquet: bool = False
    separator: str = ","
    has_header: bool = True
    lines_after: int = 0
    symbol: str | None = None


def read_header(path: Path) -> Header:
    """Read the names of the columns of ``path``.

    Raises:
        DatasetUnreadableError: ``dataset-unreadable``: not a file, not of a known ending, not
            permitted, empty, or not what its ending says.
        DatasetColumnsError: ``dataset-columns``: no header line, and not one of Binance's files.
    """
    if not path.is_file():
        _refuse(path, "It is a folder or a device.", "Name one file inside it.")
    if not path.name.lower().endswith(ENDINGS):
        _refuse(
            path,
            f"Its ending is not one of {', '.join(ENDINGS)}.",
            "Unpack or convert it to one of these first.",
        )
    if path.name.lower().endswith(PARQUET_ENDINGS):
        with _reading(path):
            return Header(tuple(pl.read_parquet_schema(path)), is_parquet=True)
    return _text_header(path)


def read_frame(path: Path, header: Header, positions: Mapping[str, int]) -> pl.DataFrame:
    """Read the columns at ``positions`` (field to position), named by field.

    Returns:
        Text columns as text with empty cells null, Parquet columns as they are, and ``row``
        with each row's number in the file, from 1. Blank lines are left out, but counted.

    Raises:
        DatasetUnreadableError: ``dataset-unreadable``: the file is damaged, its lines differ in
            length, or it holds no rows.
    """
    with _reading(path):
        kept = (_parquet if header.is_parquet else _text)(path, header, positions)
    if kept.is_empty():
        _refuse(path, "It has columns but no rows.", "Name a file that holds data.")
    return kept


def source_file(path: Path, shown: str) -> SourceFile:
    """Return the identity of the bytes of ``path``, listed under the name ``shown``."""
    with _reading(path), path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return SourceFile(path=shown, sha256=digest, size_bytes=stream.tell())


def _text_header(path: Path) -> Header:
    lines = _first_lines(path, 3)
    if not lines:
        _refuse(path, "It is empty.", "Name a file that holds data.")
    separator = max(SEPARATORS, key=lines[0].count)
    with _reading(path):
        rows = [next(csv.reader([line], delimiter=separator)) for line in lines]
    names = tuple(name.strip() for name in rows[0])
    if all(_is_value(cell) for cell in names):
        return _without_header(path, names, separator)
    if len(rows) == 3 and names[0] == "Price" and rows[1][0] == "Ticker":
        return _of_yfinance(path, names, rows, separator)
    return Header(names, separator=separator)


def _without_header(path: Path, cells: tuple[str, ...], separator: str) -> Header:
    names = binance_columns(cells)
    if names is None:
        raise DatasetColumnsError(
            f"{path} has no header line",
            why=f"Its first line holds values only ({separator.join(cells[:6])}...), in none of "
            "the layouts of Binance's files, which are known without one.",
            next_step="Put a line with the columns' names at the top of the file.",
            context={"file": str(path), "seen": list(cells)},
        )
    return Header(names, separator=separator, has_header=False)


def _of_yfinance(
    path: Path, names: tuple[str, ...], rows: list[list[str]], separator: str
) -> Header:
    """Read the three header lines that yfinance's ``download(...).to_csv`` writes."""
    symbols = set(rows[1][1:])
    if len(symbols) != 1:
        raise DatasetColumnsError(
            f"{path} holds several instruments side by side",
            why=f"Its second line names {', '.join(sorted(symbols))}, each with own columns.",
            next_step="Save one instrument a file, or stack them with a symbol column.",
            context={"file": str(path), "seen": list(names)},
        )
    return Header(
        (rows[2][0], *names[1:]), separator=separator, lines_after=2, symbol=symbols.pop()
    )


def _first_lines(path: Path, most: int) -> list[str]:
    """Return the first lines that are not blank."""
    lines: list[str] = []
    with _reading(path), _open_text(path) as stream:
        while len(lines) < most and (line := stream.readline(LONGEST_LINE)):
            text = line.decode("utf-8-sig" if not lines else "utf-8").strip("\r\n")
            if "\0" in text or len(line) == LONGEST_LINE:
                _refuse(path, "It holds bytes that are not text.", "Name a text or Parquet file.")
            if text.strip():
                lines.append(text)
    return lines


def _open_text(path: Path) -> IO[bytes]:
    """Open a file that may be gzipped, whatever its ending says."""
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if is_gzip else path.open("rb")


def _text(path: Path, header: Header, positions: Mapping[str, int]) -> pl.DataFrame:
    """Read every column: with a selection Polars does not see that lines differ in length."""
    try:
        frame = pl.read_csv(
            path,
            has_header=header.has_header,
            separator=header.separator,
            skip_rows_after_header=header.lines_after,
            infer_schema=False,
        )
    except PolarsError:
        _refuse_longer_line(path, header)
        raise
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    kept = frame.select(pl.nth(at).alias(field) for field, at in positions.items())
    return kept.with_row_index("row", offset=1).filter(~blank)


def _refuse_longer_line(path: Path, header: Header) -> None:
    """Say which line has more cells than the header, where that is what is wrong."""
    with _open_text(path) as stream:
        lines = csv.reader(TextIOWrapper(stream, "utf-8-sig"), delimiter=header.separator)
        for cells in lines:
            if len(cells) > len(header.names):
                _refuse(
                    path,
                    f"Line {lines.line_num} has {len(cells)} cells, but there are "
                    f"{len(header.names)} columns.",
                    "Put quotes around cells that hold the separator, and write numbers without "
                    "a thousands separator.",
                    line=lines.line_num,
                )


def _parquet(path: Path, header: Header, positions: Mapping[str, int]) -> pl.DataFrame:
    names = {field: header.names[at] for field, at in positions.items()}
    frame = pl.read_parquet(path, columns=list(dict.fromkeys(names.values())))
    kept = frame.select(pl.col(name).alias(field) for field, name in names.items())
    return kept.with_row_index("row", offset=1)


def _is_value(cell: str) -> bool:
    if cell.lower() in {"true", "false"}:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextmanager
def _reading(path: Path) -> "Iterator[None]":
    """Turn what goes wrong while reading into our error."""
    try:
        yield
    except UnicodeDecodeError:
        _refuse(path, "It is not UTF-8 text.", "Save it as UTF-8, or name a Parquet file.")
    except PermissionError as error:
        _refuse(path, f"{error.strerror}.", "Give this user the right to read it.")
    except (OSError, EOFError, zlib.error, csv.Error, PolarsError, PanicException) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        _refuse(
            path,
            f"Reading it failed: {said[0][:200]}.",
            "Check that the file is complete, that all its lines have as many cells as the "
            "header, and that it is what its ending says.",
        )


def _refuse(path: Path, why: str, next_step: str, **facts: object) -> NoReturn:
    raise DatasetUnreadableError(
        f"the dataset file {path} cannot be read",
        why=why,
        next_step=next_step,
        context={"file": str(path), **facts},
    )
