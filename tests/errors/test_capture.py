"""Whatever befalls the database, the caller goes on and no failure is lost."""

import json
import logging
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal, record_once
from alchemiser_cli.errors.journal import spill as spill_module
from alchemiser_cli.errors.journal.spill import Spill
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "state.db"


@pytest.fixture
def folder(file):
    return file.parent / "logs"


@pytest.fixture
def database(file, clock):
    database = StateDatabase(f"sqlite:///{file}", clock, connect_timeout_s=0.05)
    with database.begin():
        pass
    yield database
    database.close()


@pytest.fixture
def store(database):
    return JournalStore(database)


@pytest.fixture
def journal(store, clock, folder, database):
    with ErrorJournal(
        store, clock, run_id="r1", component="consume", spill_folder=folder, database=database
    ) as journal:
        yield journal


@pytest.fixture
def told(caplog):
    """The events that the operator was told of, with their codes."""

    def events():
        found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [(one["event"], one.get("code")) for one in found]

    with caplog.at_level(logging.WARNING):
        yield events


def _error(what="strategy 'momentum' failed"):
    return StrategyExecutionError(what, why="it raised", next_step="look at it")


def _critical(what="no broker answered"):
    return BrokerUnreachableError(what, why="nobody listens", next_step="start")


def _total(store):
    return sum(group.count for group in store.groups(limit=10_000))


def _lines(folder):
    text = "".join(file.read_text() for file in folder.glob("error_spill*.jsonl"))
    return [json.loads(line) for line in text.splitlines() if line]


