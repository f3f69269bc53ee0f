"""The journal keeps every failure with all its parts, and reads back the newest first."""

import sqlite3
import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, InternalError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "state.db"


@pytest.fixture
def journal(file, clock):
    database = StateDatabase(f"sqlite:///{file}", clock)
    yield ErrorJournal(database, clock)
    database.close()


def _error(what="no broker answered", **context):
    return BrokerUnreachableError(
        what, why="nobody listens", next_step="start the broker", context=context
    )


def _record(journal, error):
    return journal.record(error, component="consume", operation="alchemiser consume", run_id="r1")


def test_a_failure_is_read_back_with_all_its_parts(journal, clock):
    written = _record(journal, _error(bootstrap="127.0.0.1:9092", tries=3))
    (row,) = journal.recent()
    assert row == written
    assert (row.code, row.severity, row.at_ns) == (
        "broker-unreachable",
        "critical",
        clock.now_ns(),
    )
    assert (row.what, row.why, row.next_step) == (
        "no broker answered",
        "nobody listens",
        "start the broker",
    )
    assert (row.component, row.operation, row.run_id) == ("consume", "alchemiser consume", "r1")
    assert row.context == {"bootstrap": "127.0.0.1:9092", "tries": 3}
    assert (row.recovered, row.injected) == (False, False)


def test_the_newest_comes_first_and_the_limit_counts_from_there(journal, clock):
    for number in range(5):
        clock.advance(1)
        _record(journal, _error(f"failure {number}"))
    assert [row.what for row in journal.recent(3)] == ["failure 4", "failure 3", "failure 2"]
    assert len(journal.recent()) == 5


def test_an_empty_journal_reads_as_no_rows(journal):
    assert journal.recent() == []


def test_the_traceback_is_kept_with_its_causes(journal):
    def broken():
        try:
            {}["missing"]
        except KeyError as cause:
            raise _error() from cause

    with pytest.raises(BrokerUnreachableError) as caught:
        broken()
    text = _record(journal, caught.value).traceback
    assert "KeyError: 'missing'" in text
    assert "in broken" in text
    assert journal.recent()[0].traceback == text


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no words")


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
        (Unspeakable(), "<Unspeakable whose text raised RuntimeError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fact_that_json_does_not_know_does_not_cost_the_row(value, kept, journal):
    _record(journal, _error(fact=value, other=1))
    assert journal.recent()[0].context == {"fact": kept, "other": 1}


def test_a_fact_that_contains_itself_does_not_cost_the_row(journal):
    loop = []
    loop.append(loop)
    _record(journal, _error(fact=loop, other=1))
    assert journal.recent()[0].context["other"] == 1


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec=None)), st.dictionaries(st.text(st.characters()), st.text()))
def test_any_words_can_be_journalled(words, context):
    """File names that are not UTF-8 reach error texts as lone surrogates."""
    database = StateDatabase("sqlite:///words.db", ManualClock())
    journal = ErrorJournal(database, ManualClock())
    error = InternalError(words, why=words, next_step=words, context=context)
    row = _record(journal, error)
    (kept,) = (one for one in journal.recent(10_000) if one.id == row.id)
    assert len(kept.context) == len(context)
    assert kept.what == row.what
    assert row.what == words.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    database.close()


def test_only_the_owner_may_read_the_file_and_its_log(journal, file):
    _record(journal, _error())
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for one in file.parent.iterdir():
        assert one.stat().st_mode & 0o777 == 0o600, one


WRITER = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.state import StateDatabase

database = StateDatabase(f"sqlite:///{sys.argv[1]}", SystemClock(), connect_timeout_s=30)
journal = ErrorJournal(database, SystemClock())
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    error = BrokerUnreachableError(f"{sys.argv[2]}-{number}", why="w", next_step="n")
    journal.record(error, component="c", operation="o", run_id=sys.argv[2])
database.close()
"""


def test_processes_that_make_the_file_and_write_at_once_lose_no_row(file):
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
    database = StateDatabase(f"sqlite:///{file}", SystemClock())
    rows = ErrorJournal(database, SystemClock()).recent(1000)
    assert {row.what for row in rows} == {f"w{one}-{n}" for one in range(3) for n in range(25)}
    database.close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from schema_version").fetchone() == (1,)
    connection.close()
