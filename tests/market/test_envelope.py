"""An event says what it is, whose it is and what caused it, or it is none."""

import dataclasses
import math
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import EnvelopeIncompleteError, MessageUndecodableError
from alchemiser_cli.errors.context import operation
from alchemiser_cli.market.envelope import EventEnvelope, envelope_schema, event

NOW_NS = 1_700_000_000_123_456_789


class Signal(msgspec.Struct, frozen=True):
    symbol: str
    strength: float


@pytest.fixture
def clock():
    return ManualClock(NOW_NS)


@pytest.fixture
def make(clock):
    def made(event_type="signal.raw", payload=None, **changes):
        given = {"broker": "paper", "source": "momentum", "clock": clock} | changes
        return event(event_type, {"a": 1} if payload is None else payload, **given)

    return made


def test_an_event_is_filled_in(make):
    first = make(payload=Signal("SPY", 0.5), occurred_at_ns=NOW_NS - 5)
    assert uuid.UUID(first.event_id).version == 7
    assert (first.recorded_at_ns, first.occurred_at_ns) == (NOW_NS, NOW_NS - 5)
    assert (first.causation_id, first.correlation_id) == (None, first.event_id)
    assert (first.payload_type, first.schema_version) == ("Signal", 1)
    assert first.content(Signal) == Signal("SPY", 0.5)


def test_what_an_event_causes_belongs_to_its_story(make):
    first = make()
    second = make("order.sent", caused_by=first)
    third = make("order.filled", caused_by=second)
    assert (second.causation_id, third.causation_id) == (first.event_id, second.event_id)
    assert third.correlation_id == second.correlation_id == first.correlation_id


def test_a_story_that_begins_in_an_operation_takes_its_request_or_run(make):
    with operation("trade", run_id="run-7"):
        assert make().correlation_id == "run-7"
        with operation("serve", request_id="req-1"):
            assert make().correlation_id == "req-1"


def test_what_was_sent_does_not_change_with_its_object(make):
    payload = {"quantity": 1}
    sent = make(payload=payload)
    payload["quantity"] = 100
    assert sent.content(dict) == {"quantity": 1}


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=8))
def test_ids_sort_by_time(times):
    times = sorted({at_ns // 1_000 * 1_000 for at_ns in times})  # an id tells 244 ns apart
    made = [event("a", 1, broker="b", source="s", clock=ManualClock(at_ns)) for at_ns in times]
    ids = [one.event_id for one in made]
    assert ids == sorted(ids)


def test_ids_of_one_moment_differ(make):
    assert len({make().event_id for _ in range(1_000)}) == 1_000


@pytest.mark.provokes("envelope-incomplete")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_type": ""}, "event_type"),
        ({"event_type": "Signal Raw"}, "event_type"),
        ({"event_type": "signal..raw"}, "event_type"),
        ({"source": ""}, "source"),
        ({"source": "a\nb"}, "source"),
        ({"source": "\ud800"}, "source"),
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": 2**31}, "schema_version"),
        ({"occurred_at_ns": -1}, "occurred_at_ns"),
        ({"occurred_at_ns": 2**63}, "occurred_at_ns"),
        ({"payload": {"price": math.nan}}, "payload"),
        ({"payload": [math.inf]}, "payload"),
        ({"payload": object()}, "payload"),
        ({"payload": {"text": "\ud800"}}, "payload"),
    ],
)
def test_an_event_without_what_it_needs_is_refused(make, changes, field):
    with pytest.raises(EnvelopeIncompleteError) as refused:
        make(**changes)
    assert refused.value.context["field"] == field


@pytest.mark.provokes("envelope-incomplete")
@pytest.mark.parametrize("broker", ["", "a.b", "a b", "b" * 65, "ä", "a\n"])
def test_a_broker_that_no_topic_could_begin_with_is_refused(make, broker):
    with pytest.raises(EnvelopeIncompleteError, match="broker"):
        make(broker=broker)


@pytest.mark.provokes("envelope-incomplete")
@pytest.mark.parametrize("field", ["event_type", "broker", "event_id", "causation_id"])
def test_an_event_made_by_hand_is_held_to_the_same(make, field):
    fields = msgspec.structs.asdict(make(caused_by=make()))
    with pytest.raises(EnvelopeIncompleteError):
        EventEnvelope(**fields | {field: ""})


@pytest.mark.provokes("message-undecodable")
def test_a_payload_of_another_type_is_a_coded_error(make):
    with pytest.raises(MessageUndecodableError, match="not a Signal") as raised:
        make(payload={"symbol": 1}).content(Signal)
    assert raised.value.context["reason"] == "wrong-payload"
    broken = msgspec.structs.replace(make(), payload=b"\xff{")
    with pytest.raises(MessageUndecodableError):
        broken.content(dict)


def test_dataclasses_and_lists_are_payloads_too(make):
    @dataclasses.dataclass
    class Fill:
        price: float

    assert make(payload=Fill(1.5)).content(dict) == {"price": 1.5}
    assert make(payload=[1, "two", None]).content(list) == [1, "two", None]


def test_the_schema_has_the_fields_of_the_envelope():
    schema = msgspec.json.decode(envelope_schema())
    assert {field["name"] for field in schema["fields"]} == set(EventEnvelope.__struct_fields__)
