"""The shell: help, version, laziness, and errors mapped to exit codes."""

import errno
import json
import re
import sqlite3
import subprocess
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli import __version__
from alchemiser_cli.app import COMMANDS, app
from alchemiser_cli.errors import AlchemiserError, error_classes
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.exits import ExitCode

HEAVY = ["torch", "stable_baselines3", "mlflow", "confluent_kafka", "sqlalchemy", "numpy", "pandas"]


def leaf_commands():
    root = typer.main.get_command(app)
    context = typer.Context(root)
    leaves = []
    for name in COMMANDS:
        _, command, _ = root.resolve_command(context, [name])
        subcommands = getattr(command, "commands", None)
        leaves += [(name, sub) for sub in subcommands] if subcommands else [(name,)]
    return leaves


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_neither_help_nor_version_loads_a_heavy_module(option):
    script = (
        "import sys, atexit, json\n"
        "atexit.register(lambda: sys.stderr.write(json.dumps(sorted(sys.modules))))\n"
        "from alchemiser_cli.app import main\n"
        f"sys.argv = ['alchemiser', {option!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stderr))
    assert "typer" in loaded
    assert not loaded.intersection([*HEAVY, "pydantic", "structlog", "polars", "rich.progress"])


def test_version_is_one_line(cli):
    result = cli("--version")
    assert (result.exit_code, result.stdout) == (0, f"alchemiser {__version__}\n")


def test_root_help_lists_every_command_and_its_summary(cli, masked, file_regression):
    result = cli("--help")
    assert result.exit_code == ExitCode.OK
    file_regression.check(masked(result.stdout))


@pytest.mark.parametrize("command", leaf_commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(cli, command):
    result = cli(*command, "--help")
    assert result.exit_code == ExitCode.OK
    assert "Example" in result.stdout


def test_no_command_shows_the_help_and_is_a_usage_error(cli):
    result = cli()
    assert result.exit_code == ExitCode.USAGE
    assert "preflight" in result.stdout + result.stderr


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["preflight", "--nonsense"], ["consume", "--max-messages", "x"]]
)
def test_a_wrong_command_line_exits_with_2_and_creates_nothing(cli, home, arguments):
    result = cli(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    assert not home.exists()


@pytest.mark.provokes("usage")
def test_an_error_says_what_why_next_step_and_runbook_on_standard_error(cli):
    result = cli("consume", "--from", "yesterday")
    lines = result.stderr.splitlines()
    assert result.exit_code == ExitCode.USAGE
    assert lines[0] == "error[usage]: 'yesterday' is not a time"
    assert [line.split(":")[0] for line in lines[1:4]] == ["  why", "  next", "  more"]
    assert lines[3] == "  more: alchemiser errors runbook usage"
    assert result.stdout == ""


def test_a_traceback_is_shown_only_when_asked_for_but_always_journalled(cli, home):
    assert "Traceback" not in cli("consume", "--from", "yesterday").stderr
    assert "Traceback" in cli("--verbose", "consume", "--from", "yesterday").stderr
    with sqlite3.connect(home / "state.db") as database:
        rows = database.execute(
            "SELECT code, operation, traceback FROM error_occurrence"
        ).fetchall()
    database.close()
    assert [(row[0], row[1]) for row in rows] == [("usage", "alchemiser consume")] * 2
    assert all("start_position" in row[2] for row in rows)


def test_a_configuration_error_is_journalled_in_the_given_home(cli, tmp_path):
    other = tmp_path / "other"
    result = cli("--home", other, "--set", "kafka.modee=x", "config", "show")
    assert result.exit_code == ExitCode.CONFIG
    with sqlite3.connect(other / "state.db") as database:
        codes = database.execute("SELECT code FROM error_occurrence").fetchall()
    database.close()
    assert codes == [("setting-unknown",)]


def test_an_error_that_cannot_be_journalled_is_still_shown_and_says_so(cli):
    result = cli("--home", "/proc/nowhere", "consume", "--from", "earliest")
    assert result.exit_code == ExitCode.FAILED
    assert "error[home-not-writable]" in result.stderr
    assert "note: the journal did not take this error" in result.stderr


@pytest.mark.provokes("internal-error")
def test_an_unexpected_exception_is_a_coded_defect_of_ours():
    failure = translated(KeyError("gone"), doing="run")
    assert failure.code == "internal-error"
    assert failure.exit_code == ExitCode.INTERNAL
    assert isinstance(failure.__cause__, KeyError)


@pytest.mark.provokes("extra-missing")
def test_a_missing_package_of_an_extra_names_the_pip_install_that_brings_it():
    failure = translated(
        ModuleNotFoundError("No module named 'torch'", name="torch.nn"), doing="run"
    )
    assert failure.exit_code == ExitCode.CONFIG
    assert failure.next_step == "pip install 'alchemiser[train]'"


@pytest.mark.provokes("disk-full")
def test_a_full_disk_anywhere_is_named_as_such():
    failure = translated(OSError(errno.ENOSPC, "No space left on device", "somewhere"), doing="run")
    assert failure.code == "disk-full"
    assert "somewhere" in failure.why


@given(st.sampled_from(list(error_classes())), st.text(min_size=1), st.text(min_size=1))
def test_every_code_has_an_exit_code_of_the_table(kind, why, next_step):
    failure = kind("what", why=why, next_step=next_step)
    assert isinstance(failure, AlchemiserError)
    assert translated(failure, doing="run") is failure
    assert failure.exit_code in set(ExitCode)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", failure.code)
