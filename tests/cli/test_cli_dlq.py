"""``dlq list``, ``show`` and ``redrive`` over dead letters in a served Kafka."""

import asyncio
import json

import pytest
from confluent_kafka import Producer

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import MessageProcessingError, MessageUndecodableError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import DeadLetterSettings, KafkaSettings, TopicSettings
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import TickEncoder, open_registry, serve, value_subject
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer
from alchemiser_cli.streaming.dead_letters import DeadLetters
from alchemiser_cli.streaming.received import Received

TOPIC = "market.ticks"
AT_MS = 1_600_000_000_000
TICK = Tick(symbol="SPY", venue="XNYS", kind="bar", sequence=9, event_time_ns=AT_MS, price=101.5)


@pytest.fixture
def served(home):
    with serve(KafkaSettings(), TopicSettings(), home / "run", SystemClock()) as serving:
        yield serving.served.bootstrap


def undecodable(reason):
    return MessageUndecodableError(
        f"the message is not a tick ({reason})",
        why="It begins with byte 123 in place of 0.",
        next_step="-",
        context={"reason": reason},
    )


def failed():
    error = MessageProcessingError("the callback raised", why="KeyError('SPY').", next_step="-")
    error.__cause__ = KeyError("SPY")
    return error


@pytest.fixture
def dead(served, home):
    """Three dead letters: text, a tick whose callback raised, and one with a hostile key."""
    registry = open_registry(RegistrySettings(), f"file:{home / 'schemas'}")
    tick = TickEncoder(registry, value_subject(TOPIC)).encode(TICK)
    letters = [
        (b"SPY", b'{"price": 1}', (("source", b"desk"),), undecodable("wrong-magic")),
        (b"SPY", tick, (), failed()),
        (b"\x1b[31mred", b"\xff" * 300, (("alchemiser.redrive-count", b"3"),), undecodable("x")),
    ]

    async def put():
        settings, clock = DeadLetterSettings(), ManualClock()
        with AcknowledgedProducer(KafkaSettings(), served) as producer:
            dead_letters = DeadLetters(producer, settings, clock, group="desk")
            for at, (key, value, headers, error) in enumerate(letters):
                place = (TOPIC, 1, at, AT_MS + at)
                await dead_letters.put(Received(*place, key, value, headers), error, 1)

    asyncio.run(put())
    return served


def document(result):
    assert result.exit_code == ExitCode.OK, result.stderr
    return json.loads(result.stdout)


def test_the_list_is_the_newest_first(cli, dead, masked, file_regression):
    result = cli("dlq", "list")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(masked(result.stdout))


def test_the_list_as_json_has_place_code_and_reason(cli, dead):
    found = document(cli("dlq", "list", "-o", "json"))
    assert (found["topic"], found["dead_letter_topic"]) == (TOPIC, f"{TOPIC}.dlq")
    assert (found["total"], found["redriven"]) == (3, 0)
    first = found["dead_letters"][-1]
    assert first["id"] == "1-0"
    assert first["source"] == {"topic": TOPIC, "partition": 1, "offset": 0}
    assert (first["code"], first["reason"]) == ("message-undecodable", "wrong-magic")
    assert found["dead_letters"][1]["tick"]["symbol"] == "SPY"


def test_the_list_is_narrowed_by_code_reason_and_limit(cli, dead):
    def ids(*options):
        found = document(cli("dlq", "list", *options, "-o", "json"))
        return [one["id"] for one in found["dead_letters"]]

    assert ids("--code", "message-processing-failed") == ["1-1"]
    assert ids("--reason", "wrong-magic") == ["1-0"]
    assert ids("--limit", "1") == ["1-2"]


def test_reasons_are_counted(cli, dead, masked, file_regression):
    file_regression.check(masked(cli("dlq", "list", "--by-reason").stdout))


def test_a_topic_without_dead_letters_has_an_empty_list(cli, served):
    assert document(cli("dlq", "list", "-o", "json"))["total"] == 0
    assert "No dead letter" in cli("dlq", "list").stdout
    assert "No dead letter" in cli("dlq", "list", "--by-reason").stdout


