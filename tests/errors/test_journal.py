"""The journal captures without delay, keeps every part, decides for the caller and counts."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import (
    BrokerUnreachableError,
    IndicatorCalculationError,
    InternalError,
    OrderRejectedError,
    RetrySafety,
    Severity,
    StrategyExecutionError,
    operation,
)
from alchemiser_cli.errors.journal import ContinuePolicy, ErrorJournal, record_once
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path}/home/state.db", clock)
    yield database
    database.close()


@pytest.fixture
def store(database):
    return JournalStore(database)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "logs"


@pytest.fixture
def journal(store, clock, folder, database):
    with ErrorJournal(
        store, clock, run_id="r1", component="consume", spill_folder=folder, database=database
    ) as journal:
        yield journal


def _error(what="strategy 'momentum' failed", **context):
    return StrategyExecutionError(what, why="it raised", next_step="look at it", context=context)


def _critical(what="no broker answered", **context):
    return BrokerUnreachableError(what, why="nobody listens", next_step="start", context=context)


# --- what is kept


def test_a_failure_is_read_back_with_all_its_parts(journal, store, clock):
    with operation("run strategies", component="strategies", symbol="SPY", tries=3):
        error_id = journal.capture(_error(budget=5), recovered=True, injected=True)
    assert journal.flush()
    row = store.occurrence(error_id)
    assert (row.code, row.severity, row.at_ns) == ("strategy-failed", "high", clock.now_ns())
    assert (row.what, row.why, row.next_step) == (
        "strategy 'momentum' failed",
        "it raised",
        "look at it",
    )
    assert (row.component, row.operation, row.run_id) == ("strategies", "run strategies", "r1")
    assert row.context == {"symbol": "SPY", "tries": 3, "budget": 5}
    assert (row.recovered, row.injected, row.count) == (True, True, 1)
    assert row.template == "strategy <*> failed"


def test_an_error_says_itself_that_it_was_injected(journal, store):
    error = _error()
    error.injected = True
    error_id = journal.capture(error)
    journal.flush()
    assert store.occurrence(error_id).injected


def test_the_traceback_is_kept_with_its_causes(journal, store):
    def broken():
        try:
            {}["missing"]
        except KeyError as cause:
            raise _critical() from cause

    with pytest.raises(BrokerUnreachableError) as caught:
        broken()
    row = store.occurrence(journal.capture(caught.value))
    assert "KeyError: 'missing'" in row.traceback
    assert "direct cause" in row.traceback
    assert "in broken\n    raise _critical() from cause" in row.traceback
    assert [(one.type, one.message) for one in row.causes] == [("KeyError", "'missing'")]


def test_a_long_chain_and_a_deep_recursion_are_cut(journal, store):
    def endless():
        endless()

    try:
        endless()
    except RecursionError as error:
        deep = error
    for number in range(50):
        above = ValueError(f"number {number}")
        above.__cause__ = deep
        deep = above
    row = store.occurrence(journal.capture(deep))
    assert len(row.causes) == 9
    assert len(row.traceback) < 30_000


def test_causes_in_a_circle_end(journal, store):
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    row = store.occurrence(journal.capture(one))
    assert [cause.message for cause in row.causes] == ["other"]


def test_a_foreign_exception_is_an_internal_error_with_its_type(journal, store):
    row = store.occurrence(journal.capture(ZeroDivisionError("by 0")))
    assert (row.code, row.severity) == ("internal-error", "critical")
    assert row.what == "ZeroDivisionError: by 0"
    assert row.context == {"type": "builtins.ZeroDivisionError"}


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no words")


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def test_an_exception_whose_text_raises_is_captured(journal, store):
    row = store.occurrence(journal.capture(UnspeakableError()))
    assert "whose text raised RuntimeError" in row.what


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (PurePosixPath("/srv/models"), "/srv/models"),
        (SecretStr("hunter2"), "**********"),
        (ValueError("bad"), "bad"),
        (float("nan"), None),
        (2**70, 2**70),
        ({1, 2}, [1, 2]),
        ("caf\udce9", "caf\\udce9"),
        (["caf\udce9"], "['caf\\udce9']"),
        ("db://me:hunter2@x", "db://me:**********@x"),  # pragma: allowlist secret
        (Unspeakable(), "<Unspeakable whose text raised RuntimeError>"),
        (b"\xff", "/w=="),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fact_that_json_does_not_know_does_not_cost_the_row(value, kept, journal, store):
    row = store.occurrence(journal.capture(_critical(fact=value, other=1)))
    assert row.context == {"fact": kept, "other": 1}


def test_a_fact_that_contains_itself_does_not_cost_the_row(journal, store):
    loop = []
    loop.append(loop)
    assert store.occurrence(journal.capture(_critical(fact=loop, other=1))).context["other"] == 1


def test_a_fact_as_large_as_a_frame_is_cut(journal, store):
    row = store.occurrence(journal.capture(_critical("x" * 1_000_000, fact="y" * 1_000_000)))
    assert len(row.context["fact"]) == len(row.what) == 4_000


@settings(max_examples=50)
@given(st.text(st.characters(codec=None)), st.dictionaries(st.text(st.characters()), st.text()))
def test_any_words_can_be_journalled(tmp_path_factory, words, context):
    """File names that are not UTF-8 reach error texts as lone surrogates."""
    database = StateDatabase("sqlite:///words.db", ManualClock())
    error = InternalError(words, why=words, next_step=words, context=context)
    done = record_once(
        database,
        ManualClock(),
        tmp_path_factory.getbasetemp(),
        error,
        component=words,
        operation=words,
        run_id="r",
    )
    assert done.journalled
    assert not done.spilled
    kept = JournalStore(database).occurrence(done.id)
    assert len(kept.context) == len(context)
    database.close()


def test_no_frame_outlives_the_capture(journal):
    class Heavy:
        alive = 0

        def __init__(self):
            Heavy.alive += 1

        def __del__(self):
            Heavy.alive -= 1

    def fail():
        heavy = Heavy()  # noqa: F841  lives as long as its frame
        raise _error

    try:
        fail()
    except TypeError as error:
        journal.capture(error)
    assert Heavy.alive == 0


def test_a_component_that_is_no_text_costs_nothing_but_its_form(journal, store):
    with operation("odd", component=["not", "text"], order_id=object()):
        error_id = journal.capture(_error())
    with operation("odd", component=("not", "text")):
        critical = journal.capture(_critical())
    assert journal.flush()
    assert store.occurrence(error_id).component == "['not', 'text']"
    assert store.occurrence(critical).component == "['not', 'text']"


# --- deciding for the caller


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (IndicatorCalculationError, True),  # medium, recoverable
        (StrategyExecutionError, True),  # high, recoverable
        (OrderRejectedError, False),  # high, does not heal
        (BrokerUnreachableError, False),  # critical
    ],
)
def test_the_caller_goes_on_after_what_heals_and_is_not_critical(error, goes_on, journal):
    details = journal.handle(error("what", why="why", next_step="next"))
    assert details.should_continue is goes_on
    assert (details.code, details.error) == (error.code, error.__name__)


def test_the_caller_may_decide_itself(journal):
    assert journal.handle(_critical(), should_continue=True).should_continue
    assert not journal.handle(_error(), should_continue=False).should_continue


def test_details_carry_what_the_error_says(journal, store, clock):
    with operation("place order", component="paper-broker", order_id="o1"):
        details = journal.handle(ValueError("odd"))
    assert (details.severity, details.recoverable, details.retry_safety) == (
        Severity.CRITICAL,
        False,
        RetrySafety.NEVER,
    )
    assert details.context.order_id == "o1"
    assert details.at_ns == clock.now_ns()
    assert store.occurrence(details.id).what == details.what == "ValueError: odd"


def test_another_policy_stops_earlier():
    strict = ContinuePolicy(stop_at=Severity.MEDIUM)
    assert strict.should_continue(Severity.LOW, recoverable=True)
    assert not strict.should_continue(Severity.MEDIUM, recoverable=True)
    lenient = ContinuePolicy(needs_recoverable=False)
    assert lenient.should_continue(Severity.HIGH, recoverable=False)


# --- counting and folding


def test_a_storm_is_a_few_rows_and_its_number(journal, store):
    for _ in range(1_000):
        journal.capture(_error())
    journal.flush()
    (group,) = store.groups()
    assert group.count == 1_000
    rows = store.occurrences(group.fingerprint, 100)
    assert sorted(row.count for row in rows) == [1, 1, 1, 997]


def test_while_a_storm_lasts_a_second_is_one_row(journal, store, clock):
    for _ in range(5):
        for _ in range(100):
            journal.capture(_error())
        assert journal.flush()
        clock.advance(1)
    (group,) = store.groups()
    counts = [row.count for row in store.occurrences(group.fingerprint, 100)]
    assert (sum(counts), len(counts)) == (500, 8)


def test_after_a_pause_failures_are_rows_again(journal, store, clock):
    for _ in range(2):
        for _ in range(10):
            journal.capture(_error())
        journal.flush()
        clock.advance(5)
        journal.flush()
    (group,) = store.groups()
    counts = sorted(row.count for row in store.occurrences(group.fingerprint, 100))
    assert counts == [1] * 6 + [7, 7]


def test_injected_failures_are_not_folded_with_real_ones(journal, store):
    for number in range(100):
        journal.capture(_error(), injected=number % 2 == 0)
    journal.flush()
    (group,) = store.groups()
    assert (group.count, group.injected) == (100, 50)


def test_criticals_are_never_folded(journal, store):
    ids = [journal.capture(_critical()) for _ in range(20)]
    assert [store.occurrence(one).count for one in ids] == [1] * 20


def test_the_summary_adds_up(journal):
    for _ in range(10):
        journal.capture(_error())
    journal.capture(_critical())
    journal.flush()
    summary = journal.summary()
    assert summary.by_code == {"broker-unreachable": 1, "strategy-failed": 10}
    assert (summary.captured, summary.written, summary.dropped, summary.spilled) == (11, 11, 0, 0)
    assert journal.summary() == summary


def test_what_does_not_fit_in_the_queue_is_dropped_and_counted(store, clock, folder):
    gate = threading.Event()

    class Slow:
        def append(self, captures):
            gate.wait(10)
            store.append(captures)

    with ErrorJournal(
        Slow(), clock, run_id="r", component="c", spill_folder=folder, queue_length=100
    ) as journal:
        for _ in range(5_000):
            journal.capture(_error())
        gate.set()
        assert journal.flush()
        summary = journal.summary()
    assert summary.captured == 5_000
    assert summary.dropped > 0
    assert summary.written == 5_000 - summary.dropped
    assert sum(group.count for group in store.groups()) == summary.written


# --- from everywhere


def test_many_threads_capture_at_once_and_none_is_lost(journal, store):
    def work():
        for _ in range(500):
            journal.capture(_error())
        journal.capture(_critical())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.flush()
    assert journal.summary().captured == 8 * 501
    assert sum(group.count for group in store.groups()) == 8 * 501


def test_a_signal_handler_captures_into_the_midst_of_captures(journal, store):
    caught = []

    def on_alarm(*_):
        caught.append(journal.capture(_error("from the handler")))
        if len(caught) % 10 == 0:
            caught.append(journal.capture(_critical("from the handler")))

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        until = time.monotonic() + 1.0
        number = 0
        while time.monotonic() < until:
            number += 1
            journal.capture(_error())
            if number % 100 == 0:
                journal.capture(_critical())
            while journal.backlog > 5_000:
                journal.flush()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(caught) > 20
    assert journal.flush()
    summary = journal.summary()
    assert summary.captured == number + number // 100 + len(caught)
    assert sum(group.count for group in store.groups()) == summary.captured - summary.dropped


AT_EXIT = """
import atexit, os, sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase

