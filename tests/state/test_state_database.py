"""The state database: made when first used, private, and every way it fails has its code."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from sqlalchemy import func, insert, select, update

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    DiskFullError,
    ExtraMissingError,
    StateCorruptError,
    StateSchemaError,
    StateUnreachableError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import SCHEMA_VERSION, StateDatabase, circuit_breaker
from alchemiser_cli.state.schema import schema_version


@pytest.fixture
def file(tmp_path):
    return tmp_path / "home" / "state.db"


@pytest.fixture
def open_database(file):
    opened = []

    def make(url=f"sqlite:///{file}", **options):
        database = StateDatabase(url, ManualClock(), **options)
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


def _row(number, text="x"):
    numbers = ("changed_at_ns", "open_until_ns", "opened_count", "open_total_ns", "probes")
    same = dict.fromkeys(numbers, 0) | {"state": "closed", "version": 0}
    return {"name": str(number), "reason": text, **same}


def _add(database, number, text="x"):
    with database.begin() as connection:
        connection.execute(insert(circuit_breaker).values(**_row(number, text)))


def _count(database):
    with database.begin() as connection:
        return connection.execute(select(func.count()).select_from(circuit_breaker)).scalar_one()


def test_nothing_is_opened_or_created_before_the_first_use(open_database, file):
    database = open_database()
    assert database.location == f"sqlite:///{file}"
    assert not file.parent.exists()


def test_a_healthy_database_says_so(open_database):
    health = open_database().health()
    assert (health.backend, health.schema_version, health.integrity) == (
        "sqlite",
        SCHEMA_VERSION,
        "ok",
    )


def test_a_look_that_does_not_read_the_whole_file_says_so(open_database):
    assert open_database().health(check_integrity=False).integrity == "not checked"


def test_writers_do_not_hold_up_readers(open_database, file):
    _add(open_database(), 1)
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_fails_inside_the_block_is_rolled_back(open_database):
    database = open_database()
    _add(database, 1)

    def failing():
        with database.begin() as connection:
            connection.execute(insert(circuit_breaker).values(**_row(2)))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert _count(database) == 1


def test_a_closed_database_opens_again(open_database):
    database = open_database()
    _add(database, 1)
    database.close()
    database.close()
    assert _count(database) == 1


def test_threads_may_share_one_database_from_its_first_use_on(open_database):
    database = open_database(connect_timeout_s=30)
    together = threading.Barrier(8)
    failures = []

    def work(first):
        try:
            together.wait()
            for number in range(first, first + 10):
                _add(database, number)
        except Exception as error:  # noqa: BLE001  told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert _count(database) == 80


@pytest.mark.provokes("state-unreachable")
def test_a_locked_database_is_unreachable_within_its_time_limit(open_database, file):
    database = open_database(connect_timeout_s=0.2)
    _add(database, 1)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(StateUnreachableError, match=r"cannot be used") as caught:
        _add(database, 2)
    assert 0.15 < time.monotonic() - started < 5
    assert "locked" in caught.value.why
    assert caught.value.exit_code is ExitCode.UNREACHABLE
    holder.execute("ROLLBACK")
    holder.close()
    _add(database, 2)
    assert _count(database) == 2


def test_a_locked_database_can_still_be_opened_and_read(open_database, file):
    _add(open_database(), 1)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert _count(open_database(connect_timeout_s=0.2)) == 1
    holder.close()


@pytest.mark.provokes("state-unreachable")
def test_a_place_where_no_file_can_be_made_is_unreachable(open_database, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateUnreachableError, match=r"cannot be created"):
        open_database(f"sqlite:///{tmp_path}/file/state.db").health()


@pytest.mark.provokes("state-unreachable")
def test_a_folder_in_the_place_of_the_file_is_unreachable(open_database, file):
    file.mkdir(parents=True)
    with pytest.raises(StateUnreachableError):
        open_database().health()


def test_exclusive_transactions_of_several_threads_lose_no_update(open_database):
    """Each reads a number and writes it back one higher."""
    database = open_database(connect_timeout_s=30)
    _add(database, 1)

    def count():
        for _ in range(20):
            with database.begin(exclusive=True) as connection:
                found = connection.execute(select(circuit_breaker.c.version)).scalar_one()
                connection.execute(update(circuit_breaker).values(version=found + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.begin() as connection:
        assert connection.execute(select(circuit_breaker.c.version)).scalar_one() == 80


@pytest.mark.provokes("state-unreachable")
def test_who_needs_one_connection_more_than_the_pool_has_waits_and_is_told(open_database):
    database = open_database(connect_timeout_s=0.1, pool_size=1)
    with (
        database.begin(),
        pytest.raises(StateUnreachableError, match="cannot be used"),
        database.begin(),
    ):
        pytest.fail("there was no second connection to be had")
    assert _count(database) == 0


@pytest.mark.parametrize("endings", [[""], ["", "-wal", "-shm"]], ids=["alone", "with its log"])
def test_a_file_that_was_removed_while_open_is_made_anew(endings, open_database, file):
    """Rows written to a file without a name would be lost without a word."""
    database = open_database()
    _add(database, 1)
    for ending in endings:
        file.with_name(f"state.db{ending}").unlink()
    _add(database, 2)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("select name from circuit_breaker").fetchall() == [("2",)]


@pytest.mark.provokes("state-corrupt")
def test_a_file_that_is_no_database_is_corrupt(open_database, file):
    file.parent.mkdir()
    file.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StateCorruptError) as caught:
        _add(open_database(), 1)
    assert caught.value.exit_code is ExitCode.CORRUPT
    assert file.read_bytes().startswith(b"this is not")


@pytest.mark.provokes("state-corrupt")
def test_damaged_pages_are_found_by_the_health_check(open_database, file):
    database = open_database()
    for number in range(50):
        _add(database, number, "x" * 2000)
    database.close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(file.read_bytes())
    content[-40_960:-4_096] = b"\xa5" * (40_960 - 4_096)
    file.write_bytes(content)
    with pytest.raises(StateCorruptError):
        open_database().health()


@pytest.mark.provokes("state-schema")
def test_a_database_of_a_newer_version_is_left_alone(open_database, file):
    database = open_database()
    with database.begin() as connection:
        newer = {"version": SCHEMA_VERSION + 1, "applied_at_ns": 1}
        connection.execute(insert(schema_version).values(**newer))
    database.close()
    for _ in range(2):
        with pytest.raises(StateSchemaError) as caught:
            _add(database, 1)
        assert caught.value.context == {"found": SCHEMA_VERSION + 1, "known": SCHEMA_VERSION}
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from circuit_breaker").fetchone() == (0,)
    connection.close()


@pytest.mark.provokes("disk-full")
def test_a_write_for_which_there_is_no_room_is_a_full_disk(open_database):
    database = open_database()
    _add(database, 1)

    def overflowing():
        with database.begin() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            connection.execute(insert(circuit_breaker).values(**_row(2, "x" * 100_000)))

    with pytest.raises(DiskFullError) as caught:
        overflowing()
    assert "full" in caught.value.why
    database.close()
    assert _count(database) == 1


FILL = """
import os, sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.state import StateDatabase

