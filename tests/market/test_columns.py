"""Ticks survive as columns; what is absent is NaN in a column and None in a record."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.columns import KINDS, OPTIONAL, TickColumns
from alchemiser_cli.market.ticks import Tick

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TICKS = st.builds(
    Tick,
    symbol=st.text(min_size=1),
    venue=st.sampled_from(["XNYS", "XNAS"]),
    kind=st.sampled_from(KINDS),
    sequence=st.integers(1, 2**63 - 1),
    event_time_ns=st.integers(-(2**63), 2**63 - 1),
    price=FINITE,
    size=FINITE,
    **{name: st.none() | FINITE for name in OPTIONAL},
)


def tick(sequence, **changes):
    fields = {"symbol": "SPY", "venue": "XNYS", "kind": "trade", "event_time_ns": 1, "price": 2.0}
    return Tick(sequence=sequence, **(fields | changes))


@given(ticks=st.lists(TICKS))
def test_ticks_survive_as_columns(ticks):
    assert TickColumns.of(ticks).ticks() == ticks


@given(ticks=st.lists(TICKS))
def test_columns_have_their_types_for_any_number_of_ticks(ticks):
    columns = TickColumns.of(ticks)
    types = [getattr(columns, name).dtype for name in columns.__slots__]
    assert types == [object, object, np.uint8, np.int64, np.int64, *[np.float64] * 8]
    assert {getattr(columns, name).shape for name in columns.__slots__} == {(len(ticks),)}


@given(parts=st.lists(st.lists(TICKS), min_size=1))
def test_parts_are_joined_in_their_order(parts):
    joined = TickColumns.joined([TickColumns.of(part) for part in parts])
    assert joined.ticks() == [tick for part in parts for tick in part]


def test_an_absent_field_is_nan_in_its_column():
    columns = TickColumns.of([tick(1, bid=1.5), tick(2)])
    assert columns.bid[0] == 1.5
    assert math.isnan(columns.bid[1])
    assert [one.bid for one in columns.ticks()] == [1.5, None]


def test_rows_are_taken_by_index_and_by_mask():
    columns = TickColumns.of([tick(n) for n in (1, 2, 3)])
    assert columns.take(np.array([2, 0])).sequence.tolist() == [3, 1]
    assert columns.take(np.array([False, True, False])).sequence.tolist() == [2]
