"""What the benchmark of the weight bus measured."""

from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.render.blocks import TableBlock, View

if TYPE_CHECKING:
    from alchemiser_cli.shm.measure import BusSpeed, Latency

__all__ = ["bus_view"]


def bus_view(speed: "BusSpeed", latency: "Latency") -> View:
    """Return the bus beside the bare machine and the classic design, and a record's delay."""
    ways = [
        _way("publish", speed.publish_us, speed.bare_write_us, speed.classic_write_us),
        _way("verified read", speed.read_us, speed.bare_read_us, speed.classic_read_us),
    ]
    figures = [
        ("a look that finds nothing new", f"{speed.no_news_us:.2f} µs"),
        (f"record of {latency.record_bytes} bytes, p50", f"{latency.p50_us:.1f} µs"),
        (f"record of {latency.record_bytes} bytes, p99", f"{latency.p99_us:.1f} µs"),
        ("records seen", f"{latency.seen:,} of {latency.records:,}"),
    ]
    columns = (f"{speed.bytes / 1e6:.0f} MB", "ours", "bare", "classic", "to bare", "to classic")
    return View(
        {"speed": msgspec.to_builtins(speed), "latency": msgspec.to_builtins(latency)},
        [
            TableBlock(columns, ways, right=frozenset(columns[1:])),
            TableBlock(("figure", "value"), figures, right=frozenset({"value"})),
        ],
    )


def _way(name: str, ours_us: float, bare_us: float, classic_us: float) -> tuple[str, ...]:
    times = (f"{time_us / 1e3:.2f} ms" for time_us in (ours_us, bare_us, classic_us))
    return (name, *times, f"{bare_us / ours_us:.2f}", f"{classic_us / ours_us:.2f}")
