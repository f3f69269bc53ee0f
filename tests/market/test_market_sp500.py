"""The S&P 500 as shipped by arch: real closes, real VIX, and no look ahead."""

import datetime as dt
import importlib.util
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alchemiser_cli.errors import DatasetNotFoundError, ExtraMissingError, UsageError
from alchemiser_cli.market import open_dataset

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def sp500():
    return open_dataset("sp500")


def on(dataset, year, month, day):
    wanted = dt.date(year, month, day)
    [tick] = [
        tick
        for tick in dataset
        if dt.datetime.fromtimestamp(tick.event_time_ns / 1e9, NEW_YORK).date() == wanted
    ]
    return tick


def test_it_holds_every_session_from_1999_to_2018(sp500):
    assert sp500.rows == len(sp500) == len(list(sp500)) == 5_031
    assert sp500.kind == "bar"
    assert sp500.symbols == ("SPX",)
    assert sp500.first_event_time_ns == 915_483_600_000_000_000  # 1999-01-04T21:00Z
    assert sp500.last_event_time_ns == 1_546_290_000_000_000_000  # 2018-12-31T21:00Z


def test_every_bar_is_stamped_with_the_close_in_new_york_in_winter_and_summer(sp500):
    closes = {
        dt.datetime.fromtimestamp(tick.event_time_ns / 1e9, NEW_YORK).time() for tick in sp500
    }
    assert closes == {dt.time(16, 0)}


def test_a_known_day_reads_as_published(sp500):
    tick = on(sp500, 2008, 9, 29)  # the day the House rejected the bail-out: -8.8 percent
    assert tick.price == pytest.approx(1106.42, abs=0.04)
    assert tick.venue == "arch.sp500"
    assert tick.low <= tick.price <= tick.high
    assert tick.size > 1e9


def test_implied_volatility_is_the_vix_as_a_fraction_where_there_is_one(sp500):
    assert on(sp500, 2018, 12, 24).implied_volatility == pytest.approx(0.3607)
    assert on(sp500, 2018, 12, 31).implied_volatility == pytest.approx(0.2542)


def test_every_tick_has_a_plausible_volatility(sp500):
    volatility = sp500.columns.implied_volatility
    assert np.all((volatility > 0.04) & (volatility < 1.2))


def test_the_description_counts_where_each_volatility_comes_from(sp500):
    assert "VIX on 1,257 sessions" in sp500.description
    assert "3,774 without one" in sp500.description


def test_provenance_names_the_package_and_the_bytes(sp500):
    assert sp500.provenance.package == "arch"
    assert sp500.provenance.version == importlib.metadata.version("arch")
    index, vix = sp500.provenance.files
    assert (index.path, vix.path) == ("arch/data/sp500/sp500.csv.gz", "arch/data/vix/vix.csv.gz")
    assert len(index.sha256) == len(vix.sha256) == 64


@pytest.mark.provokes("extra-missing")
def test_without_arch_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ExtraMissingError) as caught:
        open_dataset("sp500")
    assert "pip install 'alchemiser[data]'" in caught.value.next_step


def test_its_columns_cannot_be_mapped():
    with pytest.raises(UsageError):
        open_dataset("sp500", columns={"price": "Close"})


def test_another_symbol_is_not_found_and_the_right_one_named():
    with pytest.raises(DatasetNotFoundError, match="no symbol 'SPY'") as caught:
        open_dataset("sp500", symbol="SPY")
    assert "SPX" in caught.value.next_step


def test_start_is_kept_and_end_is_not():
    whole = open_dataset("sp500")
    times = whole.columns.event_time_ns
    part = open_dataset("sp500", start_ns=int(times[100]), end_ns=int(times[110]))
    assert part.columns.event_time_ns.tolist() == times[100:110].tolist()
    assert [tick.sequence for tick in part] == list(range(1, 11))


def test_a_limit_keeps_the_first_ticks():
    part = open_dataset("sp500", limit=3)
    assert [tick.sequence for tick in part] == [1, 2, 3]
    assert part.last_event_time_ns == int(open_dataset("sp500").columns.event_time_ns[2])


def test_a_limit_of_nothing_is_a_usage_error():
    with pytest.raises(UsageError):
        open_dataset("sp500", limit=0)


@pytest.mark.parametrize(
    "bounds", [{"start_ns": 2_000_000_000 * 10**9}, {"end_ns": 0}, {"start_ns": 10, "end_ns": 5}]
)
def test_a_span_without_ticks_is_not_found_and_the_covered_span_named(bounds):
    with pytest.raises(DatasetNotFoundError, match="no tick from") as caught:
        open_dataset("sp500", **bounds)
    assert "1999-01-04T21:00:00" in caught.value.why


def test_the_columns_cannot_be_written(sp500):
    with pytest.raises(ValueError, match="read-only"):
        sp500.columns.price[0] = 1.0
