"""A batch read as columns is, row for row, what its messages are when read one by one."""

import contextlib
import io
import json
import os
import random
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
SEEDS = 2_000 if os.environ.get("CRASH") == "full" else 100
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


def any_number(chance):
    odd = [0.0, -0.0, -1.0, 5e-324, 1e308, float("nan"), float("inf"), float("-inf")]
    return chance.choice([*odd, chance.uniform(-10, 1_000), chance.uniform(1, 1_000)])


def any_long(chance):
    return chance.choice([0, 1, -1, 2**63 - 1, -(2**63), chance.randrange(-(2**63), 2**63)])


def good_tick(chance):
    return Tick(
        symbol=chance.choice(["SPY", "QQQ", "BTCUSDT", "SPX230616C04000000"]),
        venue=chance.choice(["XNYS", "BINANCE"]),
        kind=chance.choice(KINDS),
        sequence=chance.randint(1, 2**40),
        event_time_ns=chance.randint(10**18, 2 * 10**18),
        price=chance.uniform(0.01, 10_000),
        size=chance.uniform(0, 10_000),
        **{name: chance.choice([None, chance.uniform(0.01, 10_000)]) for name in OPTIONAL},
    )


def any_tick(chance):
    return Tick(
        symbol=chance.choice(["SPY", "", "ÄÖ", "\x00", "x" * 64, "y" * 5_000, "\U0001f4c8"]),
        venue=chance.choice(["XNYS", "", "ü"]),
        kind=chance.choice(KINDS),
        sequence=chance.choice([any_long(chance), chance.randint(1, 200)]),
        event_time_ns=any_long(chance),
        price=any_number(chance),
        size=any_number(chance),
        **{name: chance.choice([None, any_number(chance)]) for name in OPTIONAL},
    )


def any_extras(chance):
    return {
        "note": chance.choice(["", "note", "n" * 300]),
        "blob": chance.randbytes(chance.randint(0, 90)),
        "flag": chance.random() < 0.5,
        "count": any_long(chance),
        "maybe": chance.choice([None, "", "maybe"]),
        "maybe_count": chance.choice([None, any_long(chance)]),
        "ratio": chance.choice([0.0, 1.5, float("nan")]),
        "hash": chance.randbytes(4),
        "side": chance.choice(["buy", "sell"]),
        "levels": [any_number(chance) for _ in range(chance.randint(0, 3))],
        "names": {name: any_long(chance) for name in chance.sample("abc", chance.randint(0, 2))},
    }


def whole_message(chance, writers):
    tick = chance.choice([good_tick, any_tick])(chance)
    match chance.randrange(3):
        case 0:
            return written(writers, 0, tick, {})
        case 1:
            return written(writers, chance.randrange(len(WRITERS)), tick, any_extras(chance))
        case _:
            widths = chance.choices([1, 1, 1, 2, 9, 10, 12], k=11)
            return by_hand(next(iter(writers)), widths, good_tick(chance))


def any_message(chance, writers):
    whole = whole_message(chance, writers)
    match chance.randrange(16):
        case 0:
            return whole[: chance.randrange(len(whole))]
        case 1:
            return whole + chance.randbytes(chance.randint(0, 20))
        case 2 | 3:
            return mutated(chance, whole)
        case 4:
            known = chance.choice([*writers, chance.randint(0, 20)])
            return struct.pack(">BI", 0, known) + chance.randbytes(chance.randint(0, 120))
        case 5:
            return chance.choice([None, b"", chance.randbytes(chance.randint(0, 60))])
        case _:
            return whole


def mutated(chance, data):
    changed_data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed_data[chance.randrange(len(data))] = chance.randrange(256)
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


@pytest.mark.parametrize("seed", range(SEEDS))
def test_columns_are_what_single_messages_are(writers, decoders, fewest, seed):
    chance = random.Random(seed)  # noqa: S311  no secret; the same messages every time
    single, columns = decoders
    values = [any_message(chance, writers) for _ in range(chance.randint(0, 12))]
    values *= chance.choice([1, 1, 1, FEWEST])
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
