"""Every error code has one runbook, and a runbook names only what exists."""

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import typer.main
from pydantic import BaseModel

import alchemiser_cli
from alchemiser_cli.app import app
from alchemiser_cli.errors import error_codes, runbook
from alchemiser_cli.preflight.report import CATEGORIES
from alchemiser_cli.settings import Settings

PAGES = resources.files("alchemiser_cli.errors") / "runbook_pages"
CODES = [entry.code for entry in error_codes()]
SECTIONS = ["Symptoms", "Likely causes", "Diagnosis", "Resolution", "Prevention", "Escalation"]
LONGEST_SHORT_ANSWER = 110  # it stands in a column of the README's table

# Dotted names in backticks that are not settings of ours.
OTHER_DOTTED_NAMES = {
    "market.ticks",  # the topic
    "market.ticks-value",  # its subject
    "alchemiser.clock",  # a topic
    "alchemiser.plugins",  # an entry-point group
    "confluent_kafka.libs",  # a folder beside the package
    "message.timestamp.type",  # a property of a Kafka topic
    "max.message.bytes",  # likewise
}
FILE_ENDINGS = (".json", ".jsonl", ".db", ".toml", ".csv", ".txt", ".py")
# Variables of the root command, beside those that set a setting.
OTHER_VARIABLES = {"ALCHEMISER_PROFILE"}

every_page = pytest.mark.parametrize("code", CODES)


def page(code: str) -> str:
    return runbook(code).text


def sections(text: str) -> dict[str, str]:
    """The bodies by heading, in the order of the page; what precedes them is under ''."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": parts[0].strip()} | {
        title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"^[ ]*```sh\n(.*?)^[ ]*```$", text, flags=re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def spans(text: str) -> list[str]:
    """What stands in backticks outside fenced blocks."""
    prose = re.sub(r"^[ ]*```.*?^[ ]*```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def command_lines(text: str) -> list[str]:
    return [line for line in [*shell_lines(text), *spans(text)] if line.startswith("alchemiser ")]


def parse(line: str) -> list[tuple[Any, dict[str, Any]]]:
    """Take a command line through the real parsers; every command on the way, with its values.

    Raises what the command line itself would end with; no body and no callback runs.
    """
    words = shlex.split(line, comments=True)[1:]
    end = next((at for at, word in enumerate(words) if word in {"|", ">", "&&", "||"}), len(words))
    arguments = words[:end]
    command, context, path = typer.main.get_command(app), None, []
    while True:
        for parameter in command.params:
            parameter.callback = None  # --install-completion would write to this machine
        try:
            context = command.make_context(command.name, list(arguments), parent=context)
        except typer.Exit:  # --help was asked for, and shown
            return [*path, (command, {})]
        path.append((command, context.params))
        if not context._protected_args and not context.args:
            return path
        _, command, arguments = command.resolve_command(context, context._protected_args)
        arguments = [*arguments, *context.args]


def setting(path: list[str], kind: Any = Settings) -> bool:
    """Tell whether the dotted path names a setting; names of brokers and the like are free."""
    if not path:
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(path[0])
        return field is not None and setting(path[1:], field.annotation)
    if getattr(kind, "__origin__", None) is dict:
        return setting(path[1:], get_args(kind)[1])
    return False


def strings_of_the_package() -> Iterator[str]:
    for file in Path(alchemiser_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_no_page_is_without_a_code():
    """A page that no error leads to is dead text."""
    pages = {Path(file.name).stem for file in PAGES.iterdir() if file.name.endswith(".md")}

    assert pages == set(CODES)


@every_page
def test_page_begins_with_its_code_and_one_sentence_of_meaning(code):
    title, _, meaning = sections(page(code))[""].partition("\n")

    assert title == f"# {code}"
    assert re.fullmatch(r"[A-Z`].*\.", meaning.strip(), flags=re.DOTALL)
    assert len(re.findall(r"\.(?:\s|$)", meaning)) == 1


@every_page
def test_page_has_every_section_in_order_and_none_is_empty(code):
    found = sections(page(code))

    assert list(found)[1:] == SECTIONS
    assert all(found.values())


@every_page
def test_diagnosis_gives_commands_to_run(code):
    assert shell_lines(sections(page(code))["Diagnosis"])


@every_page
def test_resolution_is_numbered_and_its_first_sentence_is_the_short_answer(code):
    """The README's table shows this sentence by itself."""
    steps = re.findall(r"^(\d+)\. (.+)$", sections(page(code))["Resolution"], re.MULTILINE)
    short_answer = re.match(r".+?\.(?=\s|$)", steps[0][1])

    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    assert short_answer is not None
    assert len(short_answer[0]) <= LONGEST_SHORT_ANSWER


@every_page
def test_every_alchemiser_command_parses(code):
    """No page documents a command or an option that does not exist."""
    for line in command_lines(page(code)):
        path = parse(line)

        values = path[-1][1]
        assert set(values.get("only") or ()) <= set(CATEGORIES), line
        if path[-1][0].name == "runbook":
            assert values["code"] in {*CODES, "CODE"}, line


@every_page
def test_every_set_option_names_a_setting(code):
    for line in command_lines(page(code)):
        for assignment in parse(line)[0][1].get("assignments") or ():
            assert setting(assignment.partition("=")[0].split(".")), line


@every_page
def test_every_dotted_name_in_backticks_is_a_setting(code):
    dotted = [
        span
        for span in (span.partition(" = ")[0] for span in spans(page(code)))
        if re.fullmatch(r"[A-Za-z_-]+(\.[A-Za-z_-]+)+", span) and not span.endswith(FILE_ENDINGS)
    ]

    unknown = [name for name in dotted if not setting(name.split("."))]
    assert set(unknown) <= OTHER_DOTTED_NAMES


@every_page
def test_every_variable_sets_a_setting(code):
    variables = (
        set(re.findall(r"ALCHEMISER_[A-Z0-9_]*[A-Z0-9]\b(?!_)", page(code))) - OTHER_VARIABLES
    )

    paths = {name: name.removeprefix("ALCHEMISER_").lower().split("__") for name in variables}
    assert [name for name, path in paths.items() if not setting(path)] == []


def test_every_log_event_is_one_that_the_package_writes():
    """An operator who searches a log for an event of a page can find it."""
    known = set(strings_of_the_package())
    named = {
        event
        for code in CODES
        for event in re.findall(r"events?\s+`([a-z_]+)`", page(code))
        + re.findall(r"grep -h '\"event\":\"([a-z_]+)\"'", page(code))
    }

    assert named
    assert named <= known


@every_page
def test_every_code_that_a_page_leads_to_exists(code):
    named = re.findall(r"runbooks?\s+(?:of\s+)?`([a-z-]+)`", page(code))

    assert set(named) <= set(CODES)
