"""Python sources as the static checks see them: parsed once, names resolved to their origin."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["Finding", "Source", "read_sources"]

FOLDERS = ("alchemiser_cli", "plugins", "tools", "benchmarks", "tests")
_ALLOWANCE = re.compile(r"#.*\ballow (?P<rule>[a-z-]+): \S")


class Finding(NamedTuple):
    """One violation; a note is reported and does not fail the check."""

    path: PurePosixPath
    line: int
    rule: str
    message: str
    note: bool = False

    def __str__(self) -> str:
        """Format as ``path:line: rule: message``, the form that editors follow."""
        kind = " (note)" if self.note else ""
        return f"{self.path}:{self.line}: {self.rule}{kind}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One module; ``path`` is relative to the root of the repository."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module."""
        return ast.parse(self.text, filename=str(self.path))

    @cached_property
    def lines(self) -> list[str]:
        """The module's lines."""
        return self.text.splitlines()

    @cached_property
    def imported(self) -> list[tuple[str, int]]:
        """Dotted name and line of everything imported, at any depth of the module."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
        return found

    @cached_property
    def references(self) -> list[tuple[str, ast.expr]]:
        """Every name that is read, resolved, with its node."""
        nodes = (n for n in ast.walk(self.tree) if isinstance(n, ast.Name | ast.Attribute))
        return [(name, node) for node in nodes if (name := self.name_of(node))]

    def name_of(self, node: ast.expr) -> str | None:
        """Return the dotted name of ``node`` with its import resolved, else None.

        After ``import time as t``, the node of ``t.sleep`` is ``time.sleep``.
        """
        attributes = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        origin = self._origins.get(node.id, node.id)
        return ".".join([origin, *reversed(attributes)])

    def within(self, *places: str) -> bool:
        """Tell whether this is one of the files, or lies in one of the folders, ``places``."""
        return any(self.path.is_relative_to(place) for place in places)

    def allows(self, finding: Finding) -> bool:
        """Tell whether the line carries ``# allow RULE: reason``; the reason must be there."""
        if not 0 < finding.line <= len(self.lines):
            return False
        match = _ALLOWANCE.search(self.lines[finding.line - 1])
        return match is not None and match["rule"] == finding.rule

    @cached_property
    def _origins(self) -> dict[str, str]:
        origins: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                origins |= {a.asname: a.name for a in node.names if a.asname}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                origins |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return origins


def read_sources(root: Path) -> Iterator[Source]:
    """Yield every Python file of the project below ``root``."""
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            path = PurePosixPath(file.relative_to(root).as_posix())
            yield Source(path, file.read_text(encoding="utf-8"))