folder = sys.argv[1]
database = StateDatabase(f"sqlite:///{folder}/home/state.db", SystemClock())
if sys.argv[2] == "later":
    database.health()
rest = os.open(f"{folder}/rest", os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(rest, b"x" * 4096)
except OSError:
    pass
try:
    with database.begin() as connection:
        connection.exec_driver_sql("create table big (words text)")
        connection.exec_driver_sql("insert into big values (?)", ("x" * 200_000,))
except AlchemiserError as error:
    print(error.code)
"""


@pytest.mark.parametrize("when", ["at-once", "later"])
def test_a_disk_that_is_really_full_is_told_as_such(when, tmp_path):
    """On a file system of 600 kB of its own, in a name space where that may be mounted."""
    inside = 'mount -t tmpfs -o size=600k tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["sh", "-c", inside, "sh", str(tmp_path), sys.executable, FILL, when]
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*private, "true"], check=False).returncode:
        pytest.skip("this machine does not let us mount a file system of our own")
    done = subprocess.run(
        [*private, *command], capture_output=True, text=True, check=False, cwd=os.sep
    )
    if "mount:" in done.stderr:
        pytest.skip("this machine does not let us mount a file system of our own")
    assert done.stdout == "disk-full\n", done.stderr


def test_the_location_shows_no_secret():
    url = "postgresql://u:hunter2@db:5432/desk?password=hunter3"  # pragma: allowlist secret
    location = StateDatabase(url, ManualClock()).location
    assert "hunter" not in location
    assert "db:5432/desk" in location


@pytest.mark.provokes("extra-missing")
def test_postgresql_without_its_driver_names_the_extra(open_database, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ExtraMissingError) as caught:
        open_database("postgresql://db.example.com/desk").health()
    assert caught.value.next_step == "pip install 'alchemiser[postgres]'"
