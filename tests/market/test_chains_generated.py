"""The generated market: reproducible, consistent, and of the moments that its parameters say."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alchemiser_cli.market.chains import BatesParameters, GeneratedChains, generate_market
from alchemiser_cli.settings import OptionsSettings

PLAIN = BatesParameters(
    volatility_of_variance=0, jumps=0, initial_variance=0.04, mean_variance=0.04
)


def test_one_seed_is_one_market_and_another_seed_another():
    one, same, other = (generate_market(500, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert (one.close != other.close).any()


def test_a_longer_market_begins_with_the_shorter_one():
    short, long = generate_market(300, 7), generate_market(500, 7)
    np.testing.assert_array_equal(short, np.array(long)[:, :300])


@pytest.mark.parametrize("seed", range(5))
def test_highs_and_lows_hold_both_closes_of_a_day(seed):
    close, high, low, volatility = generate_market(2_000, seed)
    before = np.concatenate([[1_000.0], close[:-1]])
    assert (high >= np.maximum(close, before)).all()
    assert (low <= np.minimum(close, before)).all()
    assert (low > 0).all()
    assert (volatility > 0).all()


def test_without_jumps_and_noise_in_variance_it_is_black_and_scholes_market():
    close, high, low, volatility = generate_market(50_000, 1, PLAIN)
    returns = np.diff(np.log(close))
    assert returns.std() * np.sqrt(252) == pytest.approx(0.2, rel=0.02)
    assert returns.mean() * 252 == pytest.approx(0.06 - 0.02, abs=0.03)
    np.testing.assert_allclose(volatility, 0.2)
    parkinson = np.log(high / low) ** 2 / (4 * np.log(2))  # the bridge's range tells the same
    assert np.sqrt(parkinson.mean() * 252) == pytest.approx(0.2, rel=0.05)


def test_jumps_come_as_often_and_as_large_as_the_parameters_say():
    model = BatesParameters(
        initial_variance=0, mean_variance=0, jumps=5, jump_mean=-0.05, jump_deviation=0.01
    )
    returns = np.diff(np.log(generate_market(50_000, 1, model).close))
    jumped = returns < -0.01
    assert jumped.mean() * 252 == pytest.approx(5, rel=0.1)
    assert returns[jumped].mean() == pytest.approx(-0.05, abs=0.003)


def test_prices_and_variance_move_against_one_another():
    close, _, _, volatility = generate_market(5_000, 1, BatesParameters(jumps=0))
    together = np.corrcoef(np.diff(np.log(close)), np.diff(volatility))[0, 1]
    assert together == pytest.approx(-0.7, abs=0.1)


def test_a_variance_that_hits_zero_stays_defined():
    wild = BatesParameters(initial_variance=0.001, mean_variance=0.01, volatility_of_variance=3)
    assert np.isfinite(np.array(generate_market(5_000, 1, wild))).all()


@pytest.mark.parametrize(
    "wrong", [{"initial_price": 0}, {"mean_variance": -1}, {"correlation": 1.1}, {"jumps": -1}]
)
def test_parameters_without_a_model_are_refused(wrong):
    with pytest.raises(ValueError, match="not negative"):
        BatesParameters(**wrong)


def test_generated_chains_step_on_weekdays_at_new_yorks_close():
    chains = GeneratedChains(OptionsSettings(), steps=300, seed=3)
    moments = [
        dt.datetime.fromtimestamp(at // 10**9, ZoneInfo("America/New_York"))
        for at in chains.table().event_time_ns.tolist()
    ]
    assert {moment.hour for moment in moments} == {16}
    assert {moment.weekday() for moment in moments} == {0, 1, 2, 3, 4}
    assert len(chains) == len(set(moments)) == 300
    assert chains.table().rolled.sum() == 13  # February 2000 to February 2001
    assert chains.name == "heston:3"
