"""Settings, their origins and their problems."""

import json

import msgspec

from alchemiser_cli.render.blocks import Cell, TableBlock, TextBlock, View
from alchemiser_cli.settings.problems import Problem
from alchemiser_cli.settings.show import SettingRow

__all__ = ["problems_view", "schema_view", "settings_view"]


def settings_view(profile: str, rows: list[SettingRow], *, sources: bool) -> View:
    """Return every setting; with ``sources``, where each value came from."""
    columns = ("setting", "value", "source") if sources else ("setting", "value")
    table = [
        (
            row.key,
            _text(row.value),
            *((Cell(row.source, "dim" if row.source == "default" else "cyan"),) if sources else ()),
        )
        for row in rows
    ]
    settings = [
        msgspec.to_builtins(row) if sources else {"key": row.key, "value": row.value}
        for row in rows
    ]
    return View({"profile": profile, "settings": settings}, [TableBlock(columns, table)])


def problems_view(profile: str, environment: str | None, problems: list[Problem]) -> View:
    """Return every problem of a configuration, or that there is none."""
    document = {
        "ok": not problems,
        "profile": profile,
        "environment": environment,
        "problems": [msgspec.to_builtins(problem) for problem in problems],
    }
    if not problems:
        return View(document, [TextBlock(f"{profile}: valid ({environment})", style="green")])
    rows = [(Cell(p.code, "bold red"), p.key, p.message, p.origin, p.next_step) for p in problems]
    table = TableBlock(("code", "setting", "problem", "set in", "next step"), rows)
    return View(document, [table, TextBlock(f"{profile}: {len(problems)} problem(s)", "bold red")])


def schema_view(schema: dict[str, object]) -> View:
    """Return a JSON schema; for people too it is JSON."""
    return View(schema, [TextBlock(json.dumps(schema, indent=2))])


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
