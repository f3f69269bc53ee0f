"""How well patterns are found, how often they are seen where there are none, and how fast.

Run it as ``python benchmarks/patterns.py [--runs N] [--rows N] [--json]``.

Journals without any pattern: twelve errors at constant rates of 0.2 to 20 a day (Poisson), over 14
to 90 days; the figure is the share of journals in which anything is shown, to be at most the level
plus two standard errors. Journals with known truth: twelve errors at 0.3 to 4 a day over 60 days,
and planted among them one that comes between 14:00 and 15:00 on half the days, one on Mondays, one
that follows another after two minutes in half the cases, two that share forty hours, and one after
the market's opening on half the days. Found is what is shown of these; false is what is shown of
anything else. Whoever comes right at the opening also comes at that hour, so either says it.

Speed: a journal of N failures of 80 kinds over 90 days, read and searched by a process of its own,
with the wall time and the most memory of that process; ``import numpy, sqlalchemy`` stands beside.
Exits 1 when a target is missed.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from figures import Figure, all_met, line, machine, printed
from numpy.typing import NDArray
from sqlalchemy import insert

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors.patterns import History, Pattern, Sessions, find_patterns, history_of
from alchemiser_cli.state import StateDatabase, error_minute, error_occurrence

__all__ = ["main", "planted_journal", "quiet_journal"]

DAY_S = 86_400
MINUTE_NS = 60_000_000_000
FIRST_DAY = 20_000
KINDS = 12
WIDTH = 22
LEVEL = 0.05
SPEED_S = 8.0
MEMORY_MB = 500.0
BATCH = 20_000

Floats = NDArray[np.float64]

_SEARCH = """
import json, resource, sys, time
began = time.perf_counter()
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors.patterns import find_patterns, read_history
from alchemiser_cli.state import StateDatabase
clock = SystemClock()
history = read_history(StateDatabase(sys.argv[1], clock), since_ns=0, until_ns=int(sys.argv[2]))
read = time.perf_counter() - began
report = find_patterns(history)
whole = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
took = [whole, read, time.process_time(), peak]
print(json.dumps([*took, report.errors, sum(report.tests.values()), report.passed]))
"""


def quiet_journal(seed: int) -> History:
    """Return errors at constant rates and nothing else."""
    rng = np.random.default_rng(seed)
    days = int(rng.choice([14, 30, 60, 90]))
    return _history(_at_random(rng, days, 0.2, 20.0), days)


def planted_journal(seed: int) -> History:
    """Return sixty days with the five patterns of the module's docstring among errors at random."""
    rng = np.random.default_rng(seed)
    days = 60
    times = _at_random(rng, days, 0.3, 4.0)
    day = np.arange(days)
    hourly = day * DAY_S + 14 * 3_600 + rng.uniform(0, 3_600, days)
    times[0] = np.append(times[0], hourly[rng.random(days) < 0.5])
    mondays = day[_weekday(day) == 0]
    weekly = np.repeat(mondays, rng.poisson(4, len(mondays))) * DAY_S
    times[1] = np.append(rng.uniform(0, days * DAY_S, rng.poisson(0.3 * days)), weekly)
    times[1][-len(weekly) :] += rng.uniform(0, DAY_S, len(weekly))
    followed = times[2][rng.random(len(times[2])) < 0.5]
    times[3] = np.append(times[3], followed + rng.normal(120, 20, len(followed)))
    together = rng.uniform(0, days * DAY_S, 40)
    for one in (4, 5):
        times[one] = np.append(times[one], together + rng.uniform(0, 2_400, 40))
    opens = _sessions(days).opens_s - FIRST_DAY * DAY_S
    late = opens + rng.uniform(0, 1_700, len(opens))
    times[6] = np.append(times[6], late[rng.random(len(opens)) < 0.5])
    return _history([one % (days * DAY_S) for one in times], days)


def measure_truth(runs: int) -> Iterator[Figure]:
    """Yield the shares of false and of found patterns over ``runs`` journals of each sort."""
    shown = 0
    for seed in range(runs):
        history = quiet_journal(seed)
        shown += bool(find_patterns(history, _sessions(history.days), seed=seed).patterns)
    bound = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / runs)
    detail = f"{shown} of {runs} journals without a pattern"
    yield Figure("shown where is none", 100 * shown / runs, 100 * bound, "%", detail)

    found: dict[str, int] = dict.fromkeys(PLANTED, 0)
    false = every = 0
    for seed in range(runs):
        history = planted_journal(10_000 + seed)
        patterns = find_patterns(history, _sessions(history.days), seed=seed).patterns
        names = [_planted(one) for one in patterns]
        for name in found:
            found[name] += name in names
        every += len(names)
        false += names.count(None)
    for name, count in found.items():
        yield Figure(name, 100 * count / runs, 80.0, "%", f"{count} of {runs} found", at_least=True)
    yield Figure("false", 100 * false / every, 5.0, "%", f"{false} of {every} that were shown")


PLANTED = ("hour of the day", "day of the week", "what follows", "same hours", "market opens")


