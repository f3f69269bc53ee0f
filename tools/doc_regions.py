"""The parts of the documentation that come from the program itself."""

import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alchemiser_cli.errors import error_codes
from alchemiser_cli.exits import ExitCode
from tools import training_regions
from tools.markdown import table

__all__ = ["REGIONS", "masked", "region"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "alchemiser_cli" / "errors" / "runbook_pages"
SHOWN_HOME = "~/.local/state/alchemiser"
# Errors of the preflight command itself, not of a check.
NOT_SHOWN = {"UsageError", "PreflightBlockedError", "AlchemiserError"}
# What differs from run to run: durations, rates, sizes, moments, ports and identifiers.
VOLATILE = re.compile(
    r"\d[\d.,]*(?=\s?(?:(?:ns|µs|ms|s|min|[KMG]i?B)\b|%|\S*/s\b))"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d| [A-Z]{3,4})?)?"
    r"|127\.0\.0\.1:\d+"
    r"|\b\d{8}T\d{6}-\d+\b"
    r"|\b[0-9a-f]{8,}\b"
)
RESOLUTION = re.compile(r"^#+ Resolution\s*\n(.+?)(?=\n\s*\n|\n#|\Z)", re.MULTILINE | re.DOTALL)
LAYOUT = re.compile(r"[\s─━═╌╭╮╰╯┌┐└┘├┤┬┴┼│┃]+")


def region(name: str) -> str:
    """Return the Markdown of the region ``name``.

    Raises:
        KeyError: if there is no such region.
    """
    kind, _, words = name.partition(":")
    return REGIONS[kind](words.strip())


def masked(text: str) -> str:
    """Return ``text`` without what differs between two runs of the same program."""
    return LAYOUT.sub(" ", VOLATILE.sub("#", text))


def exit_codes(_: str) -> str:
    """Return the table of exit codes."""
    rows = ([str(int(code)), code.name, code.meaning] for code in ExitCode)
    return table(["exit code", "name", "meaning"], rows)


def all_error_codes(_: str) -> str:
    """Return the table of error codes."""
    rows = (
        [f"`{e.code}`", e.summary, e.severity, f"{e.exit_code} {ExitCode(e.exit_code).name}"]
        for e in error_codes()
    )
    return table(["code", "what happened", "severity", "exit code"], rows)


def preflight_fixes(_: str) -> str:
    """Return each code that preflight can show, its cause, and the fix that its runbook says."""
    shown = _preflight_words()
    rows = (
        [f"`{entry.code}`", entry.summary, fix]
        for entry in error_codes()
        if shown & {entry.code, entry.error} and (fix := _first_fix(PAGES / f"{entry.code}.md"))
    )
    return table(["code", "cause", "fix"], rows)


def commands(_: str) -> str:
    """Return the table of all commands, found as the shell finds them."""
    import typer.main

    from alchemiser_cli.app import app

    rows = ([f"`{words}`", text] for words, text in _leaves(typer.main.get_command(app), None))
    return table(["command", "what it does"], rows)


def settings(_: str) -> str:
    """Return the reference of all settings."""
    from alchemiser_cli.settings import Settings

    schema = Settings.model_json_schema()
    return table(["setting", "type", "default", "meaning"], _settings_rows(schema, schema))


def quality_rules(_: str) -> str:
    """Return the table of the rules of plausibility, in the order in which they are asked."""
    from alchemiser_cli.market.quality import rules

    rows = ([f"`{rule.name}`", rule.sentence] for rule in rules())
    return table(["rule", "when a tick breaks it"], rows)


def metrics(_: str) -> str:
    """Return the table of the Prometheus metrics."""
    from alchemiser_cli.telemetry import METRICS

    rows = (
        [
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        ]
        for metric in METRICS
    )
    return table(["metric", "kind", "labels", "meaning"], rows)


def help_text(words: str) -> str:
    """Return the captured help of a command: ``help: config show``."""
    return _captured([*shlex.split(words), "--help"])


def output(words: str) -> str:
    """Return the captured output of a command in a fresh home: ``output: errors codes``."""
    return _captured(shlex.split(words))


