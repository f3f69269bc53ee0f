"""What holds for every file: nothing is lost or invented between the frame and the ticks."""

import gzip
import tempfile
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.market import open_dataset

price = st.floats(1e-6, 1e9)
time_ns = st.integers(10**17, 2**62)


@st.composite
def bars(draw):
    low, first, second, high = sorted(draw(st.lists(price, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations([first, second]))
    volume = draw(st.floats(0, 1e15))
    return {"open": opened, "high": high, "low": low, "close": closed, "volume": volume}


@st.composite
def frames(draw):
    times = sorted(draw(st.sets(time_ns, min_size=1, max_size=30)))
    rows = [{"timestamp": time, **draw(bars())} for time in times]
    return pl.DataFrame(rows)


def write(frame, folder, form):
    path = Path(folder) / f"data.{form}"
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    else:
        frame.write_csv(path)
    return open_dataset(f"file:{path}")


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
@settings(max_examples=30, deadline=None)
@given(frame=frames())
def test_any_valid_bars_come_back_from_their_file_bit_for_bit(frame, form):
    with tempfile.TemporaryDirectory() as folder:
        dataset = write(frame, folder, form)
    rows = [
        {
            "timestamp": tick.event_time_ns,
            "open": tick.open,
            "high": tick.high,
            "low": tick.low,
            "close": tick.price,
            "volume": tick.size,
        }
        for tick in dataset
    ]
    assert rows == frame.to_dicts()


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["A", "B", "C"]), st.sampled_from(["X", "Y"]), st.integers(0, 20), price
        ),
        min_size=1,
        max_size=60,
    ),
    limit=st.integers(1, 60),
)
def test_sequences_have_no_gaps_and_times_never_go_back_in_any_file(rows, limit):
    rows = sorted(rows, key=lambda row: (row[0], row[1], row[2]))  # grouped by instrument
    frame = pl.DataFrame(
        [(s, v, 1_700_000_000 + at, p) for s, v, at, p in rows],
        schema=["symbol", "venue", "time", "price"],
        orient="row",
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = write(frame, folder, "csv")
    whole = list(dataset)
    assert len(whole) == dataset.rows == len(rows)
    assert sorted((t.symbol, t.venue, t.price) for t in whole) == sorted(
        (s, v, p) for s, v, _, p in rows
    )
    for ticks in (whole, list(dataset.narrowed(limit=limit))):
        times = [tick.event_time_ns for tick in ticks]
        assert times == sorted(times)
        sequences = defaultdict(list)
        for tick in ticks:
            sequences[tick.venue, tick.symbol].append(tick.sequence)
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())


def test_iterating_goes_on_across_chunks_and_starts_again_each_time(tmp_path):
    rows = 10_000
    path = tmp_path / "long.csv"
    pl.DataFrame(
        {"time": [1_700_000_000 + i for i in range(rows)], "price": [1.5] * rows}
    ).write_csv(path)
    dataset = open_dataset(f"file:{path}")
    for _ in range(2):
        assert [tick.sequence for tick in dataset] == list(range(1, rows + 1))
