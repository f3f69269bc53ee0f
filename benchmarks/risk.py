"""What a risk decision and a look at the kill switch cost, beside bare work in the same run.

Run it as ``python benchmarks/risk.py [--rounds N] [--json]``.

Each round measures all ways right after one another, so that all see the same machine; figures
are medians over the rounds of a round's mean (the kill switch) or median (decisions). The
baselines are reading a plain attribute, reading a flag from a file, and ten comparisons on a
dataclass. Decisions are of approved signals, with one position open and with twenty, whose
notionals each decision sums. Exits 1 when a target is missed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.measure import decision_times

__all__ = ["main", "measure"]

CALLS = 5_000
DECISIONS = 500
READ_MICROSECONDS = 1.0
DECISION_MICROSECONDS = 20.0


@dataclass
class _Plain:
    value: float = 1.0


def measure(rounds: int) -> list[Figure]:
    """Return the figures of ``rounds`` rounds."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        switch = KillSwitch(home, home / "run" / "kill_switch.json", SystemClock())
        plain, flag = _Plain(), home / "flag"
        flag.write_text("1")
        for _ in range(rounds):
            for name, work, calls in (
                ("attribute", lambda: plain.value, CALLS),
                ("kill switch", lambda: switch.active, CALLS),
                ("file", lambda: flag.open().read(), CALLS // 10),
                ("comparisons", lambda: _compared(plain), CALLS),
            ):
                found.setdefault(name, []).append(_mean_us(work, calls))
            for held in (1, 20):
                found.setdefault(f"decide {held}", []).append(_decisions_us(switch, held))
    mid = {name: statistics.median(values) for name, values in found.items()}
    read, ten = mid["kill switch"], mid["comparisons"]
    return [
        Figure(
            "kill switch read",
            read,
            READ_MICROSECONDS,
            "us",
            f"{read / mid['attribute']:.1f} x a plain attribute, "
            f"1/{mid['file'] / read:.0f} of reading a file",
        ),
        Figure(
            "decision, 1 position",
            mid["decide 1"],
            DECISION_MICROSECONDS,
            "us",
            f"{mid['decide 1'] / ten:.0f} x ten comparisons",
        ),
        Figure(
            "decision, 20 positions",
            mid["decide 20"],
            None,
            "us",
            f"{mid['decide 20'] / ten:.0f} x ten comparisons",
        ),
    ]


def _compared(plain: _Plain) -> bool:
    return all(
        plain.value < limit for limit in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0)
    )


def _mean_us(work: Callable[[], object], calls: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(calls):
        work()
    return (time.perf_counter_ns() - began) / calls / 1e3


def _decisions_us(switch: KillSwitch, held: int) -> float:
    times = decision_times(SystemClock(), switch, held=held, decisions=DECISIONS)
    return statistics.median(times.spent_ns) / 1e3


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds)
    print(printed(found, as_json=options.json, rounds=options.rounds))
    return 0 if all_met(found) else 1


if __name__ == "__main__":
    sys.exit(main())
