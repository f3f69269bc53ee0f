"""``audit``: real trails shown and verified, with their anchors and each planted fault."""

import json
import os
import re
import sqlite3

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.audit import AnchorStore, AuditEntry, AuditTrail
from alchemiser_cli.trading.decisions import LimitReading

KEY = "0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
HASH = re.compile(r"\b[0-9a-f]{64}\b")
DAILY_LOSS = LimitReading("daily_loss", 0.0412, 0.03, passed=False)


def story():
    """What a desk writes in a minute; the third line holds what a terminal would obey."""
    yield AuditEntry(event="RUN_STARTED", event_id="r1")
    yield AuditEntry(
        event="SIGNAL", event_id="s1", strategy_id="momentum", symbol="SPX", quantity=10
    )
    yield AuditEntry(
        event="HELD", event_id="h1", strategy_id="breakout", symbol="SPX", reason="\x1b[31mred"
    )
    yield AuditEntry(
        event="TRADE_REJECTED",
        event_id="d-s1",
        causation="s1",
        strategy_id="momentum",
        symbol="SPX",
        reason="daily_loss_limit_exceeded",
        limits=(LimitReading("kill_switch", 0.0, None, passed=True), DAILY_LOSS),
        detail={"signal_id": "s1"},
    )


@pytest.fixture
def write(home):
    """Write the story into a trail, a second between two lines, and anchor its head."""

    def write(name="paper", key=None):
        clock = ManualClock()
        database = StateDatabase(f"sqlite:///{home}/state.db", clock)
        settings = AuditSettings(min_free_megabytes=0)
        folder = home / "audit" / name
        with AuditTrail(
            folder,
            settings,
            clock,
            run_id="r1",
            broker="paper",
            key=key.encode() if key else None,
            anchor=AnchorStore(database).save,
        ) as trail:
            for entry in story():
                trail.append(entry)
                clock.advance(1)
        database.close()
        return folder / "2023-11-14.jsonl"

    return write


def document(result, code=ExitCode.OK):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


# --- show


def test_a_trail_is_shown_with_the_limit_that_refused(cli, write, file_regression):
    write()
    result = cli("audit", "show", "paper")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check("\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n")


def test_lines_as_json_are_whole_records(cli, write):
    write()
    found = document(cli("audit", "show", "-o", "json"))
    assert (found["trail"], found["matched"]) == ("paper", 4)
    last = found["entries"][-1]
    assert last["limits"][1] == {
        "name": "daily_loss",
        "value": 0.0412,
        "threshold": 0.03,
        "passed": False,
    }
    assert (last["detail"], last["sequence"]) == ({"signal_id": "s1"}, 3)
    assert [one["prev_hash"] for one in found["entries"]][1:] == [
        one["hash"] for one in found["entries"]
    ][:-1]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--event", "signal"], ["s1"]),
        (["--strategy", "momentum"], ["s1", "d-s1"]),
        (["--symbol", "SPX", "--limit", "2"], ["h1", "d-s1"]),
        (["--since", "2023-11-14T22:13:22"], ["h1", "d-s1"]),
        (["--since", "1h"], []),
    ],
)
def test_lines_are_chosen_by_options(cli, write, options, ids):
    write()
    found = document(cli("audit", "show", "paper", *options, "-o", "json"))
    assert [one["event_id"] for one in found["entries"]] == ids


def test_no_line_that_matches_is_said(cli, write):
    write()
    assert "No line" in cli("audit", "show", "paper", "--strategy", "x").stdout


@pytest.mark.provokes("usage")
def test_an_event_that_is_none_names_those_that_are(cli, write):
    write()
    result = cli("audit", "show", "--event", "signals")
    assert result.exit_code == ExitCode.USAGE
    assert "TRADE_REJECTED" in result.stderr


@pytest.mark.provokes("audit-trail-not-found")
@pytest.mark.parametrize("arguments", [["show"], ["show", "papr"], ["verify", "../audit/paper"]])
def test_a_trail_that_is_not_there_exits_with_8(cli, write, home, arguments):
    if len(arguments) > 1:
        write()
    assert cli("audit", *arguments).exit_code == ExitCode.NOT_FOUND


# --- verify


def test_every_trail_is_verified(cli, write, file_regression):
    write()
    write("paper.risk")
    result = cli("audit", "verify")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check("\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n")


