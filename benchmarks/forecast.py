"""Whether forecasts keep their promises on data of known truth, and how fast they are.

Run it as ``python benchmarks/forecast.py [--runs N] [--rows N] [--rounds N] [--json]``.

Data are simulated for 2,000 scored windows of an hour. On homogeneous Poisson events there is
nothing to forecast: the figure is how many of the runs abstain, over rates from one in ten hours
to two an hour and over histories from 60 windows on. On a planted daily rhythm and on planted
self-excitation (a Hawkes process by Ogata's thinning) it is the runs with skill, the median skill
in log-loss and the mean calibration error. Then a journal gets N minutes with errors of twenty
codes, and ``errors forecast`` over all of them is measured in turns with a bare SQL count of the
same rows. Exits 1 when a target is missed.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
from figures import Figure, all_met, printed
from numpy.typing import NDArray
from sqlalchemy import func, insert, select

from alchemiser_cli.clock import NS_PER_SECOND, SystemClock
from alchemiser_cli.errors.forecast import forecast
from alchemiser_cli.errors.forecast.excitation import History
from alchemiser_cli.errors.forecast.rolling import Scores, Windows, rolling_origin, score
from alchemiser_cli.state import StateDatabase, error_minute

__all__ = ["hawkes", "main", "measure_skill", "measure_speed", "periodic", "poisson", "scored"]

START = 28_000_000  # minutes since 1970: March 2023
HOUR, DAY = 60, 1_440  # minutes
CODES = 20
ROWS_AT_ONCE = 50_000
ABSTAIN = 0.95
CALIBRATION = 0.05
SECONDS = 10.0

Minutes = NDArray[np.int64]
Random = np.random.Generator


def poisson(random: Random, rate: float, minutes: int) -> Minutes:
    """Return event minutes of a constant rate an hour."""
    times = random.integers(minutes, size=random.poisson(rate / HOUR * minutes))
    return np.unique(times) + START


def periodic(random: Random, rate: float, minutes: int) -> Minutes:
    """Return event minutes whose rate an hour swings by nine tenths over each day."""
    times = poisson(random, 2 * rate, minutes)
    kept = 0.5 + 0.45 * np.sin(2 * np.pi * times / DAY)
    return times[random.uniform(size=len(times)) < kept]


def hawkes(
    random: Random, rate: float, minutes: int, *, branching: float, half_life: float
) -> Minutes:
    """Return event minutes of a base rate an hour, each event bringing on ``branching`` more.

    Source: Ogata, "On Lewis' simulation method for point processes", 1981.
    """
    base, decay = rate / HOUR, math.log(2) / half_life
    times: list[int] = []
    now, excited = 0.0, 0.0
    while True:
        bound = base + excited
        wait = random.exponential(1 / bound)
        now += wait
        if now >= minutes:
            return np.unique(np.array(times, dtype=np.int64)) + START
        excited *= math.exp(-decay * wait)
        if random.uniform() * bound <= base + excited:
            times.append(int(now))
            excited += branching * decay


def scored(events: Minutes, windows: int) -> Scores:
    """Return the scores of events that were observed for so many windows of an hour."""
    grid = Windows(START, START + windows * HOUR, HOUR)
    return score([rolling_origin(History(events, START), grid)], block=grid.a_day)


def measure_skill(runs: int) -> Iterator[Figure]:
    """Yield how often there is skill where there is something to forecast, and where not."""
    quiet = []
    for seed in range(runs):
        random = np.random.default_rng(seed)
        windows = (60, 100, 400, 2_667)[seed % 4]
        rate = (0.1, 0.5, 2.0)[seed % 3] if windows > 400 else 0.5
        quiet.append(not scored(poisson(random, rate, windows * HOUR), windows).significant)
    yield Figure(
        "abstains on Poisson", statistics.mean(quiet), ABSTAIN, "", f"{runs} runs", at_least=True
    )
    planted: dict[str, Callable[[Random, int], Minutes]] = {
        "periodic": lambda random, minutes: periodic(random, 0.3, minutes),
        "self-exciting": lambda random, minutes: hawkes(
            random, 0.1, minutes, branching=0.6, half_life=30
        ),
    }
    few = max(5, runs // 10)
    for name, made in planted.items():
        found = [
            scored(made(np.random.default_rng(seed), 2_667 * HOUR), 2_667) for seed in range(few)
        ]
        share = statistics.mean(one.significant for one in found)
        yield Figure(f"skill, {name}", share, ABSTAIN, "", f"{few} runs", at_least=True)
        skill = statistics.median(one.skill.mean for one in found)
        yield Figure(f"log-loss saved, {name}", skill * 100, None, "%", "median")
        error = statistics.mean(one.calibration_error for one in found)
        worst = max(one.calibration_error for one in found)
        yield Figure(f"ECE, {name}", error, CALIBRATION, "", f"mean; worst {worst:.3f}")


def measure_speed(rows: int, rounds: int) -> Iterator[Figure]:
    """Yield the seconds of a forecast over ``rows`` of the journal, and their ratio to a count."""
    with tempfile.TemporaryDirectory() as folder:
        database = StateDatabase(f"sqlite:///{folder}/state.db", SystemClock())
        end = _fill(database, rows)
        counting, forecasting = [], []
        for _ in range(rounds):
            counting.append(_seconds(lambda: _count(database)))
            forecasting.append(_seconds(lambda: forecast(database, end * HOUR * NS_PER_SECOND)))
        database.close()
    took, count = (min(times) for times in (forecasting, counting))
    detail = f"{rows:,} rows, {CODES} codes; {took[1]:.1f} s by the wall"
    yield Figure("forecast, CPU", took[0], SECONDS, "s", detail)
    yield Figure("ratio to a count", took[0] / count[0], None, "", f"of {count[0] * 1e3:.0f} ms")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the figures, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = [*measure_skill(options.runs), *measure_speed(options.rows, options.rounds)]
    print(printed(figures, as_json=options.json, runs=options.runs, rows=options.rows))
    return 0 if all_met(figures) else 1


def _fill(database: StateDatabase, rows: int) -> int:
    """Add ``rows`` minutes of errors, of 400 days at most; return the minute after the last."""
    random = np.random.default_rng(0)
    each = rows // CODES
    span = min(400 * DAY - 1, max(each * 4, each + 1))
    for code in range(CODES):
        minutes = START + np.sort(random.choice(span, each, replace=False))
        for start in range(0, each, ROWS_AT_ONCE):
            values = [
                {
                    "minute": minute,
                    "code": f"code-{code}",
                    "component": "bench",
                    "injected": False,
                    "count": 1,
                    "criticals": int(code == 0),
                    "recovered": 0,
                }
                for minute in minutes[start : start + ROWS_AT_ONCE].tolist()
            ]
            with database.begin() as connection:
                connection.execute(insert(error_minute), values)
    return START + span


def _count(database: StateDatabase) -> int:
    with database.begin() as connection:
        return int(connection.execute(select(func.count()).select_from(error_minute)).scalar_one())


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of this process, which a busy machine changes little, and by the wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    sys.exit(main())
