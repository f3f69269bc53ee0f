"""What capturing a failure costs its caller, beside logging the same exception to a file."""

import gc
import logging
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.errors.context import operation
from alchemiser_cli.errors.journal.journal import ErrorJournal
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.errors.storage import StateUnreachableError
from alchemiser_cli.errors.trading import StrategyExecutionError
from alchemiser_cli.state import StateDatabase

__all__ = ["CaptureCost", "measure_capture"]

DEPTH = 10
CRITICALS_SHARE = 20


class CaptureCost(msgspec.Struct, frozen=True, kw_only=True):
    """Medians in microseconds, taken in turns in one run.

    ``capture_us`` is a failure that is not critical; ``critical_us`` one that is written through;
    ``logging_us`` is ``Logger.error`` with the traceback to a file.
    """

    rounds: int
    capture_us: float
    capture_p99_us: float
    critical_us: float
    logging_us: float
    dropped: int


def measure_capture(folder: Path, clock: Clock, rounds: int = 2_000) -> CaptureCost:
    """Capture ``rounds`` failures that passed ten frames and an operation, into a new journal.

    Raises:
        DatabaseError: as for ``JournalStore``.
    """
    database = StateDatabase(f"sqlite:///{folder / 'state.db'}", clock)
    store = JournalStore(database)
    store.groups()  # the tables are made before anything is timed
    journal = ErrorJournal(
        store, clock, run_id="bench", component="bench", spill_folder=folder / "logs"
    )
    logger, output = _file_logger(folder / "baseline.log")
    captures, criticals, logs = [], [], []
    gc.collect()
    try:
        for number in range(rounds):
            error = _failed(StrategyExecutionError, number)
            captures.append(_timed(clock, partial(journal.capture, error)))
            logs.append(_timed(clock, partial(logger.error, "strategy failed", exc_info=error)))
            if number % CRITICALS_SHARE == 0:
                critical = _failed(StateUnreachableError, number)
                criticals.append(_timed(clock, partial(journal.capture, critical)))
    finally:
        journal.close()
        database.close()
        logger.removeHandler(output)
        output.close()
    return CaptureCost(
        rounds=rounds,
        capture_us=statistics.median(captures) / 1e3,
        capture_p99_us=sorted(captures)[rounds * 99 // 100] / 1e3,
        critical_us=statistics.median(criticals) / 1e3,
        logging_us=statistics.median(logs) / 1e3,
        dropped=journal.summary().dropped,
    )


def _timed(clock: Clock, call: Callable[[], object]) -> int:
    started_ns = clock.monotonic_ns()
    call()
    return clock.monotonic_ns() - started_ns


def _failed(kind: type[AlchemiserError], number: int) -> AlchemiserError:
    """Return an error with a traceback, a cause and a context, as a real one has."""

    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        try:
            raise KeyError(f"symbol {number}")  # noqa: TRY301  a cause with a frame
        except KeyError as cause:
            raise kind(
                f"strategy 'momentum' failed at tick {number}",
                why="It raised KeyError.",
                next_step="Look at the strategy.",
                context={"symbol": "SPY", "tick": number},
            ) from cause

    try:
        with operation("run strategies", component="strategies", symbol="SPY"):
            fail(DEPTH)
    except AlchemiserError as error:
        return error
    return kind("unreachable", why="fail() raises.", next_step="None.")


def _file_logger(file: Path) -> tuple[logging.Logger, logging.Handler]:
    output = logging.FileHandler(file)
    output.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("alchemiser_bench_baseline")
    logger.propagate = False
    logger.addHandler(output)
    return logger, output
