"""The legs of a tick's way, and the histograms that they are written into."""

import math

import pytest

from alchemiser_cli.market.quality import Latencies, LatencyHistogram, LatencyMeter, latencies
from alchemiser_cli.settings import BucketSettings, TelemetrySettings
from alchemiser_cli.telemetry import open_telemetry

EVENT_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def test_the_way_of_a_tick_is_split_into_its_legs():
    legs = latencies(
        event_time_ns=EVENT_NS,
        produced_ns=EVENT_NS + 10 * MS,
        acknowledged_ns=EVENT_NS + 14 * MS,
        timestamp_ms=EVENT_NS // MS + 11,
        received_ns=EVENT_NS + 16 * MS,
        handled_ns=EVENT_NS + 36 * MS,
    )
    assert legs == Latencies(
        enqueue_s=0.01, emit_s=0.004, transit_s=0.005, handle_s=0.02, total_s=0.036
    )


def test_a_leg_with_an_unknown_end_is_none():
    legs = latencies(timestamp_ms=EVENT_NS // MS, received_ns=EVENT_NS + MS)
    assert legs == Latencies(transit_s=0.001)
    assert latencies(timestamp_ms=-1, received_ns=EVENT_NS) == Latencies()


def test_without_a_timestamp_transit_begins_at_the_producer():
    legs = latencies(produced_ns=EVENT_NS, timestamp_ms=-1, received_ns=EVENT_NS + 3 * MS)
    assert legs.transit_s == 0.003


def test_clocks_that_disagree_show_as_a_negative_leg_and_count_as_zero():
    legs = latencies(event_time_ns=EVENT_NS, produced_ns=EVENT_NS - MS)
    assert legs.enqueue_s == -0.001
    telemetry = open_telemetry(TelemetrySettings())
    LatencyMeter("market.ticks", telemetry).observe(legs)
    labels = {"topic": "market.ticks"}
    name = "market_tick_enqueue_delay_seconds"
    assert telemetry.registry.get_sample_value(f"{name}_sum", labels) == 0
    assert telemetry.registry.get_sample_value(f"{name}_count", labels) == 1


@pytest.mark.parametrize(
    ("metric", "leg"),
    [
        ("market_tick_enqueue_delay_seconds", "enqueue_s"),
        ("market_tick_emit_latency_seconds", "emit_s"),
        ("market_tick_transit_seconds", "transit_s"),
    ],
)
def test_each_leg_has_its_histogram_with_buckets_of_the_settings(metric, leg):
    settings = TelemetrySettings(buckets=BucketSettings(**{metric: (0.1, 0.2)}))
    telemetry = open_telemetry(settings)
    meter = LatencyMeter("t", telemetry)
    for seconds in (0.05, 0.15, 0.25):
        meter.observe(Latencies(**{leg: seconds}))

    def within(bound):
        return telemetry.registry.get_sample_value(f"{metric}_bucket", {"topic": "t", "le": bound})

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
