"""The tails are those of SciPy, Rayleigh's p-value is uniform on even angles, and q-values rise."""

import numpy as np
import pytest
from scipy import stats

from alchemiser_cli.errors.patterns.tails import (
    benjamini_hochberg,
    binomial_tail,
    fisher_tail,
    normal_tail,
    rayleigh_p,
)


@pytest.mark.parametrize("successes", [0, 1, 5, 30, 400])
@pytest.mark.parametrize("failures", [0, 3, 60, 2_000])
@pytest.mark.parametrize("chance", [0.001, 0.04, 0.5, 0.97])
def test_the_binomial_tail_is_that_of_scipy(successes, failures, chance):
    expected = stats.binom.sf(successes - 1, successes + failures, chance)
    assert binomial_tail(successes, failures, chance) == pytest.approx(expected, rel=1e-8)


def test_the_binomial_tail_takes_fractions_and_the_ends():
    assert binomial_tail(2.5, 4.5, 0.2) == pytest.approx(stats.beta.cdf(0.2, 2.5, 5.5))
    assert binomial_tail(3, 1, 1.0) == 1.0
    assert binomial_tail(3, 1, 0.0) == 0.0


@pytest.mark.parametrize("table", [(3, 1, 1, 3), (10, 5, 20, 200), (5, 0, 0, 40), (0, 4, 9, 2)])
def test_fishers_tail_is_that_of_scipy(table):
    in_a, out_a, in_b, out_b = table
    expected = stats.fisher_exact([[in_a, out_a], [in_b, out_b]], "greater").pvalue
    assert fisher_tail(*table) == pytest.approx(expected)


def test_the_normal_tail_is_that_of_scipy():
    assert normal_tail(-2.5) == pytest.approx(2 * stats.norm.sf(2.5))


@pytest.mark.parametrize("count", [5, 12, 60])
def test_rayleigh_rejects_even_angles_as_often_as_it_says(count):
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, (4_000, count))
    lengths = np.abs(np.exp(1j * angles).mean(axis=1))
    p_values = np.array([rayleigh_p(count, length) for length in lengths])
    for level in (0.01, 0.05, 0.3):
        assert (p_values < level).mean() == pytest.approx(level, abs=0.025 * level**0.5 + 0.003)


def test_q_values_are_those_of_scipy():
    p_values = np.random.default_rng(2).uniform(size=200) ** 3
    expected = stats.false_discovery_control(p_values)
    assert benjamini_hochberg(p_values) == pytest.approx(expected)
    assert benjamini_hochberg(np.empty(0)).shape == (0,)
