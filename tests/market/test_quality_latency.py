"""Histograms: those of a tick's way, and the one that tells percentiles."""

import math

import pytest

from alchemiser_cli.market.quality import LatencyHistogram
from alchemiser_cli.settings import BucketSettings, TelemetrySettings
from alchemiser_cli.telemetry import open_telemetry
from alchemiser_cli.telemetry.names import (
    EMIT_LATENCY_SECONDS,
    ENQUEUE_DELAY_SECONDS,
    TRANSIT_SECONDS,
)


@pytest.mark.parametrize(
    "metric",
    [ENQUEUE_DELAY_SECONDS, EMIT_LATENCY_SECONDS, TRANSIT_SECONDS],
    ids=lambda one: one.name,
)
def test_each_leg_of_a_ticks_way_has_buckets_of_the_settings(metric):
    settings = TelemetrySettings(buckets=BucketSettings(**{metric.setting: (0.1, 0.2)}))
    telemetry = open_telemetry(settings)
    histogram = telemetry.histogram(metric, topic="t")
    for seconds in (0.05, 0.15, 0.25):
        histogram.observe(seconds)

    def within(bound):
        labels = {"topic": "t", "le": bound}
        return telemetry.registry.get_sample_value(f"{metric.name}_bucket", labels)

    assert [within(bound) for bound in ("0.1", "0.2", "+Inf")] == [1, 2, 3]


class TestHistogram:
    def test_an_empty_one_has_no_percentiles(self):
        histogram = LatencyHistogram()
        histogram.record_many([])
        assert (histogram.percentile(50), histogram.count) == (None, 0)

    def test_negative_and_tiny_durations_count_as_zero(self):
        histogram = LatencyHistogram()
        histogram.record_many([-5.0, 0.0, 1e-12])
        assert (histogram.percentile(100), histogram.count) == (0.0, 3)

    def test_what_is_longer_than_half_a_year_counts_as_the_longest(self):
        histogram = LatencyHistogram()
        histogram.record(1e300)
        assert histogram.percentile(50) == 1e300

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    def test_what_is_no_duration_is_refused_and_not_counted(self, wrong):
        histogram = LatencyHistogram()
        with pytest.raises(ValueError, match="finite"):
            histogram.record(wrong)
        with pytest.raises(ValueError, match="finite"):
            histogram.record_many([1.0, wrong])
        assert histogram.count == 0

    @pytest.mark.parametrize("wrong", [-1, 101, math.nan])
    def test_a_percentile_is_from_0_to_100(self, wrong):
        with pytest.raises(ValueError, match="from 0 to 100"):
            LatencyHistogram().percentile(wrong)
