"""A batch read as columns is, row for row, what its messages are when read one by one."""

import contextlib
import io
import json
import math
import struct

import fastavro
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import MessageUndecodableError
from alchemiser_cli.market.columns import KINDS, OPTIONAL
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import columnar
from alchemiser_cli.streaming.codec import TickDecoder, TickEncoder
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.registry import open_registry
from alchemiser_cli.streaming.schemas import SchemaCache

FEWEST = columnar.FEWEST_FOR_COLUMNS
NUMBERS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1e308])
LONGS = st.integers(-(2**63), 2**63 - 1)
TICKS = st.builds(
    Tick,
    symbol=st.text() | st.sampled_from(["SPY", "BTCUSDT", "SPX230616C04000000", "ÄÖ", "x" * 64]),
    venue=st.text(max_size=8) | st.just("XNYS"),
    kind=st.sampled_from(KINDS),
    sequence=LONGS | st.integers(1, 200),
    event_time_ns=LONGS,
    price=NUMBERS | st.floats(1, 1_000),
    size=NUMBERS,
    **{name: st.none() | NUMBERS for name in OPTIONAL},
)
GOOD = st.builds(
    Tick,
    symbol=st.sampled_from(["SPY", "QQQ", "BTCUSDT", "SPX230616C04000000"]),
    venue=st.sampled_from(["XNYS", "BINANCE"]),
    kind=st.sampled_from(KINDS),
    sequence=st.integers(1, 2**40),
    event_time_ns=st.integers(10**18, 2 * 10**18),
    price=st.floats(0.01, 10_000),
    size=st.floats(0, 10_000),
    **{name: st.none() | st.floats(0.01, 10_000) for name in OPTIONAL},
)
EXTRAS = st.fixed_dictionaries(
    {
        "note": st.text(),
        "blob": st.binary(max_size=90),
        "flag": st.booleans(),
        "count": LONGS,
        "maybe": st.none() | st.text(),
        "maybe_count": st.none() | LONGS,
        "ratio": st.floats(width=32),
        "hash": st.binary(min_size=4, max_size=4),
        "side": st.sampled_from(["buy", "sell"]),
        "levels": st.lists(st.floats(), max_size=3),
        "names": st.dictionaries(st.text(max_size=3), LONGS, max_size=2),
    }
)
PLAIN_EXTRAS = [
    ("note", "string"),
    ("blob", "bytes"),
    ("flag", "boolean"),
    ("count", "long"),
    ("maybe", ["string", "null"]),
    ("maybe_count", ["null", "long"]),
    ("ratio", "float"),
    ("hash", {"type": "fixed", "name": "Hash", "size": 4}),
    ("side", {"type": "enum", "name": "Side", "symbols": ["buy", "sell"]}),
]


def changed(change):
    schema = json.loads(tick_schema())
    schema["fields"] = change(schema["fields"])
    return schema


def retyped(name, kind):
    return lambda fields: [
        {"name": name, "type": kind} if field["name"] == name else field for field in fields
    ]


def with_fields(extras):
    added = [{"name": name, "type": kind} for name, kind in extras]
    return lambda fields: [*fields[:2], *added[::2], *fields[2:], *added[1::2]]


KIND_AND_MORE = {
    "type": "enum",
    "name": "TickKind",
    "namespace": "alchemiser.market",
    "symbols": ["quote", "auction", "trade", "bar"],
}
WRITERS = [
    changed(lambda fields: fields),
    changed(lambda fields: fields[::-1]),
    changed(lambda fields: fields[:-2]),
    changed(lambda fields: fields[1:]),  # without the symbol
    changed(with_fields(PLAIN_EXTRAS)),
    changed(with_fields([("levels", {"type": "array", "items": "double"})])),
    changed(with_fields([("names", {"type": "map", "values": "long"})])),
    changed(retyped("kind", KIND_AND_MORE)),
    changed(retyped("bid", ["double", "null"])),
    changed(retyped("sequence", "int")),
    changed(retyped("size", "float")),
    changed(retyped("venue", {"type": "string", "avro.java.string": "String"})),
    changed(retyped("event_time_ns", {"type": "long", "logicalType": "timestamp-micros"})),
    {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]},
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return open_registry(RegistrySettings(), f"file:{tmp_path_factory.mktemp('schemas')}")


@pytest.fixture(scope="module")
def writers(registry):
    """Writers' schemas by the ids under which they are registered."""
    return {
        registry.register(f"writer-{number}", json.dumps(schema)): fastavro.parse_schema(schema)
        for number, schema in enumerate(WRITERS)
    }


@pytest.fixture(scope="module")
def decoders(registry):
    cache = SchemaCache(registry, ManualClock())
    return TickDecoder(cache), ColumnDecoder(cache)


