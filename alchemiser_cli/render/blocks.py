"""What a result looks like, before it is known where it is shown: tables and text as data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Block", "Cell", "TableBlock", "TextBlock", "View"]


@dataclass(frozen=True)
class Cell:
    """One cell; ``style`` is a Rich style, used on a terminal only."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class TableBlock:
    """Rows under column names; numbers are given as text, aligned by ``right``."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    title: str = ""
    right: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class TextBlock:
    """Lines of text; as Markdown on a terminal when ``markdown``."""

    text: str
    style: str = ""
    markdown: bool = False


Block = TableBlock | TextBlock


@dataclass(frozen=True)
class View:
    """One result: ``document`` for JSON, ``blocks`` for people."""

    document: dict[str, Any]
    blocks: Sequence[Block]
