"""``errors``: the table of codes and the runbooks."""

import json

import pytest

from alchemiser_cli.errors import error_codes
from alchemiser_cli.exits import ExitCode


def test_codes_lists_every_code(cli, file_regression):
    result = cli("errors", "codes")
    assert result.exit_code == ExitCode.OK
    file_regression.check(result.stdout)


def test_codes_as_json_carry_severity_and_exit_code(cli):
    document = json.loads(cli("errors", "codes", "-o", "json").stdout)
    rows = {row["code"]: row for row in document["codes"]}
    assert set(rows) == {entry.code for entry in error_codes()}
    assert rows["broker-unreachable"]["severity"] == "critical"
    assert rows["broker-unreachable"]["exit_code"] == ExitCode.UNREACHABLE


def test_a_runbook_is_shown_as_it_is_written(cli, file_regression):
    result = cli("errors", "runbook", "broker-unreachable")
    assert result.exit_code == ExitCode.OK
    file_regression.check(result.stdout, extension=".md")


def test_a_runbook_as_json_carries_its_text(cli):
    document = json.loads(cli("errors", "runbook", "disk-full", "-o", "json").stdout)
    assert document["code"] == "disk-full"
    assert document["text"].startswith("# disk-full")


@pytest.mark.provokes("runbook-not-found")
def test_an_unknown_code_names_the_nearest_ones(cli):
    result = cli("errors", "runbook", "broker-unreachabel")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "Did you mean broker-unreachable" in result.stderr