def _planted(one: Pattern) -> str | None:
    """Return which planted pattern this is, or None for a false one."""
    truth = {
        "c0": ("hour of the day", "market opens"),
        "c1": ("day of the week",),
        "c6": ("market opens", "hour of the day"),
    }
    if one.kind == "time":
        names = truth.get(one.code, ())
        return names[0] if one.test in names else None
    if {one.code, one.other} == {"c2", "c3"}:
        return "what follows" if one.test == "same hours" or one.code == "c2" else None
    return "same hours" if {one.code, one.other} == {"c4", "c5"} else None


def measure_speed(rows: int) -> Iterator[Figure]:
    """Yield the wall time and memory of a search over ``rows`` failures."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'state.db'}"
        now_ns = _fill(url, rows)
        bare = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import numpy, sqlalchemy"], check=True)
        bare = time.perf_counter() - bare
        command = [sys.executable, "-c", _SEARCH, url, str(now_ns)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        whole, read, cpu, peak, errors, tests, passed = json.loads(done.stdout)
    detail = f"{errors:,} errors, {tests:,} tests, {passed} passed; reading {read:.1f} s"
    yield Figure("search", whole, SPEED_S, "s", f"{detail}, CPU {cpu:.1f} s, imports {bare:.1f} s")
    yield Figure("most memory", peak, MEMORY_MB, "MB")


def _fill(url: str, rows: int) -> int:
    """Store failures in clumps at random, straight into the tables; return the end of the days."""
    database = StateDatabase(url, SystemClock())
    rng = np.random.default_rng(1)
    days, kinds, clump = 90, 80, 5
    minute = np.repeat(rng.integers(0, days * 1_440, rows // clump), clump)
    minute = minute + rng.integers(0, 4, len(minute)) + FIRST_DAY * 1_440
    kind = np.repeat(rng.integers(0, kinds, rows // clump), clump)
    at_ns = minute * MINUTE_NS + rng.integers(0, MINUTE_NS, len(minute))
    text = '  File "consumer.py", line 101, in poll\n' * 10
    for start in range(0, len(minute), BATCH):
        part = range(start, min(start + BATCH, len(minute)))
        with database.begin() as connection:
            connection.execute(
                insert(error_occurrence),
                [_failure(i, int(kind[i]), int(at_ns[i]), text) for i in part],
            )
    keys, counts = np.unique(np.stack([minute, kind]), axis=1, return_counts=True)
    with database.begin() as connection:
        for start in range(0, len(counts), BATCH):
            part = range(start, min(start + BATCH, len(counts)))
            connection.execute(
                insert(error_minute),
                [_minute(int(keys[0, i]), int(keys[1, i]), int(counts[i])) for i in part],
            )
    database.close()
    return int(at_ns.max())


def _failure(number: int, kind: int, at_ns: int, text: str) -> dict[str, object]:
    said = dict.fromkeys(("what", "why", "next_step"), "the thing at h1 failed after 3 tries")
    return said | {
        "id": f"{number:032x}",
        "fingerprint": f"{kind:032x}",
        "at_ns": at_ns,
        "code": f"c{kind % 20}",
        "severity": "medium",
        "component": f"part-{kind // 20}",
        "operation": "consume",
        "run_id": "1",
        "context": "{}",
        "causes": "[]",
        "traceback": text,
        "recovered": False,
        "injected": False,
        "count": 1,
    }


def _minute(minute: int, kind: int, count: int) -> dict[str, object]:
    return {
        "minute": minute,
        "code": f"c{kind % 20}",
        "component": f"part-{kind // 20}",
        "injected": False,
        "count": count,
        "criticals": 0,
        "recovered": 0,
    }


def _at_random(rng: np.random.Generator, days: int, least: float, most: float) -> list[Floats]:
    rates = np.exp(rng.uniform(math.log(least), math.log(most), KINDS))
    return [rng.uniform(0, days * DAY_S, rng.poisson(rate * days)) for rate in rates]


def _history(times: list[Floats], days: int) -> History:
    minutes = {
        (f"c{kind}", "consumer"): np.unique((at // 60).astype(np.int64)) + FIRST_DAY * 1_440
        for kind, at in enumerate(times)
    }
    return history_of(minutes, first_day=FIRST_DAY, days=days)


def _sessions(days: int) -> Sessions:
    day = np.arange(days)
    trading = ((FIRST_DAY + day[_weekday(day) < 5]) * DAY_S).astype(np.float64)
    return Sessions(opens_s=trading + 14.5 * 3_600, closes_s=trading + 21 * 3_600)


def _weekday(day: NDArray[np.int64]) -> NDArray[np.int64]:
    return (day + FIRST_DAY + 3) % 7


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="journals (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = []
    if not options.json:
        print(machine())
    for measured in (measure_truth(options.runs), measure_speed(options.rows)):
        for figure in measured:
            figures.append(figure)
            if not options.json:
                print(line(figure, WIDTH), flush=True)
    if options.json:
        print(printed(figures, as_json=True, runs=options.runs, rows=options.rows))
    return 0 if all_met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
