"""Laws of the forecast: probabilities, more time, more failures, and data of known truth."""

import runpy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors.forecast.excitation import DECAYS, History
from alchemiser_cli.errors.forecast.intensity import fit_intensity
from alchemiser_cli.errors.forecast.scoring import mean_interval

START = 28_000_000
HOUR, WEEK = 60, 10_080

offsets = st.lists(st.integers(0, 3 * WEEK), min_size=12, max_size=120, unique=True)


@pytest.fixture(scope="module")
def simulated(pytestconfig):
    """The benchmark's processes of known truth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(pytestconfig.rootpath / "benchmarks"))
        return runpy.run_path(str(pytestconfig.rootpath / "benchmarks" / "forecast.py"))


@settings(max_examples=40)
@given(offsets, st.integers(0, 2 * WEEK), st.integers(1, WEEK), st.integers(0, WEEK))
def test_probabilities_are_probabilities_and_more_time_makes_none_smaller(
    times, ahead, shorter, more
):
    minutes = START + np.sort(np.array(times))
    history = History(minutes, START)
    end = int(minutes[-1]) + 1
    fitted = fit_intensity(history, end)
    at = np.array([end, end + ahead])
    short = fitted.probability(history, at, shorter)
    long = fitted.probability(history, at, shorter + more)
    assert np.all((short >= 0) & (short <= 1))
    assert np.all(long >= short - 1e-12)


@settings(max_examples=40)
@given(offsets)
def test_a_fit_is_stable_and_its_season_is_one_on_average(times):
    minutes = START + np.sort(np.array(times))
    end = int(minutes[-1]) + 1
    fitted = fit_intensity(History(minutes, START), end)
    assert fitted.base > 0
    assert np.all(fitted.branching >= 0)
    assert fitted.branching.sum() < 1
    assert np.all(fitted.profile > 0)


@settings(max_examples=40)
@given(offsets, st.integers(0, 3 * WEEK), st.integers(1, WEEK))
def test_one_more_failure_never_lowers_the_excitation(times, extra, window):
    minutes = START + np.sort(np.array(times))
    end = START + 3 * WEEK + 1
    fitted = fit_intensity(History(minutes, START), end)
    at = np.array([end, end + 30])
    fewer = History(minutes, START).memories(at)
    more = History(np.union1d(minutes, [START + extra]), START).memories(at)
    assert np.all(more >= fewer - 1e-9)
    assert np.all(fitted.excited(more, window) >= fitted.excited(fewer, window) - 1e-9)


@settings(max_examples=40)
@given(offsets, st.integers(1, 5_000))
def test_memories_fade_while_nothing_happens(times, later):
    minutes = START + np.sort(np.array(times))
    end = int(minutes[-1]) + 1
    now, then = History(minutes, START).memories(np.array([end, end + later]))
    assert then == pytest.approx(now * np.exp(-DECAYS * later))


@settings(max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=20, max_size=200), st.integers(1, 50))
def test_an_interval_holds_its_mean(values, block):
    found = mean_interval(np.array(values), block=block)
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


def test_on_homogeneous_poisson_data_it_abstains(simulated):
    """At least 95 of 100 histories, short and long; benchmarks/forecast.py tries many more."""
    kinds = [(60, 0.5), (100, 0.4), (400, 0.1), (400, 1.0)]
    skilled = 0
    for seed in range(28):
        windows, rate = kinds[seed % len(kinds)]
        events = simulated["poisson"](np.random.default_rng(seed), rate, windows * HOUR)
        skilled += simulated["scored"](events, windows).significant
    assert skilled <= 1


@pytest.mark.parametrize("kind", ["periodic", "hawkes"])
def test_on_planted_data_it_has_skill_and_is_calibrated(simulated, kind):
    """On 2,000 forecast windows, after those that are only learned from."""
    random, windows = np.random.default_rng(11), 2_667
    if kind == "periodic":
        events = simulated["periodic"](random, 0.3, windows * HOUR)
    else:
        events = simulated["hawkes"](random, 0.1, windows * HOUR, branching=0.6, half_life=30)
    scores = simulated["scored"](events, windows)
    assert scores.origins >= 2_000
    assert scores.significant
    assert scores.skill.low > 0
    assert scores.calibration_error < 0.05
