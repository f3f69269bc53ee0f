"""``preflight``: its report in every form, its file, and how it exits."""

import json

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.exits import ExitCode

# Tuesday 2026-03-03, an hour before the open in New York.
BEFORE_THE_OPEN_NS = 1_772_544_600_000_000_000

# Checks whose outcome is this machine's and not the project's.
STEADY = [
    f"--only={name}"
    for name in ("configuration", "credentials", "state", "kafka", "clock", "registry")
] + [f"--only={name}" for name in ("models", "tracking", "notifications", "market")]


@pytest.fixture
def before_the_open(monkeypatch):
    clock = ManualClock(BEFORE_THE_OPEN_NS)
    monkeypatch.setattr("alchemiser_cli.commands.invocation.SystemClock", lambda: clock)


def test_report_for_people(cli, before_the_open, masked, file_regression):
    result = cli("preflight", *STEADY)
    assert result.exit_code == ExitCode.OK
    file_regression.check(masked(result.stdout))


def test_report_as_json(cli, before_the_open, masked, file_regression):
    result = cli("preflight", *STEADY, "-o", "json")
    assert result.exit_code == ExitCode.OK
    file_regression.check(masked(result.stdout), extension=".json")


def test_the_same_document_is_kept_in_the_logs_folder(cli, home):
    document = json.loads(cli("preflight", "--only", "files", "-o", "json").stdout)
    kept = home / "logs" / "preflight_summary.json"
    assert json.loads(kept.read_text()) == document
    assert kept.stat().st_mode & 0o777 == 0o600
    assert next(iter(document)) == "schema_version"


def test_the_summary_is_one_log_record(cli, home):
    cli("preflight", "--only", "files")
    records = [
        json.loads(line) for line in (home / "logs" / "application.jsonl").read_text().splitlines()
    ]
    summaries = [record for record in records if record["event"] == "preflight_summary"]
    assert len(summaries) == 1
    assert summaries[0]["policy"] == "warn-where-safe"


def test_short_shows_only_what_did_not_succeed(cli, before_the_open, masked, file_regression):
    result = cli("preflight", *STEADY, "-o", "short")
    file_regression.check(masked(result.stdout))


def test_list_names_every_check_and_runs_none(cli, home, file_regression):
    result = cli("preflight", "--list")
    assert result.exit_code == ExitCode.OK
    assert not home.exists()
    file_regression.check(result.stdout)


@pytest.mark.provokes("preflight-blocked", "broker-unreachable")
def test_a_dead_broker_blocks_the_start_and_skips_what_needs_it(cli):
    result = cli(
        *("--set", "kafka.mode=external", "--set", "kafka.bootstrap=127.0.0.1:9"),
        *("--set", "kafka.request_timeout_s=0.5"),
        *("preflight", "--only", "kafka", "-o", "json"),
    )
    assert result.exit_code == ExitCode.FAILED
    checks = {one["name"]: one for one in json.loads(result.stdout)["categories"][0]["checks"]}
    assert checks["broker answers"]["code"] == "broker-unreachable"
    assert checks["broker answers"]["result"] == "error"
    assert checks["topics exist or can be made"]["skipped_because"] == '"broker answers" failed'
    assert "error[preflight-blocked]" in result.stderr


def test_warnings_exit_with_3_only_when_asked_for(cli):
    arguments = ("--set", "environment=paper", "preflight", "--only", "notifications")
    assert cli(*arguments).exit_code == ExitCode.OK
    assert cli(*arguments, "--fail-on", "warning").exit_code == ExitCode.DEGRADED


@pytest.mark.provokes("home-not-writable")
def test_a_home_that_is_not_writable_is_a_finding_and_not_a_crash(cli):
    result = cli("--home", "/proc/nowhere", "preflight", "--only", "files", "-o", "json")
    checks = {one["name"]: one for one in json.loads(result.stdout)["categories"][0]["checks"]}
    assert result.exit_code == ExitCode.FAILED
    assert checks["home can be written"]["code"] == "home-not-writable"
    assert checks["disk has room"]["result"] == "skipped"


def test_an_unknown_category_names_the_known_ones(cli):
    result = cli("preflight", "--only", "weather")
    assert result.exit_code == ExitCode.USAGE
    assert "runtime, files, configuration" in result.stderr
