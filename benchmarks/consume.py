"""The consumer beside the usual loops, its latency and its memory, on the embedded Kafka.

Run it as ``python benchmarks/consume.py [--only speed|latency|memory] [--full] [--json]``.

Baseline A is a loop of ``consume(500)``, ``AvroDeserializer`` and ``asyncio.gather`` a batch;
baseline B is ``consume(500)`` with the values unread. All four ways read the same messages in
turns in one process, ours with quality checks and offsets tracked. Memory is of 1 million
messages, or with ``--full`` of 10 million. Exits 1 when a target is missed.
"""

import argparse
import sys
from collections.abc import Iterator

from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.streaming.measure import measure_latency, measure_memory, measure_speed

__all__ = ["main"]

MILLION = 1_000_000


def speed() -> Iterator[Figure]:
    """Yield the ratios of our two paths to the baselines."""
    found = measure_speed(SystemClock())
    a, b = found.gather_per_s, found.bare_per_s
    detail = f"{found.ticks_per_s:,.0f}/s; A {a:,.0f}/s, B {b:,.0f}/s"
    yield Figure("ticks to A", found.ticks_per_s / a, 4.0, "x", detail, at_least=True)
    detail = f"{found.columns_per_s:,.0f}/s"
    yield Figure("columns to A", found.columns_per_s / a, 12.0, "x", detail, at_least=True)
    yield Figure("columns to B", found.columns_per_s / b, 0.4, "x", detail, at_least=True)


def latency() -> Iterator[Figure]:
    """Yield how late a callback begins after its tick is sent."""
    found = measure_latency(SystemClock())
    detail = f"{found.messages:,} ticks at {found.rate_per_s:,} a second"
    yield Figure("latency p50", found.p50_ms, 15.0, "ms", detail)
    yield Figure("latency p99", found.p99_ms, 50.0, "ms", detail)


def memory(messages: int) -> Iterator[Figure]:
    """Yield by how much memory grows after the first tenth of the messages."""
    found = measure_memory(SystemClock(), messages)
    detail = f"{messages:,} messages: {found.early_mb:.0f} MB, then {found.late_mb:.0f} MB"
    yield Figure("memory", found.late_mb - found.early_mb, 20.0, "MB", detail)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["speed", "latency", "memory"], help="measure one thing")
    parser.add_argument("--full", action="store_true", help="10 million messages for memory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    if options.only in (None, "speed"):
        figures += speed()
    if options.only in (None, "latency"):
        figures += latency()
    if options.only in (None, "memory"):
        figures += memory(MILLION * (10 if options.full else 1))
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
