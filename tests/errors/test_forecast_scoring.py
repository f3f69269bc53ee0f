"""Scores of probabilities, their doubt, and the replay of the past."""

import math

import numpy as np
import pytest

from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.rolling import (
    Replay,
    Windows,
    base_rate,
    rolling_origin,
    score,
)
from alchemiser_cli.errors.forecast.scoring import (
    brier,
    calibration,
    calibration_error,
    log_loss,
    mean_interval,
)

START = 28_000_000


def test_scores_are_those_of_the_papers():
    forecast, happened = np.array([0.8, 0.8, 0.0]), np.array([True, False, False])
    assert brier(forecast, happened) == pytest.approx([0.04, 0.64, 0.0])
    assert log_loss(forecast, happened) == pytest.approx([-math.log(0.8), -math.log(0.2), 0.0])


def test_a_certainty_that_was_wrong_costs_much_and_not_infinitely():
    assert log_loss(np.array([0.0]), np.array([True])) == pytest.approx([-math.log(1e-6)])


def test_calibration_compares_forecast_and_frequency_in_bins():
    forecast = np.array([0.05, 0.05, 0.95, 1.0])
    happened = np.array([False, True, True, True])
    low, high = calibration(forecast, happened)
    assert (low.low, low.high, low.count, low.frequency) == (0.0, 0.1, 2, 0.5)
    assert (high.low, high.count, high.mean_forecast) == (0.9, 2, pytest.approx(0.975))
    assert calibration_error([low, high]) == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)


def test_an_interval_is_about_the_mean_and_the_same_each_time():
    values = np.random.default_rng(5).normal(0.3, 1.0, 900)
    found = mean_interval(values, block=24)
    assert found == mean_interval(values, block=24)
    assert found.low < found.mean < found.high
    assert found.high - found.low == pytest.approx(2 * 2.58 / 30, rel=0.35)


def test_an_interval_knows_that_neighbours_are_alike():
    """A hundred values that each come ten times tell no more than the hundred."""
    values = np.random.default_rng(5).normal(0.0, 1.0, 100)
    single, tenfold = mean_interval(values, block=1), mean_interval(np.repeat(values, 10), block=40)
    assert tenfold.high - tenfold.low > 0.7 * (single.high - single.low)


def test_the_base_rate_is_laplaces_of_the_windows_before():
    occupied = np.array([1, 2, 7])
    assert base_rate(occupied, np.array([0, 1, 3, 8])) == pytest.approx([1 / 2, 1 / 3, 3 / 5, 0.4])


def test_windows_are_whole_and_the_first_quarter_is_only_learned_from():
    windows = Windows(START, START + 60 * 100 + 59, 60)
    assert windows.count == 100
    assert windows.scored.tolist() == list(range(25, 100))
    assert len(Windows(START, START + 100_000, 1).scored) == 5_000
    events = START + np.array([-1, 0, 59, 60, 6_000, 6_050])
    assert windows.occupied(events).tolist() == [0, 1]
    assert Windows(START, START - 5, 60).count == 0


def test_no_forecast_knows_what_comes_after_its_origin():
    """What happens from some window on changes no forecast up to that window."""
    random = np.random.default_rng(7)
    minutes = np.unique(START + random.integers(200 * 60, size=300))
    windows = Windows(START, START + 200 * 60, 60)
    cut = START + 150 * 60
    whole = rolling_origin(History(minutes, START), windows)
    before = rolling_origin(History(minutes[minutes < cut], START), windows)
    known = windows.scored <= 150
    assert whole.forecast[known].tolist() == before.forecast[known].tolist()
    assert whole.base[known].tolist() == before.base[known].tolist()
    assert whole.forecast[~known].tolist() != before.forecast[~known].tolist()


def test_forecasts_like_the_base_rate_have_no_skill_and_better_ones_have():
    random = np.random.default_rng(2)
    happened = random.uniform(size=600) < np.tile([0.1, 0.6], 300)
    base = np.full(600, 0.35)
    same = score([Replay(base, base, happened)], block=24)
    assert same.skill.mean == 0
    assert not same.significant
    known = score([Replay(np.tile([0.1, 0.6], 300), base, happened)], block=24)
    assert known.significant
    assert known.skill.mean == pytest.approx(1 - known.log_loss / known.base_log_loss)
    worse = score([Replay(np.tile([0.6, 0.1], 300), base, happened)], block=24)
    assert worse.skill.high < 0


def test_pooled_scores_are_of_all_codes_together():
    happened = np.arange(100) % 2 == 0
    even, odd = (
        Replay(*[np.full(100, 0.5)] * 2, happened),
        Replay(*[np.full(100, 0.4)] * 2, happened),
    )
    both = score([even, odd], block=24)
    assert (both.origins, both.happened) == (100, 100)
    assert both.brier == pytest.approx((0.25 + (0.36 + 0.16) / 2) / 2)
