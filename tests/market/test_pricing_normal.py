"""The normal distribution against the C library, tail and centre."""

import math

import numpy as np
import pytest

from alchemiser_cli.market.pricing.normal import normal_cdf, normal_pdf

X = np.concatenate([np.linspace(-37, 37, 4001), np.linspace(-1, 1, 501)])


def test_the_cdf_is_the_c_librarys_to_rounding_also_far_in_the_left_tail():
    exact = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in X])
    np.testing.assert_allclose(normal_cdf(X), exact, rtol=1e-12, atol=0)


def test_scipy_agrees():
    special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(normal_cdf(X), special.ndtr(X), rtol=1e-13, atol=0)


def test_infinities_and_nan_are_met():
    with np.errstate(all="ignore"):
        values = normal_cdf(np.array([-np.inf, -1e300, 0.0, 1e300, np.inf, np.nan]))
    np.testing.assert_array_equal(values, [0, 0, 0.5, 1, 1, np.nan])


def test_the_density_is_the_slope_of_the_cdf():
    x = np.linspace(-6, 6, 101)
    slope = (normal_cdf(x + 1e-5) - normal_cdf(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(normal_pdf(x), slope, atol=1e-9)
