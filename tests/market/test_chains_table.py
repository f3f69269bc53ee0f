"""Chains over a history: rolls, settlement, nothing from the future, and bad data."""

import dataclasses
import datetime as dt
import warnings
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import ns_from_datetime
from alchemiser_cli.market.chains import ChainBook, ChainTable, chain_table
from alchemiser_cli.market.pricing import implied_volatility
from alchemiser_cli.settings import OptionsSettings

OPTIONS = OptionsSettings()
NEW_YORK = ZoneInfo("America/New_York")
FIELDS = [field.name for field in dataclasses.fields(ChainTable)]


def history(rows=300, *, step=dt.timedelta(days=1), start=(2015, 1, 5, 16), seed=1):
    generator = np.random.default_rng(seed)
    first = dt.datetime(*start, tzinfo=NEW_YORK)
    times = np.array([ns_from_datetime(first + step * i) for i in range(rows)])
    spot = 2000 * np.exp(np.cumsum(0.01 * generator.standard_normal(rows)))
    volatility = 0.2 * np.exp(0.3 * generator.standard_normal(rows))
    return [times, spot, spot * 1.01, spot * 0.99, volatility]


def test_calls_come_first_then_puts_on_the_same_five_strikes():
    table = chain_table(*history(), OPTIONS)
    assert table.is_call[:, :5].all()
    assert not table.is_call[:, 5:].any()
    np.testing.assert_array_equal(table.strike[:, :5], table.strike[:, 5:])


def test_mid_prices_carry_their_implied_volatility():
    table = chain_table(*history(), OPTIONS)
    found = implied_volatility(
        table.mid,
        table.spot[:, None],
        table.strike,
        table.time_to_expiry[:, None],
        OPTIONS.risk_free_rate,
        OPTIONS.dividend_yield,
        table.is_call,
    )
    telling = table.greeks[:, :, 2] > 1
    np.testing.assert_allclose(found[telling], table.implied_volatility[telling], rtol=1e-6)


def test_it_rolls_at_the_close_of_the_third_friday_and_settles_at_intrinsic_value():
    times, spot, *_ = market = history()
    table = chain_table(*market, OPTIONS)
    row = int(np.flatnonzero(table.rolled)[0])
    assert times[row] == ns_from_datetime(dt.datetime(2015, 2, 20, 16, tzinfo=NEW_YORK))
    before = table.strike[row - 1, :5]
    np.testing.assert_array_equal(table.settlement[row, :5], np.maximum(spot[row] - before, 0))
    np.testing.assert_array_equal(table.settlement[row, 5:], np.maximum(before - spot[row], 0))
    assert table.strike[row, 2] == pytest.approx(spot[row], rel=0.0026)
    assert not table.settlement[~table.rolled].any()


def test_the_first_row_lists_and_does_not_roll():
    table = chain_table(*history(1), OPTIONS)
    assert len(table) == 1
    assert not table.rolled[0]


@pytest.mark.parametrize(
    "step",
    [dt.timedelta(days=1), dt.timedelta(minutes=5), dt.timedelta(days=365), dt.timedelta(0)],
    ids=["daily", "intraday", "yearly", "one time"],
)
def test_time_to_expiry_is_above_zero_and_below_eight_weeks(step):
    table = chain_table(*history(100, step=step), OPTIONS)
    assert (table.time_to_expiry > 0).all()
    assert (table.time_to_expiry < 56 / 365).all()
    assert np.isfinite(table.mid).all()
    assert table.rolled.sum() == {1: 2, 365: 99}.get(step.days, 0)


def test_a_gap_over_several_expiries_settles_the_old_chain_once():
    market = history(90)
    market[0][50:] += 200 * 86_400 * 10**9
    table = chain_table(*market, OPTIONS)
    assert table.rolled[50]
    expected = np.maximum(market[1][50] - table.strike[49, :5], 0)
    np.testing.assert_array_equal(table.settlement[50, :5], expected)


def test_the_past_stays_as_it_is_when_the_future_is_altered():
    market, altered = history(), history()
    for column, other in zip(altered[1:], history(seed=2)[1:], strict=True):
        column[150:] = other[150:]
    one, two = (chain_table(*columns, OPTIONS) for columns in (market, altered))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name)[:150], getattr(two, name)[:150])
    assert (one.mid[150:] != two.mid[150:]).any()


def in_steps(market):
    book = ChainBook(OPTIONS)
    return ChainTable.of(
        [book.add(*row) for row in zip(*(c.tolist() for c in market), strict=True)]
    )


def equal(one, two):
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(one, name), getattr(two, name), rtol=1e-12, atol=1e-300, err_msg=name
        )


def test_a_step_at_a_time_gives_the_rows_of_the_table():
    market = history(150)
    equal(in_steps(market), chain_table(*market, OPTIONS))


steps = st.lists(
    st.tuples(st.sampled_from([0, 60, 86_400, 40 * 86_400, 800 * 86_400]), st.floats(-0.3, 0.3)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(steps)
def test_whatever_the_gaps_and_returns_parity_holds_and_steps_equal_rows(moves):
    seconds, returns = (np.array(column) for column in zip(*moves, strict=True))
    times = np.cumsum(seconds) * 10**9 + 10**18
    spot = 100 * np.exp(np.cumsum(returns))
    market = [times, spot, spot, spot, 0.1 + np.abs(returns)]
    table = chain_table(*market, OPTIONS)
    assert (table.time_to_expiry > 0).all()
    held = np.exp(-OPTIONS.dividend_yield * table.time_to_expiry) * spot
    owed = np.exp(-OPTIONS.risk_free_rate * table.time_to_expiry)[:, None] * table.strike[:, :5]
    parity = table.mid[:, :5] - table.mid[:, 5:] - held[:, None] + owed
    assert np.abs(parity).max() < 1e-11 * spot.max()
    equal(in_steps(market), table)


def test_a_history_without_rows_is_a_table_without_rows():
    assert len(chain_table(*(column[:0] for column in history()), OPTIONS)) == 0


def test_a_book_without_a_price_has_nothing_listed():
    with pytest.raises(LookupError):
        _ = ChainBook(OPTIONS).listing


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan, np.inf])
def test_bad_prices_and_volatilities_stay_in_the_table_and_do_not_spread(bad):
    market = history(120)
    listing = int(np.flatnonzero(chain_table(*market, OPTIONS).rolled)[0])
    for row in (0, 10, listing):
        market[1][row] = bad
    market[4][20] = bad
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        table = chain_table(*market, OPTIONS)
    np.testing.assert_array_equal(table.spot[[0, 10, listing]], bad)
    assert table.at_the_money_volatility[20] == pytest.approx(bad, nan_ok=True)
    for name in ("mid", "half_spread", "greeks", "settlement", "strike", "implied_volatility"):
        assert np.isfinite(getattr(table, name)).all(), name
    assert table.strike[listing, 2] == pytest.approx(market[1][listing - 1], rel=0.003)
    equal(in_steps(market), table)


def test_a_table_cannot_be_written_and_leaves_what_it_was_made_of_writable():
    market = history(10)
    table = chain_table(*market, OPTIONS)
    with pytest.raises(ValueError, match="read-only"):
        table.mid[0] = 1
    market[1][0] = 1
    assert table.spot[0] != 1
