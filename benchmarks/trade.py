"""How fast trading is: from a tick to an approved decision on record, and a whole history.

Run it as ``python benchmarks/trade.py [--rounds N] [--rows N] [--json]``.

Each round measures everything right after one another, so that all see the same machine; figures
are medians over the rounds. The baselines are ten comparisons of floats for a decision, one
``os.write`` of as many bytes for a line of the audit trail, and a plain attribute for the kill
switch. The history is the S&P 500 with ten option contracts, 5,031 days, from prices of contracts
to the audit trail. Kafka is no part of it, and the trail is never forced to the disk. Exits 1 when
a target is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.pipeline.trading.measure import HistorySpeed, measure_history
from alchemiser_cli.trading.measure import ChainSpeed, measure_chain

__all__ = ["main"]


def chain(speed: ChainSpeed) -> Iterator[Figure]:
    """Yield the figures of the chain beside their targets."""
    detail = f"{speed.signals:,} signals; a tick without one {speed.tick_us:.1f}"
    yield Figure("tick to validated signal, p50", speed.validated_us, 100.0, "us", detail)
    yield Figure("tick to validated signal, p99", speed.validated_p99_us, 1_000.0, "us")
    ten = speed.comparisons_us
    detail = f"{speed.decision_us / ten:.0f} x ten comparisons, {ten:.2f}"
    yield Figure("risk decision, 1 position", speed.decision_us, 20.0, "us", detail)
    detail = f"{speed.decision_20_us / ten:.0f} x ten comparisons"
    yield Figure("risk decision, 20 positions", speed.decision_20_us, None, "us", detail)
    detail = f"{speed.append_us / speed.write_us:.1f} x a bare os.write, {speed.write_us:.1f}"
    yield Figure("audit append", speed.append_us, 20.0, "us", detail)
    detail = f"{speed.switch_us / speed.attribute_us:.1f} x a plain attribute"
    yield Figure("kill switch read", speed.switch_us, 1.0, "us", detail)


def history(speed: HistorySpeed) -> Iterator[Figure]:
    """Yield the figures of a whole history."""
    detail = f"{speed.ticks:,} days, {speed.quotes:,} quotes, {speed.signals:,} signals"
    yield Figure("the history", speed.seconds, 60.0, "s", detail)
    yield Figure("quotes a second", speed.quotes_per_s, None, "/s")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="rounds (default: 30)")
    parser.add_argument("--rows", type=int, help="rows of the history (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="alchemiser-trade-") as name:
        found = [
            *chain(measure_chain(clock, folder=Path(name) / "chain", rounds=options.rounds)),
            *history(measure_history(clock, folder=Path(name) / "history", rows=options.rows)),
        ]
    print(printed(found, as_json=options.json, rounds=options.rounds))
    return 0 if all_met(found) else 1


if __name__ == "__main__":
    sys.exit(main())
