"""Our own writing of a tick is fastavro's, byte for byte, and refuses what is no tick."""

import io
import json

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.columns import KINDS, OPTIONAL
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.streaming.avro_tick import TickRecord

LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 63, 64, -64, -65, 2**62])
TICKS = st.builds(
    Tick,
    symbol=st.text(),
    venue=st.text(),
    kind=st.sampled_from(KINDS),
    sequence=LONGS,
    event_time_ns=LONGS,
    price=st.floats(),
    size=st.floats(),
    **{name: st.none() | st.floats() for name in OPTIONAL},
)
SCHEMA = fastavro.parse_schema(json.loads(tick_schema()))
RECORD = TickRecord(b"head")


@given(tick=TICKS)
def test_the_bytes_are_those_of_fastavro(tick):
    buffer = io.BytesIO(b"head")
    buffer.seek(4)
    fastavro.schemaless_writer(buffer, SCHEMA, msgspec.structs.asdict(tick))
    assert RECORD.encode(tick) == buffer.getvalue()


def test_more_names_than_are_kept_are_written_right(make_tick):
    record = TickRecord(b"")
    for n in range(10_000):
        assert record.encode(make_tick(symbol=f"S{n}")).startswith(f"S{n}".encode(), 1)
    assert len(record._beginnings) < 10_000


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"symbol": 5}, TypeError),
        ({"symbol": "\ud800"}, ValueError),
        ({"kind": "auction"}, TypeError),
        ({"sequence": 2**63}, ValueError),
        ({"sequence": -(2**63) - 1}, ValueError),
        ({"sequence": 1.5}, TypeError),
        ({"sequence": "1"}, TypeError),
        ({"price": None}, TypeError),
        ({"price": "1"}, TypeError),
        ({"bid": "1"}, TypeError),
    ],
)
def test_what_is_no_tick_is_refused(make_tick, changes, error):
    with pytest.raises(error):
        RECORD.encode(make_tick(**changes))
