"""How fast the weight bus is: 12 MB of weights, and a record of 200 bytes between processes.

Run it as ``python benchmarks/shm.py [--rounds N] [--records N] [--folder DIR] [--json]``.

The baselines, measured by turns in the same run: a memcpy into (out of) shared memory and xxh3-64
of the copy; and the classic design of MessagePack, a byte to spin on, a length and a copy. The
delay of a record is from before its publication until another process, which spins, has it decoded.
Exits 1 when a target is missed.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.shm.measure import BusSpeed, Latency, measure_bus

__all__ = ["Figure", "figures", "main"]


@dataclass(frozen=True)
class Figure:
    """One measured value beside its target; ``least`` tells whether the target is a minimum."""

    name: str
    value: float
    target: float
    unit: str
    least: bool
    detail: str

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.least else self.value <= self.target


def figures(speed: BusSpeed, latency: Latency) -> list[Figure]:
    """Compare what was measured with the targets."""
    write = f"publish {speed.publish_us:.0f} us"
    read = f"verified read {speed.read_us:.0f} us"
    seen = f"{latency.seen} of {latency.records} records of {latency.record_bytes} bytes"
    return [
        Figure(
            "write / bare",
            speed.write_share,
            0.8,
            "x",
            True,
            f"{write}, bare {speed.bare_write_us:.0f} us",
        ),
        Figure(
            "read / bare",
            speed.read_share,
            0.8,
            "x",
            True,
            f"{read}, bare {speed.bare_read_us:.0f} us",
        ),
        Figure(
            "write / classic",
            speed.write_over_classic,
            1.7,
            "x",
            True,
            f"{write}, classic {speed.classic_write_us:.0f} us",
        ),
        Figure(
            "read / classic",
            speed.read_over_classic,
            0.9,
            "x",
            True,
            f"{read}, classic {speed.classic_read_us:.0f} us",
        ),
        Figure("no news", speed.no_news_us, 1.0, "us", False, "a look that finds nothing new"),
        Figure("record p50", latency.p50_us, 20.0, "us", False, seen),
        Figure("record p99", latency.p99_us, 100.0, "us", False, seen),
    ]


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
    found = figures(speed, latency)
    print(_as_json(found) if options.json else _as_table(found))
    return 0 if all(figure.met for figure in found) else 1


def _as_table(found: list[Figure]) -> str:
    lines = [f"Python {platform.python_version()}, {os.cpu_count()} CPUs"]
    for figure in found:
        value, target = (f"{number:.2f} {figure.unit}" for number in (figure.value, figure.target))
        verdict = "met" if figure.met else "MISSED"
        line = f"{figure.name:<16}{value:>11}   target {target:>9}   {verdict:<6}"
        lines.append(f"{line}   {figure.detail}")
    return "\n".join(lines)


def _as_json(found: list[Figure]) -> str:
    rows = [asdict(figure) | {"met": figure.met} for figure in found]
    return json.dumps({"python": platform.python_version(), "figures": rows}, indent=2)


if __name__ == "__main__":
    sys.exit(main())
