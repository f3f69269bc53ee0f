"""Faults at the state database: each word comes out as the coded error of the real failure."""

import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from sqlalchemy import func, select

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import (
    DiskFullError,
    MessageProcessingError,
    StateUnreachableError,
    error_class,
)
from alchemiser_cli.errors.journal import ErrorJournal, JournalStore
from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.state import StateDatabase, circuit_breaker, error_occurrence

PLACE = "state.write"
RAISED = {
    "state-unreachable": StateUnreachableError,
    "database-locked": StateUnreachableError,
    "input-output": StateUnreachableError,
    "disk-full": DiskFullError,
}
PATIENCE_S = 10.0
VICTIM = """
import sys
from sqlalchemy import insert
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.state import StateDatabase, alert_cursor
database = StateDatabase(sys.argv[1], SystemClock())
def add(source):
    with database.begin() as connection:
        connection.execute(insert(alert_cursor).values(source=source, position="1", at_ns=0))
add("before")
fault_point("state.write").arm(Armed(Fault(kind=FaultKind.KILL), 60, target="state.write"))
add("after")
"""


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


@pytest.fixture
def database(tmp_path):
    with closing(StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock())) as database:
        yield database


def arm(word, **more):
    point = fault_point(PLACE)
    kind = point.target.kind_of(word)
    said = word if kind in (FaultKind.RAISE, FaultKind.DENY) else ""
    armed = Armed(Fault(kind=kind, word=said, **more), 30, target=PLACE)
    point.arm(armed)
    return armed


def count(database, table=circuit_breaker):
    with database.begin() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_every_word_of_this_place_is_tested_here():
    words = next(set(target.words) for target in CATALOGUE if target.name == PLACE)
    assert words == {*RAISED, "delay", "kill"}


@pytest.mark.provokes("state-unreachable", "disk-full")
def test_what_is_denied_comes_out_as_the_coded_error_and_is_over_afterwards(database):
    for word, kind in RAISED.items():
        arm(word)
        with pytest.raises(kind) as caught:
            count(database)
        assert caught.value.injected, word
        disarm_all()
        assert count(database) == 0


def test_a_real_failure_is_not_called_injected(tmp_path):
    with closing(StateDatabase(f"sqlite:///{tmp_path}", ManualClock())) as database:
        with pytest.raises(StateUnreachableError) as caught:
            count(database)
        assert not caught.value.injected


def test_a_delay_makes_a_transaction_late_and_no_more(database):
    armed = arm("delay", amount=0.05, count=1)
    begun = time.monotonic()
    assert count(database) == 0
    assert time.monotonic() - begun >= 0.05
    assert armed.strikes.count == 1


def test_who_looks_after_faults_does_not_suffer_them(tmp_path):
    armed = arm("database-locked")
    watcher = StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock(), suffers=False)
    with closing(watcher):
        assert count(watcher) == 0
    assert armed.strikes.count == 0


def test_a_process_that_is_killed_there_leaves_what_it_committed(tmp_path):
    url = f"sqlite:///{tmp_path}/state.db"
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, url], capture_output=True, check=False, timeout=60
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    from alchemiser_cli.state import alert_cursor

    with closing(StateDatabase(url, ManualClock())) as database, database.begin() as connection:
        sources = connection.execute(select(alert_cursor.c.source)).scalars().all()
    assert sources == ["before"]


@pytest.mark.parametrize("word", ["database-locked", "disk-full"])
def test_the_journal_spills_while_its_database_refuses_and_takes_everything_in_later(
    tmp_path, word
):
    clock = SystemClock()
    with closing(StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)) as database:
        assert count(database) == 0
        arm(word)
        journal = ErrorJournal(
            JournalStore(database),
            clock,
            run_id="r",
            component="test",
            spill_folder=tmp_path / "logs",
            database=database,
        )
        with journal:
            for number in range(20):
                journal.capture(_failure(number))
            assert _soon(lambda: journal.summary().spilled == 20)
            disarm_all()
            journal.flush()
            assert journal.summary().dropped == 0
            assert _soon(lambda: journal.flush() and journal.summary().taken_in >= 20)
        assert count(database, error_occurrence) == 20


def _failure(number):
    kind = error_class("message-processing-failed") or MessageProcessingError
    return kind(f"the part {chr(65 + number)} failed", why="A test.", next_step="None.")


def _soon(holds):
    until = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)  # allow no-bare-sleep: a poll with a deadline
    return True
