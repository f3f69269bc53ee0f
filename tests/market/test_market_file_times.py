"""Times as files write them."""

import datetime as dt

import polars as pl
import pytest

from alchemiser_cli.errors import DatasetTimeError
from alchemiser_cli.market import open_dataset

NOON_S = 1_704_196_800  # 2024-01-02T12:00Z
LATER = "2024-01-13"  # a day above 12, so that day and month can be told apart


def first_time(tmp_path, *times):
    path = tmp_path / "t.csv"
    rows = "".join(f'"{time}",1\n' for time in times)
    path.write_text(f"time,close\n{rows}", encoding="utf-8")
    return open_dataset(f"file:{path}").first_event_time_ns


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (f"{NOON_S}", NOON_S * 10**9),
        (f"{NOON_S}123", NOON_S * 10**9 + 123_000_000),
        (f"{NOON_S}123456", NOON_S * 10**9 + 123_456_000),
        (f"{NOON_S}123456789", NOON_S * 10**9 + 123_456_789),
        (f"{NOON_S}.25", NOON_S * 10**9 + 250_000_000),
        (f"{NOON_S}000.0", NOON_S * 10**9),
        ("2024-01-02T12:00:00Z", NOON_S * 10**9),
        ("2024-01-02 12:00", NOON_S * 10**9),
        ("2024-01-02 07:00:00-05:00", NOON_S * 10**9),
        ("2024-01-02T17:30:00.123456789+0530", NOON_S * 10**9 + 123_456_789),
        ("2024/1/2 12:00:00 UTC", NOON_S * 10**9),
        ("2024.01.02 12:00", NOON_S * 10**9),
        ("02.01.2024 12:00:00.000", NOON_S * 10**9),
        ("02.01.2024 14:00:00.000 GMT+0200", NOON_S * 10**9),
        ("20240102 120000", NOON_S * 10**9),
        ("20240102", (NOON_S - 43_200) * 10**9),
        ("2024-01-02", (NOON_S - 43_200) * 10**9),
        ("1950-01-03", -630_979_200 * 10**9),
    ],
)
def test_each_way_to_write_a_time_is_the_same_moment(tmp_path, text, nanoseconds):
    assert first_time(tmp_path, text) == nanoseconds


def test_milliseconds_that_become_microseconds_within_a_file_go_on(tmp_path):
    assert first_time(tmp_path, "1735689540000", "1735689600000000") == 1_735_689_540 * 10**9


@pytest.mark.parametrize(
    ("first", "second"), [("01/02/2024", "01/13/2024"), ("02/01/2024", "13/01/2024")]
)
def test_one_number_above_twelve_tells_day_from_month(tmp_path, first, second):
    assert first_time(tmp_path, first, second) == (NOON_S - 43_200) * 10**9


@pytest.mark.provokes("dataset-time")
def test_dates_that_could_be_either_day_or_month_first_are_refused(tmp_path):
    with pytest.raises(DatasetTimeError, match="day/month or month/day"):
        first_time(tmp_path, "01/02/2024", "01/03/2024")


@pytest.mark.provokes("dataset-time")
@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "2024-02-30",
        "2024-01-02 25:00",
        "17",
        "nan",
        "9999-01-01",
        "1e300",
        "99999999999999999999",
        "-5",
    ],
)
def test_a_time_that_is_none_is_refused_with_its_row(tmp_path, text):
    with pytest.raises(DatasetTimeError, match=r"row 2: the time .* cannot be read") as caught:
        first_time(tmp_path, "2024-01-01" if not text.isdigit() else "1700000000", text)
    assert caught.value.context["row"] == 2
    assert caught.value.context["column"] == "time"


@pytest.mark.provokes("dataset-time")
@pytest.mark.parametrize(
    ("kind", "times", "row"),
    [
        ("close", ["2024-01-01", "2024-01-02", "2024-01-02"], 3),
        ("close", ["2024-01-03", "2024-01-01", "2024-01-02"], 2),
        ("price", ["2024-01-01", "2024-01-01", "2023-12-31"], 3),
    ],
)
def test_times_that_repeat_in_bars_or_go_back_are_refused_with_their_row(
    tmp_path, kind, times, row
):
    path = tmp_path / "t.csv"
    path.write_text(f"time,{kind}\n" + "".join(f"{time},1\n" for time in times), encoding="utf-8")
    with pytest.raises(DatasetTimeError) as caught:
        open_dataset(f"file:{path}")
    assert caught.value.context["row"] == row


def test_a_file_with_the_newest_rows_first_is_told_to_be_sorted(tmp_path):
    with pytest.raises(DatasetTimeError) as caught:
        first_time(tmp_path, "2024-01-03", "2024-01-02", "2024-01-01")
    assert "newest first" in caught.value.why
    assert "oldest first" in caught.value.next_step


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_parquet_times_are_read_as_moments_whatever_their_unit_and_zone(tmp_path, unit, zone):
    moment = dt.datetime(2024, 1, 2, 12, tzinfo=dt.UTC)
    times = pl.Series([moment]).dt.cast_time_unit(unit)
    times = times.dt.convert_time_zone(zone) if zone else times.dt.replace_time_zone(None)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"time": times, "close": [1.0]}).write_parquet(path)
    assert open_dataset(f"file:{path}").first_event_time_ns == NOON_S * 10**9


def test_parquet_dates_are_midnight_utc(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"date": [dt.date(2024, 1, 2)], "close": [1.0]}).write_parquet(path)
    assert open_dataset(f"file:{path}").first_event_time_ns == (NOON_S - 43_200) * 10**9
