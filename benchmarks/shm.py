"""How fast the weight bus is: 12 MB of weights, and a record of 200 bytes between processes.

Run it as ``python benchmarks/shm.py [--rounds N] [--records N] [--folder DIR] [--json]``.

The baselines, measured by turns in the same run: a memcpy into (out of) shared memory and xxh3-64
of the copy; and the classic design of MessagePack, a byte to spin on, a length and a copy. The
delay of a record is from before its publication until another process, which spins, has it decoded.
Where iceoryx2 is installed (``pip install iceoryx2``), its delay stands beside. Exits 1 when a
target is missed.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import iceoryx
from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.shm.measure import BusSpeed, Latency, measure_bus

__all__ = ["main"]


def bus(speed: BusSpeed, latency: Latency) -> Iterator[Figure]:
    """Yield what was measured beside its targets."""
    ratios = (
        ("write / bare", speed.write_share, 0.8, "bare", speed.publish_us, speed.bare_write_us),
        ("read / bare", speed.read_share, 0.8, "bare", speed.read_us, speed.bare_read_us),
        (
            "write / classic",
            *(speed.write_over_classic, 1.7, "classic"),
            *(speed.publish_us, speed.classic_write_us),
        ),
        (
            "read / classic",
            *(speed.read_over_classic, 0.9, "classic"),
            *(speed.read_us, speed.classic_read_us),
        ),
    )
    for name, ratio, target, other, ours_us, other_us in ratios:
        detail = f"ours {ours_us:.0f} us, {other} {other_us:.0f} us"
        yield Figure(name, ratio, target, "x", detail, at_least=True)
    yield Figure("no news", speed.no_news_us, 1.0, "us", "a look that finds nothing new")
    seen = f"{latency.seen} of {latency.records} records of {latency.record_bytes} bytes"
    yield Figure("record p50", latency.p50_us, 20.0, "us", seen)
    yield Figure("record p99", latency.p99_us, 100.0, "us", seen)


def beside(records: int) -> Iterator[Figure]:
    """Yield the delay of iceoryx2's publish-subscribe; nothing where it is not installed."""
    if not iceoryx.available():
        print("iceoryx2 is not installed, so that its delay is left out", file=sys.stderr)
        return
    taken = iceoryx.measure(SystemClock(), records)
    seen = f"{len(taken)} of {records} structs of 200 bytes, unchecked"
    for name, share in (("p50", 50), ("p99", 99)):
        yield Figure(f"iceoryx2 {name}", taken[len(taken) * share // 100] / 1e3, None, "us", seen)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="rounds (default: 100)")
    parser.add_argument("--records", type=int, default=5_000, help="records (default: 5000)")
    parser.add_argument("--folder", type=Path, help="where segments lie (default: /dev/shm)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    speed, latency = measure_bus(
        SystemClock(), folder=options.folder, rounds=options.rounds, records=options.records
    )
    found = [*bus(speed, latency), *beside(options.records)]
    print(printed(found, as_json=options.json))
    return 0 if all_met(found) else 1


if __name__ == "__main__":
    sys.exit(main())
