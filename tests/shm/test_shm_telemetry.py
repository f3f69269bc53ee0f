"""What readers and writers count."""

from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.shm import Segment, WeightSegment
from alchemiser_cli.telemetry import open_telemetry


def counted(telemetry):
    return {
        sample.name: sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name.startswith("shm_")
        if not sample.name.endswith("_created")
    }


def test_a_writer_and_a_reader_count_under_the_segments_name(shm, clock, weights):
    telemetry = open_telemetry(TelemetrySettings())
    segment = WeightSegment(shm, "policy", clock, telemetry=telemetry)
    with segment.writer(weights()) as writer, segment.reader() as reader:
        for number in (1, 2):
            writer.publish(weights(number))
        reader.poll()
        clock.advance(3)
        reader.freshness()
        writer.publish(weights(3))
        writer.segment.mapping.payload(0)[0] ^= 1
        assert reader.poll() is None
    assert counted(telemetry) == {
        "shm_generation": 3,
        "shm_age_seconds": 3,
        "shm_published_total": 3,
        "shm_read_retries_total": 0,
        "shm_checksum_failures_total": shm.read_attempts,
    }


def test_records_count_too(shm, clock, quotes):
    telemetry = open_telemetry(TelemetrySettings())
    segment = Segment(shm, "quotes", quotes.kind, clock, telemetry=telemetry)
    with segment.writer() as writer:
        writer.publish(quotes.kind("SPY", 1.0, 2.0))
    assert counted(telemetry)["shm_published_total"] == 1