@contextmanager
def locked(file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


def _fail_and_flush(journal):
    """Capture a hundred in a storm, ten forms, and a critical; return how many."""
    for number in range(100):
        journal.capture(_error(f"strategy '{number}' failed"))
    for number in range(10):
        journal.capture(_error(f"form {'x' * number} failed"))
    journal.capture(_critical())
    assert journal.flush(10)
    return 111


def test_a_locked_database_spills_and_takes_in_later(journal, store, file, folder, told):
    with locked(file):
        first = _fail_and_flush(journal)
        second = _fail_and_flush(journal)
        spilled = _lines(folder)
        assert sum(line["count"] for line in spilled) >= first + second
        assert told() == [("journal_spilling", "state-unreachable")]
    assert stat.S_IMODE((folder / "error_spill.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    journal.capture(_error("and on"))
    assert journal.flush()
    assert _total(store) == first + second + 1
    assert list(folder.iterdir()) == []
    assert told() == [
        ("journal_spilling", "state-unreachable"),
        ("journal_recovered", "state-unreachable"),
    ]


def test_a_critical_error_waits_a_bounded_time_for_a_locked_database(journal, file, folder):
    with locked(file):
        started = time.monotonic()
        error_id = journal.capture(_critical())
        assert time.monotonic() - started < 5
        assert error_id in {line["id"] for line in _lines(folder)}


def test_a_database_that_comes_back_by_itself_is_noticed(store, file, folder, told):
    clock = SystemClock()
    with ErrorJournal(store, clock, run_id="r", component="c", spill_folder=folder) as journal:
        with locked(file):
            journal.capture(_critical())
            assert journal.flush(10)
        until = time.monotonic() + 20
        while not any(event == "journal_recovered" for event, _ in told()):
            assert time.monotonic() < until
            threading.Event().wait(0.05)
        assert _total(store) == 1


def test_a_database_that_may_not_be_written_spills(journal, store, database, folder, told):
    """As after a remount; permissions do not bind the superuser, ``query_only`` does."""

    def only_reads(connection, _record, _proxy):
        connection.execute("PRAGMA query_only=ON")

    with database.begin():
        engine = database._engine
    event.listen(engine, "checkout", only_reads)
    count = _fail_and_flush(journal)
    assert sum(line["count"] for line in _lines(folder)) == count
    assert [code for _, code in told()] == ["state-unreachable"]
    event.remove(engine, "checkout", only_reads)
    database.close()
    journal.capture(_error("and on"))
    assert journal.flush()
    assert _total(store) == count + 1


def test_a_full_disk_spills(journal, store, database, folder, told):
    _fail_and_flush(journal)

    def full(connection, _record, _proxy):
        connection.execute("PRAGMA max_page_count=1")

    with database.begin():
        engine = database._engine
    event.listen(engine, "checkout", full)
    for number in range(100):
        error = _error(f"what a full page takes {'x' * number}")
        error.why = "y" * 4_000
        journal.capture(error)
    assert journal.flush()
    assert told() == [("journal_spilling", "disk-full")]
    event.remove(engine, "checkout", full)
    database.close()
    assert journal.flush()
    journal.capture(_error("and on"))
    assert journal.flush()
    assert _total(store) == 111 + 100 + 1


def test_a_damaged_database_spills_and_a_new_one_takes_in(journal, store, database, folder, told):
    before = _fail_and_flush(journal)
    file = folder.parent / "state.db"
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    file.write_bytes(b"no database" * 1_000)
    count = _fail_and_flush(journal)
    assert told() == [("journal_spilling", "state-corrupt")]
    file.rename(file.with_suffix(".damaged"))
    for rest in file.parent.glob("state.db-*"):
        rest.unlink()
    journal.flush()  # notices that the file is gone
    journal.capture(_error("and on"))
    assert journal.flush()
    assert before == count
    assert _total(store) == count + 1
    assert told()[-1] == ("journal_recovered", "state-corrupt")
    assert len(told()) == 2


def test_a_database_removed_while_in_use_is_noticed_and_made_anew(
    journal, store, file, folder, told
):
    _fail_and_flush(journal)
    for one in file.parent.glob("state.db*"):
        one.unlink()
    count = _fail_and_flush(journal)
    assert told()[0] == ("journal_spilling", "state-unreachable")
    assert journal.flush()
    assert _total(store) == count
    assert [event for event, _ in told()] == ["journal_spilling", "journal_recovered"]


def test_without_any_place_to_write_failures_are_counted_and_the_caller_goes_on(
    store, clock, tmp_path, file, told
):
    (tmp_path / "a file").touch()
    with (
        locked_from_the_start(file, store),
        ErrorJournal(
            store, clock, run_id="r", component="c", spill_folder=tmp_path / "a file"
        ) as journal,
    ):
        for _ in range(3):
            journal.capture(_error())
            journal.capture(_critical())
        assert journal.flush(10)
        summary = journal.summary()
        assert summary.dropped == 6
        assert summary.captured == 6
        assert [event for event, _ in told()] == ["journal_spilling", "journal_losing"]


@contextmanager
def locked_from_the_start(file, store):
    store.append([])
    with locked(file):
        yield


def test_closing_does_not_wait_for_a_database_that_hangs(store, clock, folder):
    gate = threading.Event()

    class Hanging:
        def append(self, captures):
            gate.wait(30)
            store.append(captures)

    journal = ErrorJournal(Hanging(), clock, run_id="r", component="c", spill_folder=folder)
    for _ in range(100):
        journal.capture(_error())
    assert not journal.flush(0.2)
    for _ in range(100):
        journal.capture(_error())
    started = time.monotonic()
    journal.close(0.3)
    assert time.monotonic() - started < 2
    assert sum(line["count"] for line in _lines(folder)) == 200
    gate.set()


# --- the spill


def test_a_torn_line_costs_only_itself(store, clock, folder, told, tmp_path):
    spill = Spill(folder)
    database = StateDatabase("sqlite:////dev/null/state.db", clock)
    for _ in range(3):
        record_once(database, clock, folder, _error(), component="c", operation="o", run_id="r")
    with spill.file.open("ab") as torn:
        torn.write(b'{"id": "half a fai')
    record_once(database, clock, folder, _error(), component="c", operation="o", run_id="r")
    with ErrorJournal(store, clock, run_id="r", component="c", spill_folder=folder) as journal:
        assert journal.flush()
        journal.capture(_error())
        assert journal.flush()
    assert _total(store) == 5
    assert ("journal_spill_damaged", None) in told()


def test_what_a_dead_process_claimed_is_taken_in_and_only_once(store, clock, folder):
    nowhere = StateDatabase("sqlite:////dev/null/state.db", clock)
    for _ in range(3):
        record_once(nowhere, clock, folder, _error(), component="c", operation="o", run_id="r")
    spill = Spill(folder)
    data = spill.file.read_bytes()
    spill.file.rename(folder / "error_spill.99-dead.claimed.jsonl")
    spill.file.write_bytes(data)  # it had taken in a part, and the lines are here twice
    database = StateDatabase(store._database._url, clock)
    done = record_once(database, clock, folder, _error(), component="c", operation="o", run_id="r")
    database.close()
    assert done.journalled
    assert _total(store) == 4
    assert list(folder.iterdir()) == []


def test_a_spill_that_another_journal_is_at_is_left_alone(folder, clock):
    nowhere = StateDatabase("sqlite:////dev/null/state.db", clock)
    record_once(nowhere, clock, folder, _error(), component="c", operation="o", run_id="r")
    for claimed in Spill(folder).claimed():
        assert list(Spill(folder).claimed()) == []
        assert len(next(claimed.batches())) == 1


def test_a_full_spill_keeps_only_what_is_critical(folder, clock, monkeypatch):
    nowhere = StateDatabase("sqlite:////dev/null/state.db", clock)
    monkeypatch.setattr(spill_module, "SPILL_LIMIT", 10)

    def record(error):
        return record_once(
            nowhere, clock, folder, error, component="c", operation="o", run_id="r"
        ).spilled

    assert record(_error())
    assert not record(_error())
    assert record(_critical())


@pytest.mark.provokes("state-unreachable")
def test_a_command_learns_that_its_failure_was_not_journalled(clock, folder):
    nowhere = StateDatabase("sqlite:////dev/null/state.db", clock)
    done = record_once(
        nowhere, clock, folder, _error(), component="consume", operation="alchemiser", run_id="r"
    )
    assert (done.journalled, done.spilled) == (False, True)
    assert done.trouble.code == "state-unreachable"
    (line,) = _lines(folder)
    assert (line["id"], line["operation"]) == (done.id, "alchemiser")


LIMITED = """
import sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase

home = Path(sys.argv[1])
clock = SystemClock()
database = StateDatabase(f"sqlite:///{home}/state.db", clock)
with ErrorJournal(
    JournalStore(database), clock, run_id="r", component="c", spill_folder=home / "logs"
) as journal:
    for number in range(150):
        what = "x" * number
        journal.capture(StrategyExecutionError(what, why="y" * 3000, next_step="n"))
        journal.flush()
    journal.capture(BrokerUnreachableError("the last", why="w", next_step="n"))
summary = journal.summary()
print(summary.captured, summary.written + summary.spilled, summary.dropped, summary.spilled)
"""


def test_a_process_at_its_file_size_limit_goes_on_and_loses_nothing(tmp_path):
    """The database, 40 pages with its log, reaches the limit long before the spill does."""
    limit = 700_000

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    captured, kept, dropped, spilled = map(int, done.stdout.split())
    assert (captured, dropped) == (151, 0)
    assert kept >= captured
    assert spilled > 0
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", SystemClock())
    done = record_once(
        database,
        SystemClock(),
        tmp_path / "logs",
        _error(),
        component="c",
        operation="o",
        run_id="r",
    )
    assert done.journalled
    assert _total(JournalStore(database)) == 152
    database.close()
