"""The measurement measures what it says; how fast it is, is no test's business."""

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.shm.measure import measure_bus


def test_a_short_measurement_is_complete_and_leaves_nothing_behind(folder):
    speed, latency = measure_bus(SystemClock(), folder=folder, rounds=3, records=50)
    assert speed.bytes == 12_058_624
    assert min(speed.publish_us, speed.read_us, speed.no_news_us, speed.bare_read_us) > 0
    assert speed.write_share == speed.bare_write_us / speed.publish_us
    assert speed.read_over_classic == speed.classic_read_us / speed.read_us
    assert 0 < latency.seen <= 50
    assert 190 <= latency.record_bytes <= 220
    assert 0 < latency.p50_us <= latency.p99_us
    assert list(folder.iterdir()) == []
