"""``broker serve``, ``replay`` and ``consume`` together, in processes of their own."""

import json
import re
import select
import shutil
import signal
import subprocess

import msgspec
import pytest
from confluent_kafka import Producer

from alchemiser_cli.exits import ExitCode
from alchemiser_cli.streaming import find_served

DEADLINE_S = 30


@pytest.fixture
def served(process, home):
    """An embedded Kafka in another process; the bootstrap list is told when it is up."""
    server = process("broker", "serve", "-o", "json")
    ready, _, _ = select.select([server.stdout], [], [], DEADLINE_S)
    assert ready, "the broker did not come up"
    document = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
    assert document["bootstrap"] == find_served(home / "run").bootstrap
    return server, document["bootstrap"]


def finished(one, expected=ExitCode.OK):
    stdout, stderr = one.communicate(timeout=DEADLINE_S)
    assert one.returncode == expected, stderr
    return stdout, stderr


def test_replay_and_consume_meet_at_the_served_broker(served, process, masked, file_regression):
    finished(process("replay", "sp500", "--limit", "300"))
    stdout, stderr = finished(
        process("consume", "--from", "earliest", "--max-messages", "300", "-o", "json")
    )
    assert stderr == ""
    file_regression.check(masked(stdout), extension=".json")


def test_a_group_goes_on_where_it_committed(served, process):
    finished(process("replay", "sp500", "--limit", "300"))
    first, _ = finished(process("consume", "--max-messages", "100", "-o", "json"))
    rest, _ = finished(process("consume", "--until-idle", "1", "-o", "json"))
    counts = [json.loads(text)["processed"] for text in (first, rest)]
    assert counts == [100, 200]
    partitions = json.loads(rest)["partitions"]
    assert sum(one["committed_offset"] or 0 for one in partitions) == 300
    assert sum(one["lag"] for one in partitions) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_consumer_commits_and_still_gives_its_summary(served, process, home, number):
    finished(process("replay", "sp500", "--limit", "50"))
    consumer = process("--verbose", "consume", "--from", "earliest", "-o", "json")
    for line in consumer.stderr:  # bounded by pytest's time limit
        if "batch_processed_summary" in line:
            break
    consumer.send_signal(number)
    stdout, _ = finished(consumer, ExitCode.INTERRUPTED)
    summary = json.loads(stdout)
    assert summary["processed"] == 50
    assert sum(one["committed_offset"] or 0 for one in summary["partitions"]) == 50


def test_messages_that_cannot_be_read_are_counted_and_exit_with_3_when_asked_for(served, process):
    _, bootstrap = served
    finished(process("replay", "sp500", "--limit", "5"))
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for value in (b"", b"garbage", b"\x00\x00\x00\x00\x63no such schema"):
        producer.produce("market.ticks", value, key=b"SPX")
    assert producer.flush(DEADLINE_S) == 0
    arguments = ("consume", "--from", "earliest", "--until-idle", "1", "-o", "json")
    stdout, stderr = finished(process(*arguments))
    summary = json.loads(stdout)
    assert [summary[key] for key in ("consumed", "processed", "failed")] == [8, 5, 3]
    assert "deserialization_error" in stderr
    finished(process(*arguments, "--fail-on", "warning"), ExitCode.DEGRADED)


def test_an_interrupted_broker_removes_its_run_file(served, home):
    server, _ = served
    server.send_signal(signal.SIGTERM)
    finished(server, ExitCode.INTERRUPTED)
    assert not (home / "run" / "broker.json").exists()


def test_a_second_broker_of_the_same_home_is_refused(served, process):
    _, stderr = finished(process("broker", "serve"), ExitCode.REFUSED)
    assert "error[embedded-broker-running]" in stderr


def test_a_killed_brokers_run_file_is_cleared_by_the_next_command(served, process, home):
    server, _ = served
    server.kill()
    server.wait(DEADLINE_S)
    assert (home / "run" / "broker.json").exists()
    _, stderr = finished(process("replay", "sp500", "--limit", "10"))
    assert "stale-run-file" in stderr
    assert "which ends" in stderr
    assert not (home / "run" / "broker.json").exists()


