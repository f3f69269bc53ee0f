"""Percentiles out of fixed memory are those of the data."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.quality import LatencyHistogram

durations = st.one_of(st.floats(1e-9, 1e7), st.floats(1e-4, 1e-2), st.just(0.0))


@given(st.lists(durations, min_size=1, max_size=300), st.floats(0, 100))
def test_a_percentile_is_within_two_percent_of_the_exact_one(seconds, percent):
    histogram = LatencyHistogram()
    for each in seconds:
        histogram.record(each)
    exact = float(np.percentile(seconds, percent))
    assert abs(histogram.percentile(percent) - exact) <= 0.02 * exact


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=300))
def test_many_at_once_count_as_one_by_one(seconds):
    one_by_one, at_once = LatencyHistogram(), LatencyHistogram()
    for each in seconds:
        one_by_one.record(each)
    at_once.record_many(np.array(seconds))
    assert at_once._counts == one_by_one._counts
    assert (at_once.count, at_once.longest_s) == (one_by_one.count, one_by_one.longest_s)
    for percent in (0, 50, 99, 100):
        assert at_once.percentile(percent) == one_by_one.percentile(percent)
