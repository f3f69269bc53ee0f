"""``errors patterns`` over a journal in which one error follows another."""

import json
import re

import numpy as np
import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors.journal import Captured, JournalStore
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase

DAY_S = 86_400
DAYS = 30


def failure(at_s, code):
    texts = dict.fromkeys(("what", "why", "next_step", "traceback", "operation", "run_id"), "x")
    return Captured(
        **texts,
        id=f"{at_s}{code}"[:32],
        fingerprint=code,
        template="x",
        at_ns=at_s * 10**9,
        code=code,
        severity="high",
        component="consumer",
        context={},
        causes=[],
    )


@pytest.fixture
def journal(home):
    """Thirty days: the registry fails forty seconds after the broker, the disk at random."""
    clock = SystemClock()
    first_s = (clock.now_ns() // 10**9 // DAY_S - DAYS + 1) * DAY_S
    rng = np.random.default_rng(3)
    span = (DAYS - 1) * DAY_S
    broker = [first_s, *(first_s + rng.integers(0, span, 30)).tolist()]
    registry = [at + 40 for at in broker[:25]]
    other = (first_s + rng.integers(0, span, 60)).tolist()
    database = StateDatabase(f"sqlite:///{home / 'state.db'}", clock)
    JournalStore(database).append(
        [failure(at, "broker-unreachable") for at in broker]
        + [failure(at, "registry-unreachable") for at in registry]
        + [failure(at, "disk-full") for at in other]
    )
    database.close()


def test_patterns_are_shown_with_their_sentence(cli, journal, file_regression):
    result = cli("errors", "patterns", "--kind", "sequence")
    assert result.exit_code == ExitCode.OK
    file_regression.check(result.stdout)


def test_patterns_as_json_have_what_was_tested(cli, journal):
    document = json.loads(cli("errors", "patterns", "-o", "json").stdout)
    assert document["tests"]["sequence"] == 6
    assert document["tests"]["time"] >= 6
    first = document["patterns"][0]
    assert (first["code"], first["other"]) == ("broker-unreachable", "registry-unreachable")
    assert first["p_value"] <= first["q_value"] < document["level"] == 0.05
    assert document["passed"] >= len(document["patterns"]) >= 1


def test_a_code_and_an_age_narrow_the_search(cli, journal):
    narrow = json.loads(cli("errors", "patterns", "--code", "disk-full", "-o", "json").stdout)
    assert narrow["tests"]["sequence"] == 4
    young = json.loads(cli("errors", "patterns", "--since", "3d", "-o", "json").stdout)
    assert young["days"] <= 4


def test_an_empty_journal_says_that_nothing_was_tested(cli, file_regression):
    result = cli("errors", "patterns")
    assert result.exit_code == ExitCode.OK
    file_regression.check(result.stdout)


@pytest.mark.provokes("setting-invalid")
def test_an_unknown_calendar_is_refused_where_it_is_needed(cli, journal):
    unknown = ("--set", "market.calendar=XXXX", "errors", "patterns")
    assert cli(*unknown, "--kind", "sequence").exit_code == ExitCode.OK
    result = cli(*unknown)
    assert result.exit_code == ExitCode.CONFIG
    assert re.search(r"error\[setting-invalid\]", result.stderr)


def test_a_level_beyond_a_half_is_a_usage_error(cli):
    assert cli("errors", "patterns", "--level", "0.9").exit_code == ExitCode.USAGE
