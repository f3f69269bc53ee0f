"""What fails in training from the command line has its exit code, and is in the error journal."""

import json

import pytest
from typer.testing import CliRunner

from alchemiser_cli.app import app
from alchemiser_cli.exits import ExitCode


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.setenv("ALCHEMISER_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.provokes("dataset-not-found")
def test_a_stage_that_failed_is_in_the_journal(cli):
    result = cli("train", "td3", "--dataset", "file:missing.csv")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "missing.csv" in result.stderr
    (listed,) = json.loads(cli("errors", "list", "-o", "json").stdout)["errors"]
    assert (listed["code"], listed["count"]) == ("dataset-not-found", 1)
    shown = cli("errors", "show", listed["id"], "-o", "json")
    assert '"stage": "environment"' in shown.stdout


@pytest.mark.provokes("run-not-found")
def test_a_run_that_is_not_there_is_said_so(cli):
    result = cli("train", "td3", "--resume", "latest")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "train td3" in result.stderr
