"""Faults of the data: each event of an environment happens, is counted, and does no harm."""

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.rl.data_events import DATA_EVENTS, DataEvents
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.telemetry import exposition, open_telemetry

FLAT = np.zeros(10, np.float32)
LONG = np.ones(10, np.float32)
ROW = 70


def played(chains, options, action, steps=5):
    """Play from row 68 alone and as two of many; return both, the first's steps, and events."""
    alone = TradingEnvironment(chains, options)
    many = TradingVecEnv(chains, options, 2, random_start=False)
    alone.reset(options={"start": 68})
    many.start_at(np.array([68, 68]), options.episode_steps)
    taken = []
    for _ in range(steps):
        step = alone.step(action)
        seen, rewards, ended, infos = many.step(np.stack([action, action]))
        taken.append(step)
        over = step[2] or step[3]
        last = infos[0]["terminal_observation"] if over else seen[0]
        np.testing.assert_array_equal(last, step[0])
        assert rewards.tolist() == [np.float32(step[1])] * 2
        assert ended.tolist() == [over] * 2
        assert np.isfinite(step[0]).all()
        assert np.isfinite(step[1])
        if over:
            break
    assert many.events == {event: 2 * count for event, count in alone.events.items()}
    return alone.events, taken


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan])
@pytest.mark.parametrize("where", [("spot", ROW), ("strike", (ROW, 3))])
def test_prices_and_strikes_that_are_not_positive_are_replaced(options, spoiled, put, bad, where):
    column, place = where
    events, _ = played(spoiled(**{column: put(place, bad)}), options, FLAT)
    assert events["trading_env_non_positive_price_or_strike"] == 1


def test_a_mid_that_is_not_positive_is_replaced_in_a_step(options, spoiled, put):
    events, _ = played(spoiled(mid=put((ROW, 3), 0.0)), options, FLAT)
    assert events == {"trading_env_step_non_positive_prices": 1}


def test_a_held_option_without_a_price_is_told_of_beside(options, spoiled, put):
    events, taken = played(spoiled(mid=put((ROW, 3), -1.0)), options, LONG)
    assert events["trading_env_step_non_positive_prices"] == 1
    assert events["trading_env_portfolio_non_positive_prices"] == 1
    assert taken[1][4]["equity"] < taken[0][4]["equity"] < taken[2][4]["equity"] + 10_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_zero_in_the_observation(options, spoiled, put, bad):
    chains = spoiled(at_the_money_volatility=put(ROW, bad))
    events, taken = played(chains, options, FLAT)
    assert events["trading_env_obs_nan_or_inf"] >= 1
    assert taken[1][0][-1, 95] == 0


def test_a_window_that_begins_after_a_fault_tells_of_it(options, spoiled, put):
    events, _ = played(spoiled(spot=put(60, 0.0)), options, FLAT, steps=1)
    assert events == {"trading_env_non_positive_price_or_strike": 1}


def test_equity_of_zero_before_gives_the_worst_reward(chains, options):
    environment = TradingEnvironment(chains, options)
    environment.reset()
    environment.account.cash = environment.account.equity = 0.0
    _, reward, terminated, *_ = environment.step(FLAT)
    assert reward == -100
    assert terminated
    assert environment.events == {"trading_env_reward_div_by_zero": 1}


def test_equity_of_zero_before_gives_the_worst_reward_of_many(chains, options):
    many = TradingVecEnv(chains, options, 3)
    many.reset()
    state = many.state()
    state["cash"][1] = state["equity"][1] = 0.0
    many.restore(state)
    _, rewards, ended, _ = many.step(np.zeros((3, 10), np.float32))
    assert rewards.tolist() == [0.0, -100.0, 0.0]
    assert ended.tolist() == [False, True, False]
    assert many.events == {"trading_env_reward_div_by_zero": 1}


def test_recent_values_that_are_not_positive_count_as_a_volatility_of_one(options, spoiled, put):
    poor = options.model_copy(update={"initial_balance": 50_000.0})
    short_squeeze = spoiled(mid=put(slice(ROW, None), 300.0))
    events, taken = played(short_squeeze, poor, -LONG)
    assert events == {"trading_env_reward_non_positive_recent_values": 1}
    equity = [step[4]["equity"] for step in taken]
    assert equity[-1] < 0
    drawdown = 1 - equity[-1] / 50_000
    expected = equity[-1] / equity[-2] - 1 - 0.5 - 0.1 * (drawdown - 0.1)
    assert taken[-1][1] == pytest.approx(expected, rel=1e-3)
    assert taken[-1][2]


def test_returns_that_are_not_finite_count_as_a_volatility_of_one(options, spoiled, put):
    endless = spoiled(mid=put(ROW, 1e307))
    events, taken = played(endless, options, LONG)
    assert events["trading_env_reward_returns_nan_or_inf"] == 4  # it stays among the last 20
    assert taken[1][1] == -0.5
    # The next return is of an infinite value: all is lost.
    assert taken[2][1] <= -1


def test_a_balance_below_minus_a_thousand_million_ends_the_episode(options, spoiled, put):
    events, taken = played(spoiled(mid=put(slice(ROW, None), 1e6)), options, -LONG)
    assert events == {"trading_env_balance_catastrophic_negative": 1}
    _, reward, terminated, _, info = taken[-1]
    assert info["equity"] < -1e9
    assert reward == -100
    assert terminated


def test_equity_that_is_no_number_ends_the_episode_as_well(options, spoiled, put):
    events, taken = played(spoiled(mid=put(69, 1e307)), options, LONG)
    assert events["trading_env_balance_catastrophic_negative"] == 1
    assert taken[-1][1:3] == (-100, True)


def test_a_settlement_or_spread_that_is_no_number_counts_as_nothing(options, spoiled, put):
    chains = spoiled(half_spread=put((ROW, 2), np.nan), settlement=put((90, 2), np.inf))
    environment = TradingEnvironment(chains, options)
    environment.reset(options={"start": 68})
    for _ in range(25):
        *_, info = environment.step(LONG)
        assert np.isfinite(info["equity"])
    assert environment.events["trading_env_step_non_positive_prices"] == 2


def test_a_warning_comes_at_once_and_then_once_an_interval_with_what_it_held_back(caplog):
    clock = ManualClock()
    events = DataEvents(clock, interval_s=60)
    event = DATA_EVENTS[0]
    for _ in range(5):
        events.note(event, 2, row=7)
        clock.advance(20)
    events.note(event)
    events.note(DATA_EVENTS[1])
    events.close()
    events.close()
    lines = [(one.msg["event"], one.msg["suppressed"]) for one in caplog.records]
    assert lines == [(event, 0), (event, 4), (DATA_EVENTS[1], 0), (event, 3)]
    assert caplog.records[0].msg["row"] == 7
    assert caplog.records[0].msg["channel"] == "trading"
    assert caplog.records[0].msg["component"] == "rl.environment"
    assert events.counts == {event: 11, DATA_EVENTS[1]: 1}


def test_faults_are_counted_in_the_metrics(options, spoiled, put):
    telemetry = open_telemetry(TelemetrySettings())
    chains = spoiled(spot=put(ROW, 0.0))
    environment = TradingEnvironment(chains, options, telemetry=telemetry)
    environment.reset(options={"start": 69})
    environment.step(FLAT)
    environment.close()
    line = b'trading_env_data_faults_total{event="trading_env_non_positive_price_or_strike"} 1.0'
    assert line in exposition(telemetry.registry)
