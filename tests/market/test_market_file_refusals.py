"""What is wrong with a file is said before its first tick, with the place and the way out."""

import gzip
import os

import polars as pl
import pytest

from alchemiser_cli.errors import (
    DatasetColumnsError,
    DatasetNotFoundError,
    DatasetTimeError,
    DatasetUnreadableError,
    DatasetValueError,
)
from alchemiser_cli.market import open_dataset


@pytest.fixture
def opened(tmp_path):
    def opened(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_dataset(f"file:{path}", **options)

    return opened


@pytest.mark.provokes("dataset-not-found")
@pytest.mark.parametrize("name", ["sp50", "SP500", "spx500"])
def test_an_unknown_name_is_answered_with_the_nearest(name):
    with pytest.raises(DatasetNotFoundError, match="no dataset is named") as caught:
        open_dataset(name)
    assert "Did you mean sp500?" in caught.value.next_step


@pytest.mark.provokes("dataset-not-found")
def test_a_missing_file_is_answered_with_the_nearest_in_its_folder(tmp_path):
    (tmp_path / "googl.csv").write_text("x")
    with pytest.raises(DatasetNotFoundError, match="does not exist") as caught:
        open_dataset(f"file:{tmp_path / 'gogle.csv'}")
    assert "googl.csv" in caught.value.next_step


@pytest.mark.provokes("dataset-not-found")
@pytest.mark.parametrize("name", ["file:", "file:no/such/folder/x.csv"])
def test_a_path_that_leads_nowhere_is_not_found(name):
    with pytest.raises(DatasetNotFoundError):
        open_dataset(name)


def test_a_file_named_without_its_prefix_is_told_the_prefix(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("x")
    with pytest.raises(DatasetNotFoundError) as caught:
        open_dataset(str(path))
    assert f"file:{path}" in caught.value.next_step


TEXT = b"time,close\n2024-01-02,5\n2024-01-03,6\n"


@pytest.mark.provokes("dataset-unreadable")
@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "data.csv", "empty"),
        (b"\n\n", "data.csv", "empty"),
        (b"time,close\n", "data.csv", "no rows"),
        (bytes(range(128, 256)) * 20, "data.csv", "not UTF-8"),
        (b"time,close\0\n1,2\n", "data.csv", "not text"),
        ("time,close\n1,2\n".encode("utf-16"), "data.csv", "not UTF-8"),
        ("time,close,name\n2024-01-02,5,\xe9\n".encode("latin-1"), "data.csv", "not UTF-8"),
        (b"time,close\n2024-01-02,5\n2024-01-03,1,234.5\n", "data.csv", "Line 3 has 3 cells"),
        (b"x" * 100_000, "data.csv", "not text"),
        (TEXT, "data.xlsx", "ending"),
        (TEXT, "data.zip", "ending"),
        (TEXT, "data.parquet", "failed"),
        (gzip.compress(TEXT, mtime=0)[:12], "data.csv.gz", "failed"),
        (gzip.compress(TEXT * 5_000, mtime=0)[:-9], "data.csv.gz", "failed"),
        (b"\x1f\x8bnot gzip at all", "data.csv.gz", "failed"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_unreadable(opened, content, name, why):
    with pytest.raises(DatasetUnreadableError) as caught:
        opened(content, name)
    assert why in caught.value.why
    assert str(caught.value.context["file"]).endswith(name)


@pytest.mark.provokes("dataset-unreadable")
def test_a_folder_is_unreadable(tmp_path):
    with pytest.raises(DatasetUnreadableError, match="cannot be read") as caught:
        open_dataset(f"file:{tmp_path}")
    assert "folder" in caught.value.why


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.provokes("dataset-unreadable")
def test_a_file_without_permission_is_unreadable(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(TEXT)
    path.chmod(0)
    with pytest.raises(DatasetUnreadableError) as caught:
        open_dataset(f"file:{path}")
    assert "Permission" in caught.value.why


def test_a_truncated_parquet_file_is_unreadable(tmp_path):
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": ["2024-01-02"], "close": [5.0]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetUnreadableError):
        open_dataset(f"file:{path}")


@pytest.mark.provokes("dataset-columns")
@pytest.mark.parametrize(
    ("header", "what", "seen"),
    [
        ("foo,close", "no column for the time", "'foo'"),
        ("time,foo", "no column for the price", "'foo'"),
        ("time,bid", "no column for the price", "'bid'"),
        ("time,Close,close", "2 columns .* could be the price", None),
        ("time,close,price", "2 columns .* could be the price", None),
        ("date,time,close", "2 columns .* could be the time", None),
        ("1,2,3", "has no header line", "1,2,3"),
    ],
)
def test_missing_and_ambiguous_columns_are_refused(opened, header, what, seen):
    cells = ",".join("1" for _ in header.split(","))
    with pytest.raises(DatasetColumnsError, match=what) as caught:
        opened(f"{header}\n{cells}\n")
    assert seen is None or seen in caught.value.why
    assert caught.value.context["seen"] == header.split(",")


def test_the_way_to_map_a_column_is_shown_with_a_column_that_nobody_recognised(opened):
    with pytest.raises(DatasetColumnsError) as caught:
        opened("time,Last\n2024-01-02,5\n")
    assert "price='Last'" in caught.value.next_step


@pytest.mark.provokes("dataset-columns")
@pytest.mark.parametrize(
    ("mapping", "what"),
    [
        ({"prize": "Last"}, "not a field"),
        ({"price": "last"}, "is not in"),
        ({"price": "Last", "close": "Last"}, "mapped twice"),
        ({"price": ""}, "no column for the price"),
    ],
)
def test_a_mapping_that_leads_nowhere_is_refused(opened, mapping, what):
    with pytest.raises(DatasetColumnsError, match=what):
        opened("time,Last\n2024-01-02,5\n", columns=mapping)


@pytest.mark.provokes("dataset-columns")
def test_yfinance_with_several_tickers_side_by_side_is_refused(opened):
    with pytest.raises(DatasetColumnsError, match="several instruments"):
        opened("Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n2024-01-02,1,2\n")


@pytest.mark.provokes("dataset-value")
@pytest.mark.parametrize(
    ("header", "bad", "column", "fault"),
    [
        ("close", "", "close", "not a positive number"),
        ("close", "null", "close", "not a positive number"),
        ("close,note", ",x", "close", "not a positive number"),
        ("close", "NaN", "close", "not a positive number"),
        ("close", "inf", "close", "not a positive number"),
        ("close", "0", "close", "not a positive number"),
        ("close", "-1", "close", "not a positive number"),
        ("close,open", "5,", "open", "not a positive number"),
        ("close,volume", "5,-1", "volume", "not zero or a positive"),
        ("close,volume", "5,inf", "volume", "not zero or a positive"),
        ("close,volume", "5,1.2M", "volume", "not zero or a positive"),
        ("close,high,low", "5,4,6", "high", "below the low of '6'"),
        ("close,high,low", "7,6,4", "close", "above the high of '6'"),
        ("close,high,low", "3,6,4", "close", "below the low of '4'"),
        ("close,open,high", "5,7,6", "open", "above the high of '6'"),
        ("bid,ask", "6,5", "bid", "above the ask of '5'"),
        ("price,symbol", "5,", "symbol", "no symbol"),
    ],
)
def test_an_impossible_value_is_refused_with_its_row_column_and_count(
    opened, header, bad, column, fault
):
    good = {"bid,ask": "5,6", "price,symbol": "5,A"}.get(
        header, "5,5,5"[: 2 * header.count(",") + 1]
    )
    rows = [good, bad, good, bad]
    text = "".join(f"2024-01-0{day},{row}\n" for day, row in enumerate(rows, start=1))
    with pytest.raises(DatasetValueError, match=fault) as caught:
        opened(f"time,{header}\n{text}")
    context = caught.value.context
    assert (context["row"], context["column"], context["rows"]) == (2, column, 2)
    assert "2 such rows" in caught.value.what


def test_a_close_beyond_the_high_by_rounding_is_kept(opened):
    assert opened("time,close,high,low\n2024-01-02,10.00001,10,9\n").rows == 1


@pytest.mark.parametrize("column", ["time", "close", "symbol"])
@pytest.mark.parametrize("values", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"b"], [None, None]])
def test_parquet_columns_of_an_unfit_type_are_refused(tmp_path, column, values):
    fit = {"time": ["2024-01-02", "2024-01-03"], "close": [1.0, 2.0], "symbol": ["A", "A"]}
    path = tmp_path / "data.parquet"
    pl.DataFrame({**fit, column: values}).write_parquet(path)
    with pytest.raises((DatasetValueError, DatasetTimeError)):
        open_dataset(f"file:{path}")
