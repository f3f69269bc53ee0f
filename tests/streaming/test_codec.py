"""Ticks survive the way to bytes and back; anything else is named, and nothing else is raised."""

import io
import json
import math
import struct

import fastavro
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import TickDecoder, TickEncoder, open_registry

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LONG = st.integers(-(2**63), 2**63 - 1)
TICKS = st.builds(
    Tick,
    symbol=st.text(min_size=1),
    venue=st.text(min_size=1),
    kind=st.sampled_from(["bar", "trade", "quote"]),
    sequence=st.integers(1, 2**63 - 1),
    event_time_ns=LONG,
    price=st.floats(0, exclude_min=True, allow_infinity=False),
    size=FINITE,
    **{
        name: st.none() | FINITE
        for name in ("bid", "ask", "open", "high", "low", "implied_volatility")
    },
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    registry = open_registry(RegistrySettings(), f"file:{tmp_path_factory.mktemp('schemas')}")
    return TickEncoder(registry, "market.ticks-value"), TickDecoder(registry), registry


def tick_or_refusal(decoder, data):
    refused = None
    try:
        assert isinstance(decoder.decode(data), Tick)
    except MessageUndecodableError as error:
        refused = error
    assert refused is None or (refused.context["reason"] and refused.why and refused.next_step)


@given(tick=TICKS)
def test_decoding_an_encoded_tick_returns_it(pair, tick):
    encoder, decoder, _ = pair
    assert decoder.decode(encoder.encode(tick)) == tick


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_tick_or_refused(pair, data):
    tick_or_refusal(pair[1], data)


@given(body=st.binary(max_size=200))
def test_arbitrary_bytes_after_a_good_header_are_a_tick_or_refused(pair, body):
    encoder, decoder, _ = pair
    tick_or_refusal(decoder, struct.pack(">BI", 0, encoder.schema_id) + body)


@given(tick=TICKS, changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255))))
def test_mutated_messages_are_a_tick_or_refused(pair, tick, changes):
    encoder, decoder, _ = pair
    data = bytearray(encoder.encode(tick))
    for position, value in changes:
        data[position % len(data)] = value
    tick_or_refusal(decoder, bytes(data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tick=TICKS, cut=st.integers(0, 10**6))
def test_every_truncation_is_refused(pair, tick, cut):
    encoder, decoder, _ = pair
    data = encoder.encode(tick)
    with pytest.raises(MessageUndecodableError):
        decoder.decode(data[: cut % len(data)])


def refusal(decoder, data):
    with pytest.raises(MessageUndecodableError) as raised:
        decoder.decode(data)
    return raised.value.context["reason"]


def message(schema_id, schema, value):
    buffer = io.BytesIO()
    buffer.write(struct.pack(">BI", 0, schema_id))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), value)
    return buffer.getvalue()


@pytest.mark.provokes("message-undecodable")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: None, "empty"),
        (lambda _: b"", "empty"),
        (lambda data: data[:4], "truncated"),
        (lambda data: data[:-9], "truncated"),
        (lambda data: b"\x01" + data[1:], "wrong-magic"),
        (lambda data: b"\x00\x00\x00\x00\x01" + data[5:], "unknown-schema"),
        (lambda data: data + b"\x00", "trailing-bytes"),
        (lambda data: data.replace(b"SPY", b"\xff\xff\xff"), "malformed"),
    ],
)
def test_spoilt_bytes_are_refused_with_their_reason(encoder, decoder, make_tick, spoil, reason):
    assert refusal(decoder, spoil(encoder.encode(make_tick()))) == reason


@pytest.mark.provokes("message-undecodable")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": math.nan}, "non-finite"),
        ({"price": math.inf}, "non-finite"),
        ({"bid": math.nan}, "non-finite"),
        ({"price": 0.0}, "non-positive"),
        ({"price": -1.0}, "non-positive"),
        ({"symbol": ""}, "not-a-tick"),
        ({"sequence": 0}, "not-a-tick"),
    ],
)
def test_impossible_values_are_refused_with_their_reason(
    encoder, decoder, make_tick, changes, reason
):
    assert refusal(decoder, encoder.encode(make_tick(**changes))) == reason


@pytest.mark.provokes("message-undecodable")
def test_a_record_of_another_schema_is_refused(registry, decoder):
    other = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
    schema_id = registry.register("orders-value", json.dumps(other))
    assert refusal(decoder, message(schema_id, other, {"id": 1})) == "wrong-schema"


def test_a_tick_of_an_older_schema_is_read_with_the_defaults(registry, decoder, make_tick):
    old = json.loads(tick_schema())
    old["fields"] = [field for field in old["fields"] if field["name"] != "implied_volatility"]
    schema_id = registry.register("old-value", json.dumps(old))
    value = msgspec.structs.asdict(make_tick())
    assert decoder.decode(message(schema_id, old, value)) == make_tick()


def test_a_tick_of_a_newer_schema_is_read_without_what_we_do_not_know(registry, decoder, make_tick):
    new = json.loads(tick_schema())
    new["fields"].append({"name": "currency", "type": "string", "default": "USD"})
    schema_id = registry.register("new-value", json.dumps(new))
    value = msgspec.structs.asdict(make_tick()) | {"currency": "EUR"}
    assert decoder.decode(message(schema_id, new, value)) == make_tick()


def test_the_wire_format_is_confluents(encoder, make_tick):
    data = encoder.encode(make_tick())
    assert data[:5] == b"\x00" + encoder.schema_id.to_bytes(4, "big")