home = Path(sys.argv[1])
clock = SystemClock()
database = StateDatabase(f"sqlite:///{home}/state.db", clock)

def fail(kind, what):
    journal.capture(kind(what, why="w", next_step="n"))

class Late:
    def __del__(self):
        fail(StrategyExecutionError, "at the very end")

atexit.register(lambda: fail(BrokerUnreachableError, "at exit, after the journal"))
journal = ErrorJournal(
    JournalStore(database), clock, run_id="r", component="c", spill_folder=home / "logs"
)
atexit.register(lambda: fail(BrokerUnreachableError, "at exit, before the journal"))
late = Late()
fail(StrategyExecutionError, "never flushed")
if os.fork() == 0:
    fail(StrategyExecutionError, "in a child")
    os._exit(0)
os.wait()
"""


def test_failures_at_exit_and_in_a_child_are_kept_and_taken_in_later(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", SystemClock())
    store = JournalStore(database)
    with ErrorJournal(
        store, SystemClock(), run_id="r", component="c", spill_folder=tmp_path / "logs"
    ) as journal:
        journal.capture(_critical("the next process"))
        assert journal.flush()
    assert {group.template for group in store.groups()} >= {
        "never flushed",
        "in a child",
        "at exit, before the journal",
        "at exit, after the journal",
        "the next process",
    }
    assert not list((tmp_path / "logs").iterdir())
    database.close()


def test_a_journal_is_closed_twice_without_harm(journal):
    journal.close()
    journal.close()
    assert journal.flush()


WRITER = """
import sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError
from alchemiser_cli.errors.journal import record_once
from alchemiser_cli.state import StateDatabase

database = StateDatabase(f"sqlite:///{sys.argv[1]}", SystemClock(), connect_timeout_s=30)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    error = BrokerUnreachableError(f"{sys.argv[2]}-{number}", why="w", next_step="n")
    folder = Path(sys.argv[1]).parent
    record_once(
        database, SystemClock(), folder, error, component="c", operation="o", run_id="r"
    )
database.close()
"""


def test_processes_that_make_the_file_and_write_at_once_lose_no_row(tmp_path):
    file = tmp_path / "home" / "state.db"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), f"w{one}", "25"], **pipes)
        for one in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with sqlite3.connect(file) as connection:
        found = {row[0] for row in connection.execute("select what from error_occurrence")}
    connection.close()
    assert found == {f"w{one}-{n}" for one in range(3) for n in range(25)}


def test_a_capture_costs_the_caller_little(journal):
    """The target is 50 µs; here only that nothing slow crept in. The benchmark measures."""
    times = []
    for _ in range(1_000):
        started = time.perf_counter_ns()
        journal.capture(_error())
        times.append(time.perf_counter_ns() - started)
    assert sorted(times)[500] < 500_000
