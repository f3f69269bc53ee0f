"""Where results go: a Rich table on a terminal, plain text in a pipe, JSON on request."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TextIO

import msgspec

from alchemiser_cli.render.blocks import Block, Cell, TableBlock, TextBlock, View

__all__ = ["SCHEMA_VERSION", "Format", "json_document", "plain_text", "show", "show_last"]

SCHEMA_VERSION = 1


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"


def show(view: View, chosen: Format | None = None, stream: TextIO | None = None) -> None:
    """Write one result to ``stream``, standard output by default.

    Without a choice, a terminal gets tables and anything else plain text.
    """
    stream = stream or sys.stdout
    chosen = chosen or (Format.TABLE if stream.isatty() else Format.PLAIN)
    if chosen is Format.JSON:
        stream.write(json_document(view.document) + "\n")
    elif chosen is Format.PLAIN:
        stream.write(plain_text(view.blocks))
    else:
        _show_rich(view.blocks, stream)
    stream.flush()


def show_last(view: View, chosen: Format | None = None) -> None:
    """Write a result behind lines of JSON: as the last of them, or else on standard error."""
    if chosen is Format.JSON:
        encoded = msgspec.json.encode(_document(view.document), enc_hook=str)
        sys.stdout.write(encoded.decode() + "\n")
        sys.stdout.flush()
    else:
        show(view, chosen, sys.stderr)


def json_document(document: dict[str, Any]) -> str:
    """Return one indented JSON document that begins with its ``schema_version``."""
    encoded = msgspec.json.encode(_document(document), enc_hook=str)
    return msgspec.json.format(encoded, indent=2).decode()


def _document(document: dict[str, Any]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, **document}


def plain_text(blocks: Iterable[Block]) -> str:
    """Return aligned text without colour, box or wrapping."""
    return "\n".join(
        _plain_table(block) if isinstance(block, TableBlock) else block.text.rstrip() + "\n"
        for block in blocks
    )


def _plain_table(table: TableBlock) -> str:
    rows = [[_text(cell) for cell in row] for row in table.rows]
    header = list(table.columns)
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [table.title] if table.title else []
    for row in [header, *rows]:
        cells = [
            text.rjust(width) if name in table.right else text.ljust(width)
            for text, width, name in zip(row, widths, header, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _text(cell: Cell | str) -> str:
    text = cell.text if isinstance(cell, Cell) else cell
    return " ".join(text.splitlines())  # a row stays one line


def _show_rich(blocks: Iterable[Block], stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream)
    for block in blocks:
        if isinstance(block, TextBlock):
            console.print(
                Markdown(block.text) if block.markdown else Text(block.text, style=block.style)
            )
            continue
        # As Text, for brackets and colons in data are not markup.
        title = Text(block.title, style="table.title") if block.title else None
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
        for name in block.columns:
            table.add_column(Text(name), justify="right" if name in block.right else "left")
        for row in block.rows:
            table.add_row(
                *(Text(c.text, style=c.style) if isinstance(c, Cell) else Text(c) for c in row)
            )
        console.print(table)