def test_the_verdict_as_json_begins_as_promised(cli, write, file_regression):
    write()
    result = cli("audit", "verify", "paper", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(HASH.sub("<sha256>", result.stdout), extension=".json")


def edited(file):
    file.write_bytes(file.read_bytes().replace(b'"quantity":10', b'"quantity":11'))


def gap(file):
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:1] + lines[2:]))


def truncated(file):
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


@pytest.mark.provokes("audit-corrupt")
@pytest.mark.parametrize(("plant", "first_bad"), [(edited, 1), (gap, 1), (truncated, 3)])
def test_a_planted_fault_is_named_and_exits_with_7(cli, write, plant, first_bad):
    plant(write())
    result = cli("audit", "verify", "-o", "json")
    found = document(result, ExitCode.CORRUPT)
    assert (found["ok"], found["kind"], found["first_bad"]) == (False, plant.__name__, first_bad)
    assert found["entries"] == first_bad
    assert "alchemiser errors runbook audit-corrupt" in result.stderr


def test_a_torn_tail_exits_with_7_and_is_no_alarm(cli, write, home):
    """It is what a crash leaves, and the next start mends it."""
    file = write()
    with file.open("ab") as opened:
        opened.write(b'{"schema_version":1,')
    result = cli("audit", "verify", "-o", "json")
    found = document(result, ExitCode.CORRUPT)
    assert (found["ok"], found["kind"], found["first_bad"]) == (False, "torn_tail", 4)
    assert "audit-corrupt" not in result.stderr


@pytest.mark.provokes("audit-corrupt")
def test_a_trail_that_was_removed_is_missed(cli, write):
    os.remove(write())  # noqa: PTH107  the file alone
    found = document(cli("audit", "verify", "-o", "json"), ExitCode.CORRUPT)
    assert found["kind"] == "truncated"


def test_without_the_state_database_trails_are_verified_and_that_is_said(cli, write, home):
    truncated(write())
    (home / "state.db").unlink()
    result = cli("audit", "verify")
    assert result.exit_code == ExitCode.OK
    assert "anchors could not be read" in result.stdout
    assert not (home / "state.db").exists()


@pytest.mark.provokes("state-schema")
def test_a_state_database_that_cannot_be_read_is_said(cli, write, home):
    write()
    with sqlite3.connect(home / "state.db") as database:
        database.execute("UPDATE schema_version SET version = 99")
    database.close()
    found = document(cli("audit", "verify", "-o", "json"))
    assert "newer" in found["anchors_unreadable"]


@pytest.mark.provokes("audit-corrupt")
def test_the_key_of_the_settings_verifies_signed_trails_only(cli, write, monkeypatch):
    write("signed", KEY)
    write("plain")
    assert cli("audit", "verify", "signed").exit_code == ExitCode.CORRUPT
    monkeypatch.setenv("ALCHEMISER_SIGNING__KEY", KEY)
    assert document(cli("audit", "verify", "signed", "-o", "json"))["ok"]
    assert cli("audit", "verify", "plain").exit_code == ExitCode.CORRUPT
    assert document(cli("audit", "verify", "plain", "--unsigned", "-o", "json"))["ok"]


def test_no_trail_at_all_is_fine_and_makes_nothing(cli, home):
    found = document(cli("audit", "verify", "-o", "json"))
    assert (found["ok"], found["entries"], found["kind"]) == (True, 0, None)
    assert "No audit trail" in cli("audit", "verify").stdout
    assert not home.exists()


# --- accept


def test_a_fault_that_was_looked_into_is_accepted_and_that_is_on_record(cli, write, home):
    truncated(write())
    found = document(
        cli("audit", "accept", "paper", "--reason", "ticket 71", "--by", "ops", "-o", "json")
    )
    assert (found["trail"], found["sequence"], found["by"]) == ("paper", 3, "ops")
    assert document(cli("audit", "verify", "-o", "json"))["ok"]
    (record,) = [
        json.loads(line)
        for line in (home / "logs" / "audit.jsonl").read_text().splitlines()
        if "audit_anchor_forgotten" in line
    ]
    assert (record["reason"], record["by"], record["sequence"]) == ("ticket 71", "ops", 3)


@pytest.mark.provokes("audit-trail-not-found")
def test_a_trail_that_is_not_anchored_cannot_be_accepted(cli):
    assert cli("audit", "accept", "paper", "--reason", "x").exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("command", ["show", "verify", "accept"])
def test_each_command_shows_examples(cli, command):
    assert "Examples:" in cli("audit", command, "--help").stdout
