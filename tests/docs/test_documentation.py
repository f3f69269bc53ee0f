"""What the documentation says exists: its links, its commands, its settings, and its example."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
import typer
import typer.main

from alchemiser_cli.app import app
from tools.doc_regions import region

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = re.compile(r"<!-- generated: .*?<!-- /generated -->", re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a reader puts there.
PLACES = {"SEED": "1", "NAME": "sp500", "OTHER": "sp500"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def blocks(page: Path, language: str) -> list[str]:
    text = GENERATED.sub("", page.read_text())
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def command_lines(page: Path) -> list[str]:
    lines = [line.strip() for body in blocks(page, "sh") for line in body.splitlines()]
    return [line for line in lines if line.startswith("alchemiser ")]


def parse(line: str) -> None:
    """Take a command line through the real parsers; no command runs.

    Raises what the command line itself would end with.
    """
    words = [PLACES.get(word, word) for word in shlex.split(line, comments=True)[1:]]
    end = next((at for at, word in enumerate(words) if word in {"|", ">", "&&"}), len(words))
    command, context, arguments = typer.main.get_command(app), None, words[:end]
    while True:
        context = command.make_context(command.name, list(arguments), parent=context)
        if not context._protected_args and not context.args:
            return
        _, command, arguments = command.resolve_command(context, context._protected_args)
        arguments = [*arguments, *context.args]


@every_page
def test_every_link_within_the_repository_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        if "://" in target:
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), f"{target}#{anchor}"


@every_page
def test_every_command_of_a_page_parses(page):
    """No page shows a command or an option that does not exist."""
    for line in command_lines(page):
        parse(line)


def test_the_reference_has_the_help_of_every_command():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    commands = re.findall(r"^\| `alchemiser ([a-z0-9 -]+)` \|", region("commands"), re.MULTILINE)

    assert [one for one in commands if f"<!-- generated: help: {one} -->" not in page] == []


def test_the_example_of_the_environment_runs():
    example = next(one for one in blocks(ROOT / "docs" / "guide.md", "python") if "VecEnv" in one)
    names: dict[str, object] = {}

    exec(compile(example, "docs/guide.md", "exec"), names)  # noqa: S102  our own page

    assert isinstance(names["reward"], float)


def test_the_guide_names_every_fault_of_the_data():
    from alchemiser_cli.rl.data_events import DATA_EVENTS

    text = (ROOT / "docs" / "guide.md").read_text()
    assert set(re.findall(r"`(trading_env_\w+)`", text)) == {
        *DATA_EVENTS,
        "trading_env_data_faults_total",
    }


def test_the_guide_names_every_refusal_and_every_verdict_on_a_trail():
    from alchemiser_cli.trading.audit.verifying import Fault
    from alchemiser_cli.trading.decisions import REASONS

    text = (ROOT / "docs" / "guide.md").read_text()
    refusals = set(REASONS) - {"approved", "resized", "flatten"}
    assert [one for one in (*refusals, *get_args(Fault)) if f"`{one}`" not in text] == []


def test_the_crontab_runs_commands_that_exist():
    text = (ROOT / "configs" / "crontab.example").read_text()
    for line in re.findall(r"alchemiser .*", re.sub(r"^#.*$", "", text, flags=re.MULTILINE)):
        parse(line)


def test_the_guide_counts_laws_and_questions_as_they_are():
    from alchemiser_cli.rl.audit import AUDITS
    from alchemiser_cli.rl.evaluation import BASELINES

    text = (ROOT / "docs" / "guide.md").read_text()
    assert f"[{len(AUDITS)} laws]" in text
    assert region("verdict").count("\n") - 2 == 11
    assert "[eleven questions]" in text
    assert all(f"| `{name}` |" in text for name in BASELINES)
