"""``errors`` and ``health`` over a journal that a real faulty run has filled."""

import json
import re

import pytest
from confluent_kafka import Producer

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings import KafkaSettings, TopicSettings
from alchemiser_cli.streaming import serve

DEADLINE_S = 20
POISON = [b"", b"garbage", b"more garbage", b"\x00\x00\x00\x00\x63no such schema"]
DEAD_BROKER = ("--set", "kafka.mode=external", "--set", "kafka.bootstrap=127.0.0.1:9")
IDENTITIES = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{10})\b")


@pytest.fixture
def faulty_run(cli, home):
    """Ticks with poison among them were consumed, and once the broker was dead."""
    with serve(KafkaSettings(), TopicSettings(), home / "run", SystemClock()) as serving:
        assert cli("replay", "sp500", "--limit", "20").exit_code == ExitCode.OK
        producer = Producer({"bootstrap.servers": serving.served.bootstrap, "log_level": 0})
        for value in POISON:
            producer.produce("market.ticks", value, key=b"SPX")
        assert producer.flush(DEADLINE_S) == 0
        result = cli("consume", "--from", "earliest", "--until-idle", "1", "-o", "json")
        assert json.loads(result.stdout)["failed"] == len(POISON)
    dead = cli(*DEAD_BROKER, "--set", "kafka.request_timeout_s=0.5", "consume")
    assert dead.exit_code == ExitCode.UNREACHABLE


@pytest.fixture
def journal_masked(masked):
    """Mask ids as well, and what a column's width owes to them."""

    def mask(text):
        text = IDENTITIES.sub("<id>", masked(text))
        text = re.sub(
            r'(File ").*?/(?:site-packages|lib/python3\.\d+|alchemiser_cli)/', r"\1", text
        )
        text = re.sub(r'(File "[^"]+", line )\d+', r"\1<n>", text)
        return re.sub(r" {2,}", "  ", text)

    return mask


def listed(cli, *arguments):
    return json.loads(cli("errors", "list", *arguments, "-o", "json").stdout)["errors"]


def test_list_shows_each_kind_of_failure_once(cli, faulty_run, journal_masked, file_regression):
    result = cli("errors", "list")
    assert result.exit_code == ExitCode.OK
    file_regression.check(journal_masked(result.stdout))


def test_list_as_json_has_the_promised_keys(cli, faulty_run):
    rows = listed(cli)
    promised = {"id", "code", "severity", "component", "operation", "at", "count"}
    promised |= {"recovered", "injected", "context"}
    assert all(promised <= set(row) for row in rows)
    counts = {}
    for row in rows:
        counts[row["code"]] = counts.get(row["code"], 0) + row["count"]
    assert counts == {"message-undecodable": len(POISON), "broker-unreachable": 1}


def test_a_poison_messages_place_stands_in_its_context(cli, faulty_run):
    row = next(row for row in listed(cli) if row["code"] == "message-undecodable")
    assert row["component"] == "consumer"
    assert row["operation"] == "consume"
    assert row["context"]["topic"] == "market.ticks"
    assert isinstance(row["context"]["offset"], int)


def test_list_narrows_by_code_component_state_and_age(cli, faulty_run):
    assert {row["code"] for row in listed(cli, "--code", "broker-unreachable")} == {
        "broker-unreachable"
    }
    assert {row["component"] for row in listed(cli, "--component", "consumer")} == {"consumer"}
    assert listed(cli, "--state", "resolved") == []
    assert listed(cli, "--since", "2100-01-01") == []
    assert len(listed(cli, "--since", "1h")) == len(listed(cli))
    assert len(listed(cli, "--limit", "1")) == 1


def test_show_has_causes_context_and_traceback(cli, faulty_run, journal_masked, file_regression):
    identity = listed(cli, "--code", "message-undecodable")[0]["id"]
    result = cli("errors", "show", identity[:12])
    assert result.exit_code == ExitCode.OK
    file_regression.check(journal_masked(result.stdout))


def test_stats_count_by_code_and_component(cli, faulty_run):
    document = json.loads(cli("errors", "stats", "-o", "json").stdout)
    assert document["total"] == len(POISON) + 1
    first = document["by_code"][0]
    assert (first["code"], first["last_hour"]) == ("message-undecodable", len(POISON))


