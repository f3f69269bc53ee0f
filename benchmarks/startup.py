"""How long `alchemiser` takes to start, as ratios to a bare Typer app in the same run.

Run it as ``python benchmarks/startup.py [--rounds N] [--only NAME] [--json]``.

The baseline is the ``--help`` of a two-command Typer app, run by the same interpreter. Each round
runs the baseline right before the command, so that both see the same machine; the figure is the
median of the rounds' ratios. The demo is measured by itself: wall time and peak memory. Exits 1
when a target is missed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, all_met, printed

__all__ = ["main", "measure_demo", "measure_ratio"]

ROOT = Path(__file__).resolve().parents[1]
BARE_APP = '''\
import typer

app = typer.Typer()


@app.command()
def first(name: str) -> None:
    """Say hello."""


@app.command()
def second(count: int = 1) -> None:
    """Count."""


app()
'''
# name: (arguments, largest ratio to the bare app's --help)
RATIOS = {
    "help": (["--help"], 1.5),
    "version": (["--version"], 1.2),
    "preflight": (["preflight", "--only", "runtime"], 3.0),
}
DEMO_SECONDS = 60.0
DEMO_MEGABYTES = 400.0


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    peak_megabytes: float


def measure_ratio(
    name: str, command: list[str], baseline: list[str], *, target: float, rounds: int
) -> Figure:
    """Run ``baseline`` and ``command`` in turns and return the median of their ratios."""
    with tempfile.TemporaryDirectory() as home:
        environ = _environ(home)
        for warm_up in (baseline, command):
            _run(warm_up, environ)
        pairs = [(_run(baseline, environ), _run(command, environ)) for _ in range(rounds)]
    ratio = statistics.median(ours.seconds / bare.seconds for bare, ours in pairs)
    bare_ms = statistics.median(bare.seconds for bare, _ in pairs) * 1e3
    our_ms = statistics.median(ours.seconds for _, ours in pairs) * 1e3
    detail = f"{our_ms:.0f} ms against {bare_ms:.0f} ms"
    return Figure(name, ratio, target, "x", detail)


def measure_demo(command: list[str]) -> Iterator[Figure]:
    """Run the demo once in a fresh home; yield its wall time and its peak resident memory."""
    with tempfile.TemporaryDirectory() as home:
        run = _run(command, _environ(home))
    yield Figure("demo time", run.seconds, DEMO_SECONDS, "s", "one run, fresh home")
    yield Figure("demo memory", run.peak_megabytes, DEMO_MEGABYTES, "MB", "peak resident")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table or JSON, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="pairs of runs (default: 15)")
    parser.add_argument("--only", choices=[*RATIOS, "demo"], help="measure one thing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = list(_figures(options.only, options.rounds))
    print(printed(figures, as_json=options.json))
    return 0 if all_met(figures) else 1


def _figures(only: str | None, rounds: int) -> Iterator[Figure]:
    program = _program()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bare.py"
        script.write_text(BARE_APP, encoding="utf-8")
        baseline = [sys.executable, str(script), "--help"]
        for name, (arguments, target) in RATIOS.items():
            if only in (None, name):
                command = [*program, *arguments]
                yield measure_ratio(name, command, baseline, target=target, rounds=rounds)
    if only in (None, "demo"):
        yield from measure_demo([*program, "demo"])


def _program() -> list[str]:
    """Return the installed entry point of this interpreter, else the package run as a module."""
    script = Path(sys.executable).with_name("alchemiser")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "alchemiser_cli"]


def _environ(home: str) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")}
    return inherited | {
        "HOME": home,
        "ALCHEMISER_HOME": f"{home}/state",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }


def _run(command: list[str], environ: Mapping[str, str]) -> Run:
    """Run to the end without a terminal; the operating system tells the peak of this child."""
    with tempfile.TemporaryFile() as complaint:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=complaint
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            complaint.seek(0)
            reason = complaint.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} exited {process.returncode}:\n{reason}")
    return Run(seconds, peak_megabytes=usage.ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    sys.exit(main())
