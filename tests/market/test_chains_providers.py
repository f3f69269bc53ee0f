"""Chains by name: the S&P 500, files, the generated market, and what cannot give chains."""

import datetime as dt
import subprocess
import sys

import numpy as np
import pytest

from alchemiser_cli.errors import ChainDataError, DatasetNotFoundError, UsageError
from alchemiser_cli.market.chains import open_chains, realised_over_time
from alchemiser_cli.settings import OptionsSettings

OPTIONS = OptionsSettings()


def write(path, closes, *, symbols=("X",), extra=""):
    rows = ["date,symbol,close" + (",implied_volatility" if extra else "")]
    for day, close in enumerate(closes):
        date = dt.date(2020, 1, 1) + dt.timedelta(days=day)
        rows += [f"{date},{symbol},{close}{extra}" for symbol in symbols]
    path.write_text("\n".join(rows) + "\n")
    return f"file:{path}"


def walk(rows, seed=1):
    return 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(rows)))


def test_the_sp500_has_a_chain_each_session_for_twenty_years():
    chains = open_chains("sp500", OPTIONS)
    table = chains.table()
    assert len(chains) == len(table) == 5_031
    assert table.rolled.sum() == 239
    assert np.isfinite(table.mid).all()
    assert (table.high >= table.low).all()
    assert chains.latest().spot == pytest.approx(2506.85)
    assert not chains.endless


def test_a_span_and_a_limit_narrow_it():
    start = 1_262_304_000 * 10**9  # 2010
    chains = open_chains("sp500", OPTIONS, start_ns=start, limit=100)
    assert len(chains) == 100
    assert chains.at(0).event_time_ns > start


def test_a_file_with_implied_volatility_is_priced_with_it(tmp_path):
    table = open_chains(write(tmp_path / "x.csv", walk(90), extra=",0.3"), OPTIONS).table()
    np.testing.assert_array_equal(table.at_the_money_volatility, 0.3)
    np.testing.assert_array_equal(table.high, table.spot)


def test_a_file_without_one_is_priced_with_realised_volatility(tmp_path):
    table = open_chains(write(tmp_path / "x.csv", walk(400)), OPTIONS).table()
    quoted = table.at_the_money_volatility
    assert quoted[100:].mean() == pytest.approx(0.01 * np.sqrt(365), rel=0.1)
    np.testing.assert_array_equal(quoted, realised_over_time(table.event_time_ns, table.spot))


@pytest.mark.parametrize("seconds", [60, 86_400, 86_400 * 7])
def test_realised_volatility_is_annual_whatever_the_time_between_prices(seconds):
    rows, year_s = 3_000, 365 * 86_400
    generator = np.random.default_rng(1)
    steps = 0.25 * np.sqrt(seconds / year_s) * generator.standard_normal(rows)
    times = np.arange(rows) * seconds * 10**9
    volatility = realised_over_time(times, 100 * np.exp(np.cumsum(steps)))
    assert np.sqrt(np.mean(volatility[500:] ** 2)) == pytest.approx(0.25, rel=0.1)
    assert volatility[0] == pytest.approx(0.2)


def test_realised_volatility_passes_over_what_is_no_price_and_stays_within_its_bounds():
    times = np.arange(6) * 10**9
    volatility = realised_over_time(times, np.array([1, 0, np.nan, 1e9, 1e-9, 1e9]))
    assert (volatility[:3] == volatility[0]).all()
    assert (volatility[3:] == 5.0).all()
    flat = realised_over_time(np.arange(500) * 86_400 * 10**9, np.ones(500))
    assert flat[-1] == pytest.approx(0.01)


@pytest.mark.provokes("chain-data-insufficient")
def test_several_instruments_are_named_and_one_can_be_chosen(tmp_path):
    name = write(tmp_path / "x.csv", walk(100), symbols=("AAA", "BBB"))
    with pytest.raises(ChainDataError, match=r"2 instruments: AAA .*, BBB") as caught:
        open_chains(name, OPTIONS)
    assert "--symbol AAA" in caught.value.next_step
    assert len(open_chains(name, OPTIONS, symbol="BBB")) == 100


@pytest.mark.provokes("chain-data-insufficient")
def test_fewer_than_eighty_rows_are_refused(tmp_path):
    with pytest.raises(ChainDataError, match="79 rows; chains need 80"):
        open_chains(write(tmp_path / "x.csv", walk(79)), OPTIONS)
    assert len(open_chains(write(tmp_path / "x.csv", walk(80)), OPTIONS)) == 80


@pytest.mark.provokes("chain-data-insufficient")
def test_prices_that_never_move_have_no_volatility(tmp_path):
    with pytest.raises(ChainDataError, match="no volatility"):
        open_chains(write(tmp_path / "x.csv", np.full(100, 5.0)), OPTIONS)
    assert len(open_chains(write(tmp_path / "x.csv", np.full(100, 5.0), extra=",0.2"), OPTIONS))


def test_the_generated_market_goes_by_its_seed():
    one, two = open_chains("heston", OPTIONS, limit=100), open_chains("heston:4", OPTIONS, limit=90)
    assert (len(one), len(two)) == (100, 90)
    assert one.at(0).spot == open_chains("heston:0", OPTIONS, limit=80).at(0).spot
    assert one.at(0).spot != two.at(0).spot


@pytest.mark.parametrize("seed", ["abc", "-1", "1.5", "²"])
def test_a_seed_that_is_no_number_is_refused(seed):
    with pytest.raises(UsageError, match="is not a seed"):
        open_chains(f"heston:{seed}", OPTIONS)


@pytest.mark.parametrize("chosen", [{"symbol": "X"}, {"start_ns": 1}, {"columns": {"time": "t"}}])
def test_choices_that_a_generated_market_does_not_have_are_refused(chosen):
    with pytest.raises(UsageError, match="generated market heston has no"):
        open_chains("heston", OPTIONS, **chosen)


def test_a_generated_market_that_is_too_short_is_refused():
    with pytest.raises(UsageError, match="79 rows"):
        open_chains("heston", OPTIONS, limit=79)


def test_an_unknown_name_is_not_found():
    with pytest.raises(DatasetNotFoundError, match="hestn") as caught:
        open_chains("hestn", OPTIONS)
    assert "Did you mean heston" in caught.value.next_step


def test_a_files_path_without_its_prefix_is_recognised(tmp_path):
    write(tmp_path / "x.csv", walk(80))
    with pytest.raises(DatasetNotFoundError) as caught:
        open_chains(str(tmp_path / "x.csv"), OPTIONS)
    assert f"file:{tmp_path / 'x.csv'}" in caught.value.next_step


def test_steps_go_from_zero_to_the_last():
    chains = open_chains("heston", OPTIONS, limit=80)
    assert chains.at(79).event_time_ns == chains.latest().event_time_ns
    for step in (-1, 80):
        with pytest.raises(IndexError, match="from 0 to 79"):
            chains.at(step)


def test_importing_chains_loads_neither_polars_nor_a_learning_library():
    code = "import sys, alchemiser_cli.market.chains, alchemiser_cli.market.indicators"
    script = f"{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"polars", "scipy", "torch", "gymnasium"}.intersection(run.stdout.split())