@pytest.mark.provokes("topic-missing")
def test_a_misspelt_topic_is_not_found(cli, served):
    result = cli("dlq", "list", "--topic", "market.tocks")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "error[topic-missing]" in result.stderr


@pytest.mark.parametrize("identity", ["1-0", "1-1"])
def test_a_letter_is_shown_in_full(cli, dead, masked, file_regression, identity):
    result = cli("dlq", "show", identity)
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(masked(result.stdout))


def test_a_letter_as_json_has_its_bytes_and_headers(cli, dead):
    found = document(cli("dlq", "show", "1-0", "-o", "json"))
    assert found["value_base64"] == "eyJwcmljZSI6IDF9"
    assert found["headers"][0] == {"name": "source", "text": "desk", "base64": "ZGVzaw=="}
    assert found["next_steps"][0] == "alchemiser errors runbook message-undecodable"


def test_nothing_of_a_message_steers_the_terminal(cli, dead):
    for arguments in (("list",), ("show", "1-2")):
        result = cli("dlq", *arguments)
        assert "\x1b" not in result.stdout
    assert r"\x1b[31mred" in result.stdout
    assert "... and 44 more bytes" in result.stdout


@pytest.mark.provokes("dead-letter-not-found")
@pytest.mark.parametrize("command", [("show",), ("redrive",)])
def test_an_unknown_id_is_not_found(cli, dead, command):
    result = cli("dlq", *command, "1-99")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "error[dead-letter-not-found]" in result.stderr


def test_a_dry_run_shows_the_plan_and_sends_nothing(cli, dead, masked, file_regression):
    result = cli("dlq", "redrive", "--all", "--dry-run")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(masked(result.stdout))
    assert document(cli("dlq", "list", "--open", "-o", "json"))["total"] == 3


def test_all_are_sent_back_but_those_that_loop_and_none_twice(cli, dead):
    first = document(cli("dlq", "redrive", "--all", "-o", "json"))
    assert first["counts"] == {"sent": 2, "planned": 0, "already": 0, "loop": 1, "elsewhere": 0}
    assert document(cli("dlq", "list", "-o", "json"))["redriven"] == 2
    assert cli("dlq", "redrive", "1-0", "1-1").stdout == "2 sent before.\n"
    consumed = document(cli("consume", "--from", "earliest", "--until-idle", "1", "-o", "json"))
    assert (consumed["consumed"], consumed["processed"]) == (2, 1)


@pytest.mark.provokes("redrive-loop")
def test_only_loops_are_a_refusal(cli, dead):
    assert cli("dlq", "redrive", "1-0", "1-1").exit_code == ExitCode.OK
    result = cli("dlq", "redrive", "--all")
    assert result.exit_code == ExitCode.REFUSED
    assert "refused: it loops" in result.stdout
    assert "error[redrive-loop]" in result.stderr


def test_letters_are_chosen_by_reason(cli, dead):
    found = document(cli("dlq", "redrive", "--reason", "KeyError", "-o", "json"))
    assert [(one["id"], one["outcome"]) for one in found["letters"]] == [("1-1", "sent")]


@pytest.mark.provokes("usage")
@pytest.mark.parametrize("arguments", [(), ("--all", "1-0"), ("--all", "--reason", "x")])
def test_an_unclear_choice_is_a_usage_error(cli, arguments):
    result = cli("dlq", "redrive", *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "error[usage]" in result.stderr


def test_dead_letters_of_another_program_are_read_from_where_it_put_them(cli, served):
    producer = Producer({"bootstrap.servers": served})
    headers = [
        ("kafka_dlt-original-topic", TOPIC.encode()),
        ("kafka_dlt-original-partition", b"\0\0\0\2"),
        ("kafka_dlt-exception-fqcn", b"com.desk.CrossedException"),
    ]
    producer.produce(f"{TOPIC}-dlt", b"v", headers=headers)
    assert producer.flush(10) == 0
    arguments = ("--dlq", f"{TOPIC}-dlt", "-o", "json")
    (one,) = document(cli("dlq", "list", *arguments))["dead_letters"]
    assert (one["family"], one["reason"]) == ("spring", "CrossedException")
    result = document(cli("dlq", "redrive", "--all", *arguments))
    assert (result["counts"]["sent"], result["letters"][0]["partition"]) == (1, 2)
