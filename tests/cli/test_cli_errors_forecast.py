"""``errors forecast``: probabilities with their skill, and where there are none, why."""

import json

import numpy as np
import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.commands import errors
from alchemiser_cli.commands.invocation import Invocation
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase, error_minute

MINUTE_NS = 60_000_000_000
DAY = 1_440


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def forecast(home, clock):
    """Run the command at a fixed time of day: the season of the data goes by it."""

    def run(*arguments):
        invocation = Invocation({"ALCHEMISER_HOME": str(home)}, clock)
        return CliRunner().invoke(errors.app, ["forecast", *arguments], obj=invocation)

    return run


@pytest.fixture
def journal(home, clock):
    """Forty days: bursts of one failure, a rare critical one, and one without any pattern."""
    home.mkdir(parents=True)
    now = clock.now_ns() // MINUTE_NS
    random = np.random.default_rng(6)
    bursts = now - np.sort(random.choice(40 * DAY // 480, 60, replace=False)) * 480 - 100
    minutes = {
        "feed-silent": np.unique(bursts[:, None] - random.integers(180, size=(60, 12))),
        "disk-full": now - 700 - np.arange(1, 9) * 5 * DAY // 2,
        "rate-limited": np.unique(now - random.integers(1, 40 * DAY, size=250)),
    }
    database = StateDatabase(f"sqlite:///{home}/state.db", clock)
    with database.begin() as connection:
        for code, times in minutes.items():
            row = {"code": code, "component": "feed", "injected": False, "count": 1}
            row |= {"criticals": int(code == "disk-full"), "recovered": 0}
            rows = [{"minute": minute, **row} for minute in times.tolist()]
            connection.execute(insert(error_minute), rows)
    database.close()


def test_what_is_told_has_its_skill_and_the_rest_abstains(forecast, journal, file_regression):
    result = forecast()
    assert result.exit_code == ExitCode.OK, result.exception
    told, _, quiet = result.stdout.partition("abstains")
    assert "feed-silent" in told
    assert "no skill over its base rate; the base rate is" in quiet
    file_regression.check(result.stdout)


def test_the_json_has_the_probability_with_its_scores(forecast, journal):
    document = json.loads(forecast("-o", "json").stdout)
    assert document["schema_version"] == 1
    assert document["window_minutes"] == 60
    found = {one["code"]: one for one in document["forecasts"]}
    assert set(found) == {"any-critical", "feed-silent", "disk-full", "rate-limited"}
    told = found["feed-silent"]
    assert 0 <= told["probability"] <= 1
    assert told["scores"]["skill"]["low"] > 0
    assert told["scores"]["log_loss"] < told["scores"]["base_log_loss"]
    assert sum(one["count"] for one in told["scores"]["calibration"]) == told["scores"]["origins"]
    for quiet in ("any-critical", "disk-full", "rate-limited"):
        assert found[quiet]["probability"] is None
        assert "the base rate is" in found[quiet]["why"]
    assert found["disk-full"]["abstained"] == "too few events"


def test_one_code_another_window_and_less_history(forecast, journal):
    result = forecast("--code", "rate-limited", "--window", "1d", "-o", "json")
    document = json.loads(result.stdout)
    assert (document["window_minutes"], len(document["forecasts"])) == (DAY, 1)
    assert document["forecasts"][0]["why"].endswith("% a day")
    assert json.loads(forecast("--since", "5d", "-o", "json").stdout)["windows"] == 5 * 24


def test_a_journal_without_errors_says_so(cli):
    result = cli("errors", "forecast")
    assert result.exit_code == ExitCode.OK
    assert result.stdout == "The journal holds no error yet.\n"


@pytest.mark.provokes("usage")
@pytest.mark.parametrize("window", ["", "0h", "8d", "1w", "-1h", "hour", "²h"])
def test_what_is_no_window_is_refused(cli, window):
    result = cli("errors", "forecast", "--window", window)
    assert result.exit_code == ExitCode.USAGE
    assert "is not a window" in result.stderr
