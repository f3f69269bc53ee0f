"""``alchemiser health``: exit codes for cron and monitoring, the report's file, what is loaded."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.commands.health import app
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.errors import UsageError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def database(home):
    database = StateDatabase(f"sqlite:///{home / 'state.db'}", SystemClock())
    yield database
    database.close()


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def health(home, segments_folder):
    """Run one command of the group in this process; an error comes out as itself."""

    def run(*arguments):
        with Invocation({}) as invocation:
            invocation.configure(
                command="health",
                profile=None,
                home=home,
                assignments=(f"shm.directory={segments_folder}",),
                quiet=False,
                verbose=False,
            )
            result = CliRunner().invoke(app, [str(one) for one in arguments], obj=invocation)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_healthy_exits_with_0(health):
    result = health("status")
    assert result.exit_code == ExitCode.OK
    assert "healthy: 0 errors a minute" in result.stdout


def test_degraded_exits_with_3(health, scene):
    scene.breaker("kafka", "open")
    assert health("status").exit_code == ExitCode.DEGRADED


def test_critical_exits_with_1(health, scene):
    scene.errors("order-outcome-unknown", "paper-broker", ago_s=1)
    assert health("status").exit_code == ExitCode.FAILED


def test_health_alone_is_the_status(health, scene):
    scene.breaker("kafka", "open")
    result = health()
    assert result.exit_code == ExitCode.DEGRADED
    assert "circuit breakers are closed" in result.stdout


def test_health_alone_takes_the_format_too(health):
    assert json.loads(health("-o", "json").stdout)["status"] == "healthy"


def test_json_is_one_document_also_when_the_system_is_critical(health, scene):
    scene.errors("order-outcome-unknown", "paper-broker", ago_s=1)
    result = health("status", "-o", "json")
    document = json.loads(result.stdout)
    assert next(iter(document)) == "schema_version"
    assert document["status"] == "critical"
    assert document["errors"]["by_component"] == {"paper-broker": 1}


def test_a_report_is_no_verdict_and_exits_with_0(health, scene):
    scene.errors("order-outcome-unknown", "paper-broker", ago_s=1)
    assert health("report").exit_code == ExitCode.OK


def test_the_html_report_is_written_and_nothing_shown(health, tmp_path):
    file = tmp_path / "report.html"
    result = health("report", "--html", file)
    assert result.stdout == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("<!DOCTYPE html>")


def test_the_html_report_and_the_document_come_from_one_look(health, tmp_path):
    result = health("report", "--html", tmp_path / "report.html", "-o", "json")
    assert json.loads(result.stdout)["totals"]["count"] == 0


def test_a_window_is_given_as_an_age_or_a_time(health, scene):
    scene.errors("rate-limited", ago_s=3 * 3_600)
    for since, count in (("2h", 0), ("4h", 1), ("2020-01-01", 1)):
        document = json.loads(health("report", "--since", since, "-o", "json").stdout)
        assert document["totals"]["count"] == count


@pytest.mark.provokes("usage")
def test_a_watch_without_a_terminal_points_to_the_status(health):
    with pytest.raises(UsageError) as caught:
        health("watch")
    assert "health status" in caught.value.next_step


def test_status_and_report_load_no_heavy_module():
    code = (
        "import sys\n"
        "from alchemiser_cli.commands.health import app\n"
        "from alchemiser_cli.health.status import health_status\n"
        "import alchemiser_cli.render.health, alchemiser_cli.health.report\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "polars", "confluent_kafka", "exchange_calendars", "prometheus_client"}
    assert not heavy & set(done.stdout.split())