@pytest.fixture(scope="module", params=[1, FEWEST], ids=["all-together", "as-shipped"])
def fewest(request):
    """Also with every message, even a single one, read side by side with those of its schema."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "FEWEST_FOR_COLUMNS", request.param)
        yield


def written(writers, number, tick, extras):
    schema_id, schema = list(writers.items())[number % len(writers)]
    value = {"id": tick.sequence} | msgspec.structs.asdict(tick) | extras
    buffer = io.BytesIO()
    buffer.write(struct.pack(">BI", 0, schema_id))
    # A long under the int's schema, for example, is refused: what was written before it stays.
    with contextlib.suppress(ValueError, OverflowError, TypeError, struct.error):
        fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()


def wasteful(number, width):
    """Return ``number`` as a varint of at least ``width`` bytes, longer than it needs."""
    number = (number << 1) ^ (number >> 63)
    digits = []
    while number or len(digits) < width:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits[:-1], digits[-1] & 0x7F])


def by_hand(schema_id, widths, tick):
    symbol, venue = tick.symbol.encode(), tick.venue.encode()
    parts = [struct.pack(">BI", 0, schema_id)]
    parts += [wasteful(len(symbol), widths[0]), symbol, wasteful(len(venue), widths[1]), venue]
    parts += [wasteful(KINDS.index(tick.kind), widths[2])]
    parts += [wasteful(tick.sequence, widths[3]), wasteful(tick.event_time_ns, widths[4])]
    parts += [struct.pack("<dd", tick.price, tick.size)]
    for name, width in zip(OPTIONAL, widths[5:], strict=True):
        number = getattr(tick, name)
        parts.append(wasteful(number is not None, width))
        parts.append(b"" if number is None else struct.pack("<d", number))
    return b"".join(parts)


@st.composite
def batches(draw, writers):
    own = next(iter(writers))
    whole = st.one_of(
        st.builds(lambda tick: written(writers, 0, tick, {}), GOOD),
        st.builds(lambda tick: written(writers, 0, tick, {}), TICKS),
        st.builds(
            lambda number, tick, extras: written(writers, number, tick, extras),
            st.integers(0, len(WRITERS) - 1),
            GOOD | TICKS,
            EXTRAS,
        ),
        st.builds(
            lambda widths, tick: by_hand(own, widths, tick),
            st.lists(st.sampled_from([1, 1, 1, 2, 9, 10, 12]), min_size=11, max_size=11),
            GOOD,
        ),
    )
    spoilt = st.one_of(
        st.builds(lambda data, cut: data[: cut % len(data)], whole, st.integers(0, 10**6)),
        st.builds(lambda data, more: data + more, whole, st.binary(max_size=20)),
        st.builds(mutated, whole, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)))),
        st.builds(lambda body: struct.pack(">BI", 0, own) + body, st.binary(max_size=120)),
        st.builds(
            lambda schema_id, body: struct.pack(">BI", 0, schema_id) + body,
            st.sampled_from(list(writers)) | st.integers(0, 20),
            st.binary(max_size=120),
        ),
        st.binary(max_size=60),
        st.just(b""),
        st.none(),
    )
    values = draw(st.lists(whole | spoilt, max_size=12))
    times = draw(st.sampled_from([1, 1, 1, FEWEST]))
    return values * times


def mutated(data, changes):
    changed_data = bytearray(data)
    for position, value in changes:
        changed_data[position % len(changed_data)] = value
    return bytes(changed_data)


def one_by_one(decoder, values):
    found = []
    for value in values:
        try:
            found.append(decoder.decode(value))
        except MessageUndecodableError as error:
            found.append(error.context["reason"])
    return found


def told(results):
    return [one if isinstance(one, Tick) else one.context["reason"] for one in results]


@given(data=st.data())
def test_columns_are_what_single_messages_are(writers, decoders, fewest, data):
    single, columns = decoders
    values = data.draw(batches(writers))
    expected = one_by_one(single, values)
    decoded = columns.decode(values)
    assert decoded.rows.dtype == np.int64
    ticks = [(row, one) for row, one in enumerate(expected) if isinstance(one, Tick)]
    assert list(zip(decoded.rows.tolist(), decoded.columns.ticks(), strict=True)) == ticks
    refused = [(row, error.context["reason"]) for row, error in decoded.undecodable]
    assert refused == [(row, one) for row, one in enumerate(expected) if isinstance(one, str)]
    assert told(columns.decode_ticks(values)) == expected


@given(ticks=st.lists(GOOD, min_size=FEWEST, max_size=60))
def test_good_ticks_are_never_read_one_by_one(registry, ticks):
    encoder = TickEncoder(registry, "writer-0")
    columns = ColumnDecoder(registry)
    columns._single = None
    assert columns.decode([encoder.encode(tick) for tick in ticks]).columns.ticks() == ticks
