"""What a line of the audit trail costs, beside writing the same bytes without a chain.

Run it as ``python benchmarks/audit.py [--lines N] [--json]``.

The entry is a rejected trade with its signal, decision and twelve limits in full, once; with the
limits in the line and in the decision too it is reported without a target. Each round
appends a batch to a trail that is never forced to the disk, to one that is signed, and writes
lines of the same length with one ``os.write`` each to a plain file, right after one another;
figures are medians over the rounds, of this thread's CPU time. Forcing each line to the disk
depends on the disk and is reported without a target, as are packing a day and verifying. Exits 1
when a target is missed.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from figures import Figure, all_met, printed

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import AuditEntry, AuditTrail, verify_trail
from alchemiser_cli.trading.decisions import Decision, LimitReading
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["main", "measure"]

APPEND_MICROSECONDS = 20.0
BATCH = 1_000
KEY = b"0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
DAYS = 20

NAMES = (
    "kill_switch",
    "trading_state",
    "daily_loss",
    "daily_drawdown",
    "trade_loss",
    "positions",
    "duplicate",
    "cool_down",
    "breaker",
    "notional",
    "leverage",
    "data_age",
)


def measure(lines: int) -> Iterator[Figure]:
    """Yield the figures; ``lines`` are appended in each way."""
    with tempfile.TemporaryDirectory(prefix="alchemiser-audit-") as name:
        folder = Path(name)
        yield from _appending(folder, lines)
        yield from _lasting(folder)
        yield _days(folder)
        yield _verifying(folder / "plain", lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=20_000, help="lines (default: 20,000)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = [*measure(options.lines)]
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


def _appending(folder: Path, lines: int) -> Iterator[Figure]:
    entry = _entry()
    plain, signed = _trail(folder / "plain"), _trail(folder / "signed", key=KEY)
    small = AuditEntry(event="HELD", event_id="h-1", strategy_id="momentum", reason="flat")
    plain.append(entry)
    line = next((folder / "plain").glob("*.jsonl")).read_bytes()
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    twice = _entry(twice=True)
    ways: dict[str, Callable[[], object]] = {
        "append, decision": lambda: plain.append(entry),
        "append, decision, signed": lambda: signed.append(entry),
        "append, decision, limits twice": lambda: plain.append(twice),
        "append, hold, signed": lambda: signed.append(small),
        "bare os.write": lambda: os.write(descriptor, line),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(max(3, lines // BATCH)):
        for way, append in ways.items():
            taken[way].append(_microseconds(append))
    os.close(descriptor)
    plain.close()
    signed.close()
    bare = statistics.median(taken.pop("bare os.write"))
    for way, costs in taken.items():
        cost = statistics.median(costs)
        target = None if "signed" in way or "twice" in way else APPEND_MICROSECONDS
        yield Figure(way, cost, target, "us", f"{cost / bare:.1f} x a bare os.write, {bare:.1f}")
    yield Figure("bytes of a line", len(line), None, "B")


def _lasting(folder: Path) -> Iterator[Figure]:
    entry = _entry()
    with _trail(folder / "each", fsync="each") as trail:
        cost = statistics.median(
            _microseconds(lambda: trail.append(entry), 50, time.perf_counter_ns) for _ in range(5)
        )
    yield Figure("append, each to the disk", cost, None, "us", "rests on the disk")


def _days(folder: Path) -> Figure:
    clock, entry = ManualClock(), _entry()
    with _trail(folder / "days", clock=clock, fsync="interval") as trail:
        begun = time.perf_counter_ns()
        for _ in range(DAYS):
            for _ in range(20):
                trail.append(entry)
            clock.advance(86_400)
        spent = (time.perf_counter_ns() - begun) / DAYS / 1e6
    return Figure("a day of 20 lines, rotated", spent, None, "ms", "forced to the disk and packed")


def _verifying(folder: Path, lines: int) -> Figure:
    begun = time.perf_counter_ns()
    found = verify_trail(folder)
    spent = (time.perf_counter_ns() - begun) / NS_PER_SECOND
    if not found.ok or found.entries < lines:
        raise SystemExit(f"the trail that was written is not whole: {found}")
    return Figure("verify", found.entries / spent, None, "/s", f"{found.entries:,} lines")


def _trail(
    folder: Path,
    *,
    fsync: Literal["each", "interval", "never"] = "never",
    key: bytes | None = None,
    clock: ManualClock | None = None,
) -> AuditTrail:
    settings = AuditSettings(fsync=fsync, min_free_megabytes=1)
    return AuditTrail(
        folder, settings, clock or SystemClock(), run_id="bench", broker="paper", key=key
    )


def _entry(*, twice: bool = False) -> AuditEntry:
    signal = Signal(
        signal_id="0123456789abcdef01234567",
        strategy_id="momentum",
        param_hash="0123456789abcdef",
        broker="paper",
        symbol="SPX",
        target=10,
        reason="trend up",
        reference_price=2_750.5,
        tick_time_ns=1_516_000_000_000_000_000,
        decided_at_ns=1_516_000_000_000_100_000,
        origin=Origin("market.ticks", 0, 123_456),
    )
    limits = tuple(LimitReading(name, 0.012, 0.03, passed=True) for name in NAMES)
    decision = Decision(
        decision_id="d-0123456789abcdef01234567",
        signal=signal,
        approved=False,
        reason="notional_limit_exceeded",
        side=None,
        quantity=0,
        limits=limits if twice else (),
        decided_at_ns=1_516_000_000_000_200_000,
    )
    return AuditEntry(
        event="TRADE_REJECTED",
        event_id=decision.decision_id,
        causation=signal.signal_id,
        strategy_id=signal.strategy_id,
        param_hash=signal.param_hash,
        reason=decision.reason,
        symbol=signal.symbol,
        limits=limits,
        detail=decision,
    )


def _microseconds(
    append: Callable[[], object],
    times: int = BATCH,
    now_ns: Callable[[], int] = time.thread_time_ns,
) -> float:
    begun = now_ns()
    for _ in range(times):
        append()
    return (now_ns() - begun) / times / 1e3


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
