"""What capturing a failure costs its caller, and what a storm costs in memory.

Run it as ``python benchmarks/capture.py [--rounds N] [--only capture|storm] [--full] [--json]``.

The cost is the median of captures of an error that passed ten frames, with a cause and a context,
measured in turns with ``logging.Logger.error`` of the same error to a file. The storm is of 200
fingerprints, 10 million failures an hour, simulated by a clock that is moved: resident memory
after the last failure against that after the first tenth, of 1 million, or with ``--full`` of 10
million. It waits for the writer, so that nothing is dropped. Exits 1 when a target is missed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, all_met, printed

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.errors.journal.measure import measure_capture
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase

__all__ = ["main", "measure_cost", "measure_storm"]

CAPTURE_US = 50.0
GROWTH_MEGABYTES = 10.0
STORM = 1_000_000
FULL_STORM = 10_000_000
FINGERPRINTS = 200
HOUR_S = 3_600.0
BURST = 1_000
BACKLOG = 5_000


def measure_cost(rounds: int) -> Iterator[Figure]:
    """Yield the caller's median cost in microseconds, and its ratio to logging."""
    with tempfile.TemporaryDirectory() as folder:
        cost = measure_capture(Path(folder), SystemClock(), rounds)
    detail = f"99 of 100 within {cost.capture_p99_us:.0f} us; critical {cost.critical_us:.0f} us"
    yield Figure("capture", cost.capture_us, CAPTURE_US, "us", detail)
    ratio = cost.capture_us / cost.logging_us
    yield Figure("to logging", ratio, 1.0, "x", f"logging to a file {cost.logging_us:.0f} us")


def measure_storm(captures: int) -> Iterator[Figure]:
    """Yield by how many megabytes memory grows after the first tenth of a storm."""
    clock = ManualClock()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        database = StateDatabase(f"sqlite:///{folder}/state.db", clock)
        store = JournalStore(database)
        with ErrorJournal(
            store, clock, run_id="bench", component="bench", spill_folder=Path(folder)
        ) as journal:
            _storm(journal, clock, captures // 10)
            early = _resident_megabytes()
            _storm(journal, clock, captures - captures // 10)
            late = _resident_megabytes()
        counted = sum(group.count for group in store.groups(limit=FINGERPRINTS * 2))
        dropped = journal.summary().dropped
        database.close()
    if counted != captures:
        raise SystemExit(f"{captures} failures were captured and {counted} counted ({dropped=})")
    seconds = time.perf_counter() - started
    detail = f"{captures} failures in {seconds:.0f} s: {early:.0f} MB, then {late:.0f} MB"
    yield Figure("storm", late - early, GROWTH_MEGABYTES, "MB", detail)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5_000, help="captures (default: 5000)")
    parser.add_argument("--storm", type=int, default=STORM, help="failures of the storm")
    parser.add_argument("--full", action="store_true", help="a storm of 10 million")
    parser.add_argument("--only", choices=["capture", "storm"], help="measure one thing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    if options.only != "storm":
        figures.extend(measure_cost(options.rounds))
    if options.only != "capture":
        figures.extend(measure_storm(FULL_STORM if options.full else options.storm))
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


def _storm(journal: ErrorJournal, clock: ManualClock, captures: int) -> None:
    """Capture in bursts; the clock moves as if ``FULL_STORM`` failures took an hour."""
    for start in range(0, captures, BURST):
        for number in range(start, min(start + BURST, captures)):
            journal.capture(_error(number % FINGERPRINTS, number))
        clock.advance(BURST * HOUR_S / FULL_STORM)
        while journal.backlog > BACKLOG:
            journal.flush(60)
    journal.flush(60)


def _error(form: int, number: int) -> StrategyExecutionError:
    letters = chr(97 + form // 26) + chr(97 + form % 26)
    return StrategyExecutionError(
        f"strategy {letters} failed at tick {number}",
        why="It raised KeyError.",
        next_step="Look at the strategy.",
        context={"tick": number},
    )


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
