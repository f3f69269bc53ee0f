"""The intensity behind a forecast: season, recency and self-excitation, and how it is fitted."""

import math

import numpy as np
import pytest

from alchemiser_cli.errors.forecast.excitation import DECAYS, RECENCY, History
from alchemiser_cli.errors.forecast.intensity import FEWEST_FITTED, Intensity, fit_intensity
from alchemiser_cli.errors.forecast.season import (
    CELLS,
    cells,
    exposure,
    pooled_profile,
    profile_sum,
)

MONDAY = (1_699_833_600) // 60  # 2023-11-13T00:00Z
DAY, WEEK = 1_440, 10_080


def test_a_cell_is_the_hour_and_whether_it_is_weekend():
    assert cells(np.array([MONDAY, MONDAY + 13 * 60 + 59])).tolist() == [0, 13]
    saturday, next_monday = MONDAY + 5 * DAY, MONDAY + 7 * DAY
    assert cells(np.array([saturday - 1, saturday, next_monday - 1, next_monday])).tolist() == [
        *(23, 24, 47, 0)
    ]


def test_exposure_counts_each_minute_once():
    start, end = MONDAY - 777, MONDAY + 3 * WEEK + 4_321
    counted = np.bincount(cells(np.arange(start, end)), minlength=CELLS)
    assert exposure(start, end).tolist() == counted.tolist()
    assert exposure(start, start).sum() == 0


def test_a_profile_of_even_counts_is_flat():
    minutes = exposure(MONDAY, MONDAY + 4 * WEEK)
    assert pooled_profile(minutes / 100, minutes) == pytest.approx(np.ones(CELLS))
    assert pooled_profile(np.zeros(CELLS), minutes) == pytest.approx(np.ones(CELLS))


def test_a_profile_is_shrunk_towards_the_whole():
    """One hour with ten times its share is raised, by less than ten; few counts move it less."""
    minutes = exposure(MONDAY, MONDAY + 4 * WEEK)
    due = minutes / minutes.sum()
    raised = []
    for events in (24, 2_400):
        counts = events * due
        counts[[9, 33]] *= 10
        profile = pooled_profile(counts, minutes)
        assert profile @ minutes == pytest.approx(minutes.sum())
        raised.append(profile[9] / profile[15])
    assert 1 < raised[0] < raised[1] <= 10


def test_the_sum_of_a_profile_is_that_of_its_minutes():
    profile = np.arange(CELLS, dtype=float)
    starts = np.array([MONDAY, MONDAY + 6 * DAY + 1_000])
    for minutes in (1, 61, 2 * WEEK + 5):
        expected = [profile[cells(np.arange(start, start + minutes))].sum() for start in starts]
        assert profile_sum(profile, starts, minutes) == pytest.approx(expected)


def test_memories_are_the_sums_over_what_lies_before():
    minutes = np.array([5, 6, 100, 4_000]) + MONDAY
    history = History(minutes, MONDAY)
    at = MONDAY + np.array([0, 5, 6, 7, 101, 9_000])
    expected = [
        [sum(math.exp(-decay * (t - 1 - m)) for m in minutes if m < t) for decay in DECAYS]
        for t in at
    ]
    assert history.memories(at) == pytest.approx(np.array(expected))


def test_the_expected_number_is_the_sum_over_minutes():
    """The closed form over a window is the rate of each minute added up, while nothing happens."""
    history = History(np.array([0, 3, 50]) + MONDAY, MONDAY)
    branching = np.where(RECENCY, 0.0, 0.1)
    rate = Intensity(0.01, branching, np.ones(CELLS))
    at, minutes = MONDAY + 60, 90
    weights = branching * -np.expm1(-DECAYS)
    held = history.memories(np.arange(at, at + minutes)) @ weights
    expected = rate.expected(history, np.array([at]), minutes)
    assert expected == pytest.approx([held.sum() + 0.01 * minutes])
    assert rate.probability(history, np.array([at]), minutes) == pytest.approx(-np.expm1(-expected))


def test_a_fit_finds_the_planted_hour():
    random = np.random.default_rng(1)
    days = np.arange(60)
    minutes = np.unique(MONDAY + np.repeat(days, 4) * DAY + 9 * 60 + random.integers(60, size=240))
    fitted = fit_intensity(History(minutes, MONDAY), MONDAY + 60 * DAY)
    assert fitted.profile[9] > 10
    assert fitted.profile[15] < 0.1


def test_a_fit_finds_that_failures_bring_on_more_and_stays_stable():
    random = np.random.default_rng(1)
    bursts = np.sort(random.integers(90 * DAY, size=40))
    followers = (bursts[:, None] + random.integers(1, 60, size=(40, 12))).ravel()
    minutes = np.unique(np.concatenate((bursts, followers))) + MONDAY
    fitted = fit_intensity(History(minutes, MONDAY), MONDAY + 91 * DAY)
    exciting = fitted.branching[~RECENCY].sum()
    assert 0.7 < exciting <= fitted.branching.sum() < 1


def test_a_fit_of_the_same_data_is_the_same():
    minutes = np.arange(0, 50 * DAY, 977) + MONDAY
    first, second = (fit_intensity(History(minutes, MONDAY), MONDAY + 50 * DAY) for _ in "ab")
    assert first.base == second.base
    assert first.branching.tolist() == second.branching.tolist()


def test_too_few_events_are_no_fit():
    minutes = np.arange(FEWEST_FITTED - 1) * 60 + MONDAY
    with pytest.raises(ValueError, match="too few"):
        fit_intensity(History(minutes, MONDAY), MONDAY + WEEK)
