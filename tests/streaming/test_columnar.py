"""Batches of messages become columns; what is broken is named, and nothing else is touched."""

import io
import json
import struct
import threading
import tracemalloc

import fastavro
import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import MessageUndecodableError, RegistryUnreachableError
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.streaming import columnar
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.schemas import SchemaCache


@pytest.fixture
def columns(registry):
    return ColumnDecoder(registry, ManualClock())


@pytest.fixture
def messages(encoder, make_ticks):
    return [encoder.encode(tick) for tick in make_ticks(50, ("SPY", "QQQ"))]


def reasons(decoded):
    return {row: error.context["reason"] for row, error in decoded.undecodable}


def test_a_batch_is_read_as_columns(columns, messages):
    decoded = columns.decode(messages)
    assert decoded.columns.symbol.tolist() == ["SPY", "QQQ"] * 50
    assert decoded.columns.sequence.tolist() == [n for n in range(1, 51) for _ in "ab"]
    assert decoded.rows.tolist() == list(range(100))
    assert decoded.undecodable == []


def test_an_empty_batch_is_no_ticks(columns):
    decoded = columns.decode([])
    assert (len(decoded.columns), len(decoded.rows), decoded.undecodable) == (0, 0, [])
    assert columns.decode_ticks([]) == []


@pytest.mark.provokes("message-undecodable")
def test_broken_messages_are_named_among_good_ones(columns, messages):
    broken = {
        0: (None, "empty"),
        10: (b"", "empty"),
        20: (messages[20][:-3], "truncated"),
        30: (b"\x07" + messages[30][1:], "wrong-magic"),
        40: (b"\x00\x00\x00\x00\x09" + messages[40][5:], "unknown-schema"),
        50: (messages[50] + b"!", "trailing-bytes"),
        60: (messages[60][:5] + b"\x02" * 1_000_000, "malformed"),
        70: (messages[70].replace(b"SPY", b"\xff\xff\xff"), "malformed"),
        99: (messages[99][:5], "truncated"),
    }
    for row, (value, _) in broken.items():
        messages[row] = value
    decoded = columns.decode(messages)
    found = reasons(decoded)
    assert found.keys() == broken.keys()
    assert {row: found[row] for row in found if row != 60} == {
        row: reason for row, (_, reason) in broken.items() if row != 60
    }
    assert decoded.rows.tolist() == [row for row in range(100) if row not in broken]
    in_order = columns.decode_ticks(messages)
    assert [row for row, one in enumerate(in_order) if isinstance(one, Exception)] == list(broken)


@pytest.mark.provokes("registry-unreachable")
def test_an_outage_of_the_registry_consumes_nothing(registry, messages):
    class Interrupted:
        down = True

        def schema(self, schema_id):
            if self.down:
                raise RegistryUnreachableError("no answer", why="It is down.", next_step="Wait.")
            return registry.schema(schema_id)

    home = Interrupted()
    columns = ColumnDecoder(home, ManualClock())
    for size in (columnar.FEWEST_FOR_COLUMNS - 1, columnar.FEWEST_FOR_COLUMNS):
        with pytest.raises(RegistryUnreachableError):
            columns.decode(messages[:size])
        with pytest.raises(RegistryUnreachableError):
            columns.decode_ticks(messages[:size])
    home.down = False
    assert len(columns.decode(messages).rows) == 100


def test_a_batch_of_several_schemas_keeps_its_order(registry, columns, messages, make_tick):
    new = json.loads(tick_schema())
    new["fields"].insert(1, {"name": "currency", "type": "string", "default": "USD"})
    header = struct.pack(">BI", 0, registry.register("new-value", json.dumps(new)))
    for row in range(0, 100, 2):
        value = msgspec.structs.asdict(make_tick(row + 1, "NEW")) | {"currency": "EUR"}
        messages[row] = header + _record(new, value)
    decoded = columns.decode(messages)
    assert decoded.columns.symbol.tolist() == ["NEW", "QQQ"] * 50
    assert np.array_equal(decoded.rows, np.arange(100))


def _record(schema, value):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), value)
    return buffer.getvalue()


def test_more_symbols_than_the_cache_holds_are_still_themselves(columns, encoder, make_tick):
    for name in ("S{}", "LONGSYMBOL{}"):
        ticks = [make_tick(symbol=name.format(n)) for n in range(10_000)]
        values = [encoder.encode(tick) for tick in ticks]
        assert columns.decode_ticks(values) == ticks
        assert columns.decode_ticks(values) == ticks


def test_long_garbage_is_not_copied_into_the_batch(columns, messages):
    junk = b"\x00" * 1_000_000
    values = [*messages, *[junk] * 100]
    tracemalloc.start()
    columns.decode(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_batch_is_read_on_any_thread(columns, messages):
    found = []
    thread = threading.Thread(target=lambda: found.append(columns.decode(messages)))
    thread.start()
    thread.join(10)
    assert len(found[0].rows) == 100


NESTED = [
    {"type": "array", "items": "double"},
    {"type": "array", "items": "null"},
    {"type": "array", "items": {"type": "array", "items": "null"}},
    {"type": "map", "values": "long"},
    ["null", "alchemiser.market.Tick"],
]


@pytest.mark.provokes("message-undecodable")
@pytest.mark.parametrize("kind", NESTED, ids=["doubles", "nulls", "nested", "map", "recursion"])
@pytest.mark.parametrize(
    "body",
    [
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # counts 2^63 - 1 items
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80" * 40 + b"\x01",
        b"\x02" * 1_000_000,
        b"\x06" * 200_000,
    ],
    ids=["count", "negative", "endless", "deep", "wide"],
)
def test_a_message_that_claims_more_than_it_holds_is_refused_at_once(registry, columns, kind, body):
    hostile = json.loads(tick_schema())
    hostile["fields"].insert(0, {"name": "more", "type": kind})
    schema_id = registry.register("hostile-value", json.dumps(hostile))
    [refused] = columns.decode_ticks([struct.pack(">BI", 0, schema_id) + body])
    assert isinstance(refused, MessageUndecodableError)


def test_arrays_and_maps_that_we_do_not_know_are_passed_over(registry, columns, make_tick):
    new = json.loads(tick_schema())
    new["fields"] += [
        {"name": "levels", "type": {"type": "array", "items": "double"}},
        {"name": "names", "type": {"type": "map", "values": ["null", "long"]}},
        {"name": "previous", "type": ["null", "alchemiser.market.Tick"]},
    ]
    header = struct.pack(">BI", 0, registry.register("rich-value", json.dumps(new)))
    more = {"levels": [1.0] * 9, "names": {"a": 1, "b": None}, "previous": None}
    inner = msgspec.structs.asdict(make_tick(1)) | more
    value = msgspec.structs.asdict(make_tick(2)) | more | {"previous": inner}
    messages = [header + _record(new, value)] * 30
    assert columns.decode_ticks(messages) == [make_tick(2)] * 30


def test_decoders_share_a_cache(registry, messages):
    class Counting:
        asked = 0

        def schema(self, schema_id):
            self.asked += 1
            return registry.schema(schema_id)

    home = Counting()
    cache = SchemaCache(home, ManualClock())
    for decoder in (ColumnDecoder(cache), ColumnDecoder(cache)):
        assert len(decoder.decode(messages).rows) == 100
    assert home.asked == 1
