"""Events go through Avro unchanged; what is no event is refused with its reason."""

import contextlib
import io
import json
import math

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.market.envelope import EventEnvelope, envelope_schema, event
from alchemiser_cli.streaming.envelopes import (
    HEADERS,
    EnvelopeDecoder,
    EnvelopeEncoder,
    envelope_headers,
    header_text,
)
from alchemiser_cli.streaming.registry_memory import MemoryRegistry

REGISTRY = MemoryRegistry()
ENCODER = EnvelopeEncoder(REGISTRY, "paper.orders-value")
DECODER = EnvelopeDecoder(REGISTRY)

printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
json_content = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.builds(
    EventEnvelope,
    event_id=printable,
    event_type=st.from_regex(r"[a-z0-9_-]{1,8}(\.[a-z0-9_-]{1,8}){0,2}", fullmatch=True),
    broker=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    source=printable,
    occurred_at_ns=st.integers(0, 2**63 - 1),
    recorded_at_ns=st.integers(0, 2**63 - 1),
    causation_id=st.none() | printable,
    correlation_id=printable,
    schema_version=st.integers(1, 2**31 - 1),
    payload_type=printable,
    payload=st.binary(max_size=200),
)


def an_event(payload=1):
    return event("order.sent", payload, broker="paper", source="s", clock=ManualClock())


@given(events)
def test_an_envelope_comes_back_as_it_was(sent):
    assert DECODER.decode(ENCODER.encode(sent)) == sent


@given(json_content)
def test_any_content_comes_back_as_it_was(content):
    back = DECODER.decode(ENCODER.encode(an_event(content))).content(object)
    assert back == content
    assert json.dumps(back) == json.dumps(content)  # 1 and 1.0 and True are equal, and not the same


@given(events)
def test_headers_repeat_what_the_record_says(sent):
    headers = envelope_headers(sent)
    for name, field in HEADERS.items():
        value = getattr(sent, field)
        assert header_text(headers, name) == (None if value is None else str(value))


def test_the_last_of_several_headers_counts_and_bytes_that_are_no_text_are_none():
    headers = [("a", b"1"), ("a", b"2"), ("b", b"\xff"), ("c", None)]
    assert [header_text(headers, name) for name in "abcd"] == ["2", None, None, None]


def records(**changes):
    """The bytes of a record with these fields, written without our checks."""
    buffer = io.BytesIO()
    buffer.write(b"\x00" + ENCODER.schema_id.to_bytes(4, "big"))
    fields = msgspec.structs.asdict(an_event()) | changes
    fastavro.schemaless_writer(buffer, json.loads(envelope_schema()), fields)
    return buffer.getvalue()


GOOD = ENCODER.encode(an_event())
OTHER = json.dumps({"type": "record", "name": "Other", "fields": [{"name": "x", "type": "int"}]})

BOMB = json.loads(envelope_schema())
BOMB["fields"].insert(0, {"name": "x", "type": {"type": "array", "items": "null"}, "default": []})
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"  # so many items of no bytes


@pytest.mark.provokes("message-undecodable")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\x00\x00", "truncated"),
        (b"\x07" + GOOD[1:], "wrong-magic"),
        (b"\x00\x00\x00\x00\x01" + GOOD[5:], "unknown-schema"),
        (GOOD[:-3], "truncated"),
        (GOOD + b"x", "trailing-bytes"),
        (GOOD[:5] + b"\x04\xff\xff" + GOOD[8:], "malformed"),
        (b"\x00" + REGISTRY.register("o", OTHER).to_bytes(4, "big") + b"\x02", "wrong-schema"),
        (
            b"\x00" + REGISTRY.register("b", json.dumps(BOMB)).to_bytes(4, "big") + HUGE,
            "malformed",
        ),
        (records(broker=""), "not-an-event"),
        (records(event_type="NOT one"), "not-an-event"),
        (records(schema_version=0), "not-an-event"),
    ],
)
def test_what_is_no_event_is_refused_with_its_reason(data, reason):
    with pytest.raises(MessageUndecodableError, match=reason) as refused:
        DECODER.decode(data)
    assert refused.value.context["reason"] == reason
    assert "event" in refused.value.what


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise_anything_else(data):
    for message in (data, GOOD[:5] + data):
        with contextlib.suppress(MessageUndecodableError):
            assert isinstance(DECODER.decode(message), EventEnvelope)


def test_an_event_of_a_later_schema_is_read_without_what_we_do_not_know():
    later = json.loads(envelope_schema())
    later["fields"].append({"name": "region", "type": "string", "default": ""})
    schema_id = REGISTRY.register("later", json.dumps(later))
    buffer = io.BytesIO()
    buffer.write(b"\x00" + schema_id.to_bytes(4, "big"))
    fields = msgspec.structs.asdict(an_event({"price": math.pi})) | {"region": "eu"}
    fastavro.schemaless_writer(buffer, later, fields)
    assert DECODER.decode(buffer.getvalue()).content(dict) == {"price": math.pi}