def test_what_the_consumer_did_stands_in_the_market_data_log(served, process, home):
    finished(process("replay", "sp500", "--limit", "10"))
    finished(process("consume", "--group", "desk", "--from", "earliest", "--until-idle", "0.5"))
    lines = (home / "logs" / "market_data.jsonl").read_text().splitlines()
    records = [record for line in lines if (record := json.loads(line))["command"] == "consume"]
    events = {record["event"]: record for record in records}
    assert events["batch_processed_summary"]["processed"] == 10
    assert events["partitions_assigned"]["group"] == "desk"
    assert len({record["run_id"] for record in records}) == 1


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_kcat_lists_and_reads_the_topic(served, process):
    _, bootstrap = served
    finished(process("replay", "sp500", "--limit", "7"))
    metadata = json.loads(
        subprocess.run(
            ["kcat", "-b", bootstrap, "-L", "-J"],
            capture_output=True,
            check=True,
            timeout=DEADLINE_S,
        ).stdout
    )
    topics = {topic["topic"]: len(topic["partitions"]) for topic in metadata["topics"]}
    assert topics["market.ticks"] == 4
    read = subprocess.run(
        ["kcat", "-b", bootstrap, "-C", "-t", "market.ticks", "-e", "-q", "-f", r"%k %S %p\n"],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    ).stdout.splitlines()
    assert len(read) == 7
    assert {line.split()[0] for line in read} == {"SPX"}
    assert len({line.split()[2] for line in read}) == 1, "one symbol, one partition"


def test_consume_of_a_dead_broker_says_so_in_time(cli):
    result = cli(
        *("--set", "kafka.mode=external", "--set", "kafka.bootstrap=127.0.0.1:9"),
        *("--set", "kafka.request_timeout_s=0.5", "consume", "--from", "earliest"),
    )
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "error[broker-unreachable]" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("date,price\n2020-01-01,1\n2020-01-02,nan\n", "dataset-value"),
        ("date,close\n2020-01-02,1\n2020-01-01,2\n", "dataset-time"),
        ("when,what\n1,2\n", "dataset-columns"),
        ("", "dataset-unreadable"),
    ],
)
def test_a_bad_dataset_sends_nothing(cli, tmp_path, home, text, code):
    file = tmp_path / "bars.csv"
    file.write_text(text)
    result = cli("replay", f"file:{file}")
    assert f"error[{code}]" in result.stderr
    assert result.exit_code == ExitCode.FAILED
    assert result.stdout == ""
    assert not (home / "schemas").exists()


def test_columns_are_mapped_by_option(cli, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("Stamp,Last\n2020-01-01,1.5\n2020-01-02,1.6\n")
    result = cli(
        "replay", f"file:{file}", "--column", "time=Stamp", "--column", "price=Last", "-o", "json"
    )
    assert result.exit_code == ExitCode.OK, result.stderr
    assert json.loads(result.stdout)["sent"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "sp500", "--speed", "warp"),
        ("replay", "sp500", "--start", "soon"),
        ("replay", "file:x.csv", "--column", "price"),
    ],
)
def test_values_that_make_no_sense_are_usage_errors(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "error[usage]" in result.stderr


def test_the_datasets_are_listed(cli):
    document = json.loads(cli("replay", "--list", "-o", "json").stdout)
    assert [entry["name"] for entry in document["datasets"]] == ["sp500", "file:PATH"]


def test_the_demo_tells_the_whole_story(cli, masked, file_regression, monkeypatch):
    from alchemiser_cli.clock import SystemClock

    # The session check is the one line that depends on the day.
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: 1_772_544_600_000_000_000)
    result = cli("demo")
    assert result.exit_code == ExitCode.OK, result.stderr
    # The run's name, and what follows from it, are of this process.
    named = re.sub(r" *\b\d{8}T\d{6}-\d+\b", " <run>", masked(result.stdout))
    file_regression.check(re.sub(r"head [0-9a-f]{16}", "head <hash>", named))


def test_the_demo_as_json_is_one_document(cli):
    document = msgspec.json.decode(cli("demo", "-o", "json").stdout)
    assert document["replay"]["sent"] == document["consume"]["processed"] == 5031
    assert document["preflight"]["success"] is True