def demo(_: str) -> str:
    """Return the captured output of the demo, as on a trading day whenever it is made."""
    return _captured(["demo"], ALCHEMISER_MARKET__CALENDAR="24/7")


REGIONS: Mapping[str, Callable[[str], str]] = {
    "exit-codes": exit_codes,
    "error-codes": all_error_codes,
    "preflight-fixes": preflight_fixes,
    "commands": commands,
    "settings": settings,
    "quality-rules": quality_rules,
    "metrics": metrics,
    "observation": training_regions.observation,
    "audits": training_regions.audits,
    "verdict": training_regions.verdict_questions,
    "networks": training_regions.network_sizes,
    "search": training_regions.search_settings,
    "help": help_text,
    "output": output,
    "demo": demo,
}


def _captured(arguments: list[str], **variables: str) -> str:
    with tempfile.TemporaryDirectory() as home:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "ALCHEMISER_HOME": f"{home}/state",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        command = [sys.executable, "-m", "alchemiser_cli", *arguments]
        done = subprocess.run(
            command, env=environ, cwd=home, check=False, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise SystemExit(f"alchemiser {shlex.join(arguments)} failed:\n{done.stderr}")
        text = done.stdout.replace(f"{home}/state", SHOWN_HOME)
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return "\n".join(["```console", f"$ alchemiser {shlex.join(arguments)}", *lines, "```", ""])


def _leaves(command: Any, context: Any, words: str = "alchemiser") -> Iterator[tuple[str, str]]:
    """Yield the words and the one-line help of every command below ``command``."""
    import typer

    if not hasattr(command, "list_commands"):
        yield words, command.get_short_help_str(limit=200)
        return
    context = typer.Context(command, parent=context, info_name=words)
    for name in command.list_commands(context):
        _, found, _ = command.resolve_command(context, [name])
        if not found.hidden:
            yield from _leaves(found, context, f"{words} {name}")


def _preflight_words() -> set[str]:
    """Return the names and the words that preflight's modules use: codes and error classes."""
    words: set[str] = set()
    for file in sorted((ROOT / "alchemiser_cli" / "preflight").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Name(id=word) | ast.Constant(value=str() as word):
                    words.add(word)
    return words - NOT_SHOWN


def _first_fix(page: Path) -> str | None:
    """Return the first sentence below the page's heading "Resolution"."""
    if not page.is_file():
        return None
    section = RESOLUTION.search(page.read_text(encoding="utf-8"))
    if section is None:
        return None
    paragraph = " ".join(section[1].split())
    first = re.sub(r"^(?:\d+\.|[-*])\s+", "", paragraph)
    return re.split(r"(?<=[.!?])\s", first, maxsplit=1)[0]


def _settings_rows(
    schema: Mapping[str, Any], section: Mapping[str, Any], prefix: str = ""
) -> Iterator[list[str]]:
    """Yield a row for each key; keys that an operator names are shown as NAME."""
    for key, field in section["properties"].items():
        target = _resolved(schema, field)
        # A name that must match a pattern stands under that pattern.
        by_pattern = target.get("patternProperties", {"": None})
        inner = target.get("additionalProperties") or next(iter(by_pattern.values()))
        if "properties" in target:
            yield from _settings_rows(schema, target, f"{prefix}{key}.")
        elif isinstance(inner, dict):
            yield from _settings_rows(schema, _resolved(schema, inner), f"{prefix}{key}.NAME.")
        else:
            default = _default(field.get("default"))
            meaning = field.get("description", "")
            yield [f"`{prefix}{key}`", _type(schema, field), default, meaning]


def _resolved(schema: Mapping[str, Any], field: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = field.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else field


def _type(schema: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    field = _resolved(schema, field)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        options = (option for option in field["anyOf"] if option.get("type") != "null")
        return " or ".join(_type(schema, option) for option in options)
    if field.get("format") == "password":
        return "secret"
    if field["type"] == "array":
        return f"list of {_type(schema, field['items'])}"
    names = {"string": "text", "boolean": "true or false"}
    return str(field.get("format") or names.get(field["type"], field["type"]))


def _default(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
