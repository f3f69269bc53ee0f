"""How fast the journal answers when it holds a million failures, and how fast it takes them.

Run it as ``python benchmarks/journal_rows.py [COMMAND ...] [--rows N] [--rounds N] [--json]``: each
COMMAND is a quoted command line of alchemiser, by default ``errors list`` and ``health status``.

A fresh home gets N failures of 200 fingerprints over the last 24 hours, in batches of 500 as the
journal's writer stores them; that is timed, a capture. Then each command runs in turn with its
baselines, ``import sqlalchemy`` in a bare interpreter and ``alchemiser --version``, which read no
row; the figure is the median wall time of the rounds. A command may find the system unhealthy: any
exit code counts but those of a wrong command line and of a defect. Exits 1 when a target is missed.
"""

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from figures import Figure, all_met, line, machine, printed

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import error_codes
from alchemiser_cli.errors.journal import Captured, Cause
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import StateDatabase

__all__ = ["fill", "main", "measure_commands", "measure_reads"]

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ["errors list", "health status"]
COMMAND_MS = 700.0
READ_MS = 50.0
APPEND_MICROSECONDS = 50.0  # 20,000 captures a second
BATCH = 500
WIDTH = 20
FINGERPRINTS = 200
COMPONENTS = ("consume", "feed", "paper-broker", "replay")
DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
TRACEBACK = '  File "consumer.py", line 101, in poll\n    self._decode(message)\n' * 12


def fill(store: JournalStore, rows: int, now_ns: int) -> Figure:
    """Append ``rows`` failures and return what one of them took; making them is not timed."""
    batches = []
    for start in range(0, rows, BATCH):
        captures = [
            _capture(number, now_ns - DAY_NS + (number + 1) * (DAY_NS // rows))
            for number in range(start, min(start + BATCH, rows))
        ]
        started = time.perf_counter()
        store.append(captures)
        batches.append((time.perf_counter() - started) / len(captures) * 1e6)
    tenth = max(1, len(batches) // 10)
    first, last = statistics.mean(batches[:tenth]), statistics.mean(batches[-tenth:])
    mean = statistics.mean(batches)
    detail = f"{1e6 / mean:,.0f}/s; first tenth {first:.0f} us, last tenth {last:.0f} us"
    return Figure("append", mean, APPEND_MICROSECONDS, "us", detail)


def measure_reads(store: JournalStore, now_ns: int, rounds: int) -> Iterator[Figure]:
    """Yield how long one answer of the store takes in this process, the median of the rounds."""
    minute = now_ns // MINUTE_NS
    reads: dict[str, Callable[[], object]] = {
        "groups": lambda: store.groups(limit=1_000),
        "totals, 1 hour": lambda: store.totals(minute - 60),
        "totals, 24 hours": lambda: store.totals(minute - 1_440),
        "criticals, 5 min": lambda: store.criticals_since(now_ns - 5 * MINUTE_NS),
    }
    for name, read in reads.items():
        seconds = []
        for _ in range(rounds):
            started = time.perf_counter()
            read()
            seconds.append(time.perf_counter() - started)
        target = None if name == "totals, 24 hours" else READ_MS
        yield Figure(name, statistics.median(seconds) * 1e3, target, "ms", "in this process")


def measure_commands(commands: list[str], home: Path, rounds: int) -> Iterator[Figure]:
    """Yield the wall time of the baselines and of each command, run in turns."""
    lines = {
        "import sqlalchemy": [sys.executable, "-c", "import sqlalchemy"],
        "--version": [*_program(), "--version"],
        **{command: [*_program(), *shlex.split(command)] for command in commands},
    }
    environ = _environ(home)
    seconds: dict[str, list[float]] = {name: [] for name in lines}
    codes = {name: _run(words, environ)[1] for name, words in lines.items()}  # and warm up
    for _ in range(rounds):
        for name, words in lines.items():
            seconds[name].append(_run(words, environ)[0])
    for name, took in seconds.items():
        target = COMMAND_MS if name in commands else None
        detail = f"{rounds} rounds, best {min(took) * 1e3:.0f} ms, exit code {codes[name]}"
        yield Figure(name, statistics.median(took) * 1e3, target, "ms", detail)


def main(arguments: list[str] | None = None) -> int:
    """Fill, measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="default: %(default)s")
    parser.set_defaults(commands=COMMANDS)
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = []
    if not options.json:
        print(f"{machine()}, {options.rows:,} rows")
    for figure in _figures(options.commands, options.rows, options.rounds):
        figures.append(figure)
        if not options.json:
            print(line(figure, WIDTH), flush=True)  # the next one may take minutes
    if options.json:
        print(printed(figures, as_json=True, rows=options.rows))
    return 0 if all_met(figures) else 1


def _figures(commands: list[str], rows: int, rounds: int) -> Iterator[Figure]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        database = StateDatabase(f"sqlite:///{home / 'state.db'}", clock)
        store = JournalStore(database)
        now_ns = clock.now_ns()
        yield fill(store, rows, now_ns)
        yield from measure_reads(store, now_ns, rounds)
        database.close()
        yield from measure_commands(commands, home, rounds)


def _capture(number: int, at_ns: int) -> Captured:
    kind = number * 7_919 % FINGERPRINTS  # neighbours in time are of different kinds
    code = _CODES[kind % len(_CODES)]
    component = COMPONENTS[kind % len(COMPONENTS)]
    template = f"the {kind}th thing at * failed after * tries"
    return Captured(
        id=uuid.uuid4().hex,
        fingerprint=fingerprint(code, component, template),
        template=template,
        at_ns=at_ns,
        code=code,
        severity="critical" if kind % 50 == 0 else "medium",
        component=component,
        operation="alchemiser consume",
        run_id="0123456789abcdef",
        what=f"the {kind}th thing at h{number} failed after 3 tries",
        why="Nobody listens at this address.",
        next_step="Start it, or correct the address in the settings.",
        context={"topic": "market.ticks", "partition": number % 4, "offset": number},
        causes=[Cause("ConnectionRefusedError", "refused")],
        traceback=TRACEBACK,
        recovered=number % 3 == 0,
    )


_CODES = [entry.code for entry in error_codes()][:20]


def _program() -> list[str]:
    """Return the installed entry point of this interpreter, else the package run as a module."""
    script = Path(sys.executable).with_name("alchemiser")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "alchemiser_cli"]


def _environ(home: Path) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")}
    return inherited | {
        "HOME": str(home.parent),
        "ALCHEMISER_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }


def _run(command: list[str], environ: Mapping[str, str]) -> tuple[float, int]:
    """Run to the end without a terminal; return the seconds and the exit code."""
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environ, cwd=environ["HOME"], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode in (ExitCode.USAGE, ExitCode.INTERNAL):
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}:\n{done.stderr}")
    return seconds, done.returncode


if __name__ == "__main__":
    sys.exit(main())
