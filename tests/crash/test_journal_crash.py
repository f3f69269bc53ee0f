"""A process that is killed at any moment loses no critical failure that it acknowledged.

``CRASH=full`` kills 200 times, otherwise 10 times.
"""

import os
import random
import sqlite3
import subprocess
import sys
import threading

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import StrategyExecutionError
from alchemiser_cli.errors.journal import record_once
from alchemiser_cli.state import StateDatabase

KILLS = 200 if os.environ.get("CRASH") == "full" else 10

VICTIM = """
import os, sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase

home = Path(sys.argv[1])
clock = SystemClock()
database = StateDatabase(f"sqlite:///{home}/state.db", clock, connect_timeout_s=float(sys.argv[2]))
journal = ErrorJournal(
    JournalStore(database), clock, run_id="r", component="c", spill_folder=home / "logs"
)
number = 0
while True:
    number += 1
    for form in "abc":
        journal.capture(StrategyExecutionError(f"{form} {number}", why="w", next_step="n"))
    error_id = journal.capture(BrokerUnreachableError(f"number {number}", why="w", next_step="n"))
    os.write(1, error_id.encode() + b"\\n")
"""


def _killed(home, chance, *, timeout_s="5"):
    """Run the victim, kill it at a random moment after its first line; return what it printed."""
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(home), timeout_s], stdout=subprocess.PIPE
    )
    first = victim.stdout.readline()
    timer = threading.Timer(chance.uniform(0.0, 0.3), victim.kill)
    timer.start()
    acknowledged = (first + victim.stdout.read()).split(b"\n")
    timer.join()
    victim.stdout.close()
    assert victim.wait(10) == -9
    return {line.decode() for line in acknowledged if len(line) == 32}


def _journalled(home):
    """Take in what was spilled, and return the ids in the database."""
    clock = SystemClock()
    database = StateDatabase(f"sqlite:///{home}/state.db", clock)
    done = record_once(
        database,
        clock,
        home / "logs",
        StrategyExecutionError("the next run", why="w", next_step="n"),
        component="c",
        operation="o",
        run_id="r",
    )
    database.close()
    assert done.journalled
    with sqlite3.connect(home / "state.db") as connection:
        found = {row[0] for row in connection.execute("SELECT id FROM error_occurrence")}
        (grouped,) = connection.execute("SELECT sum(count) FROM error_group").fetchone()
        (counted,) = connection.execute("SELECT sum(count) FROM error_occurrence").fetchone()
    connection.close()
    assert grouped == counted
    return found


@pytest.mark.timeout(1_800)
def test_killed_at_random_moments_it_loses_no_acknowledged_critical(tmp_path):
    chance = random.Random(20_170)  # noqa: S311  the moments of death
    acknowledged = set()
    for _ in range(KILLS):
        acknowledged |= _killed(tmp_path, chance)
    assert len(acknowledged) > KILLS
    assert acknowledged <= _journalled(tmp_path)


@pytest.mark.timeout(1_800)
def test_killed_while_another_process_locks_the_database(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", SystemClock())
    with database.begin():
        pass
    database.close()
    chance = random.Random(1_848)  # noqa: S311  the moments of death
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    acknowledged = set()
    for _ in range(max(3, KILLS // 10)):
        acknowledged |= _killed(tmp_path, chance, timeout_s="0.1")
    other.close()
    assert len(acknowledged) > 3
    assert acknowledged <= _journalled(tmp_path)