def test_what_helped_is_recorded_and_the_runbook_knows_it(cli, faulty_run):
    identity = listed(cli, "--code", "broker-unreachable")[0]["id"]
    wrong = cli("errors", "resolve", identity, "--with", "waited", "--failed", "--by", "desk")
    assert wrong.exit_code == ExitCode.OK
    assert listed(cli, "--code", "broker-unreachable")[0]["state"] == "open"
    cli("errors", "resolve", identity, "--with", "restarted broker 1", "--by", "desk")
    assert listed(cli, "--code", "broker-unreachable")[0]["state"] == "resolved"
    document = json.loads(cli("errors", "runbook", "broker-unreachable", "-o", "json").stdout)
    assert document["history"]["count"] == 1
    helped = [
        (one["text"], one["worked"], one["tried"]) for one in document["history"]["resolutions"]
    ]
    assert helped == [("restarted broker 1", 1, 1), ("waited", 0, 1)]


def test_a_failure_after_its_resolution_is_a_regression(cli, faulty_run):
    identity = listed(cli, "--code", "broker-unreachable")[0]["id"]
    cli("errors", "resolve", identity, "--with", "restarted broker 1")
    cli(*DEAD_BROKER, "--set", "kafka.request_timeout_s=0.5", "consume")
    assert listed(cli, "--code", "broker-unreachable")[0]["state"] == "regressed"


@pytest.mark.provokes("error-not-found")
@pytest.mark.parametrize("command", [["show"], ["resolve", "--with", "x"]])
def test_an_unknown_id_is_not_found(cli, command):
    result = cli("errors", command[0], "0123456789ab", *command[1:])
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "error[error-not-found]" in result.stderr


def test_an_age_that_makes_no_sense_is_a_usage_error(cli):
    assert cli("errors", "list", "--since", "a while").exit_code == ExitCode.USAGE


def test_a_runbook_is_readable_when_the_journal_is_not(cli, home):
    home.mkdir()
    (home / "state.db").write_bytes(b"not a database" * 100)
    result = cli("errors", "runbook", "state-corrupt")
    assert result.exit_code == ExitCode.OK
    assert "## Resolution" in result.stdout
    assert "cannot be read now (state-corrupt)" in result.stdout


def test_a_failure_while_the_database_is_damaged_is_spilled_and_taken_in_later(cli, home):
    home.mkdir()
    (home / "state.db").write_bytes(b"not a database" * 100)
    result = cli("consume", "--from", "yesterday")
    assert "spilled to a file" in result.stderr
    (home / "state.db").unlink()
    cli("consume", "--from", "tomorrow")
    assert listed(cli, "--code", "usage")[0]["count"] == 2


def test_health_after_the_faulty_run_is_critical(cli, faulty_run, journal_masked, file_regression):
    result = cli("health", "status", "-o", "json")
    assert result.exit_code == ExitCode.FAILED
    document = json.loads(result.stdout)
    assert document["status"] == "critical"
    assert document["errors"]["criticals_5min"] == 1
    assert set(document["errors"]) >= {"rate_per_min", "criticals_5min", "by_component"}
    assert document["alerts"] is not None


def test_health_of_a_fresh_home_is_healthy(cli):
    result = cli("health", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.output
    assert json.loads(result.stdout)["status"] == "healthy"


def test_health_from_cron_leaves_its_metrics_for_node_exporter(cli, faulty_run, tmp_path):
    textfile = tmp_path / "alchemiser.prom"
    result = cli("--set", f"telemetry.textfile={textfile}", "health", "status")
    assert result.exit_code == ExitCode.FAILED
    lines = textfile.read_text().splitlines()
    assert "alchemiser_health_status 2.0" in lines
    counted = [line for line in lines if line.startswith("alchemiser_errors_total{")]
    assert any('code="message-undecodable"' in line for line in counted)


def test_health_without_a_text_file_writes_none(cli, home):
    assert cli("health").exit_code == ExitCode.OK
    assert not list(home.rglob("*.prom"))
