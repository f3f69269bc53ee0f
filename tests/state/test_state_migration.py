"""A database of version 1 is brought to the newest version with every row, after a backup."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, func, inspect, select, text

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import DiskFullError
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import (
    SCHEMA_VERSION,
    StateDatabase,
    error_group,
    error_minute,
    error_occurrence,
)
from alchemiser_cli.state.preparation import MIGRATIONS
from alchemiser_cli.state.schema import metadata

# As `sqlite3 state.db .schema` showed it under version 1.
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at_ns BIGINT NOT NULL);
CREATE TABLE error_journal (
    id VARCHAR(32) NOT NULL, at_ns BIGINT NOT NULL, code VARCHAR(64) NOT NULL,
    severity VARCHAR(8) NOT NULL, component VARCHAR(64) NOT NULL, operation VARCHAR(128) NOT NULL,
    run_id VARCHAR(64) NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL, next_step TEXT NOT NULL,
    context TEXT NOT NULL, traceback TEXT NOT NULL, recovered BOOLEAN NOT NULL,
    injected BOOLEAN NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX error_journal_by_code ON error_journal (code, at_ns);
INSERT INTO schema_version VALUES (1, 1700000000000000000);
"""
MINUTE_NS = 60_000_000_000
START_NS = 28_333_333 * MINUTE_NS
COLUMNS = (
    "id, at_ns, code, severity, component, operation, run_id, what, why, next_step, context,"
    " traceback, recovered, injected"
)


def _rows(count):
    """Two groups, of which the second has two failures in one minute."""
    for number in range(count):
        code, severity = ("disk-full", "critical") if number % 3 else ("usage", "low")
        yield {
            "id": f"{number:032x}",
            "at_ns": START_NS + number * MINUTE_NS // 2,
            "code": code,
            "severity": severity,
            "component": "consume",
            "operation": "alchemiser consume",
            "run_id": "r1",
            "what": f"what of {code}",
            "why": "it was so",
            "next_step": "see to it",
            "context": json.dumps({"number": number}),
            "traceback": "Traceback",
            "recovered": False,
            "injected": False,
        }


def _fill(engine, count):
    with engine.begin() as connection:
        for statement in VERSION_1.split(";"):
            if statement.strip():
                connection.execute(text(statement))
        names = ", ".join(f":{name}" for name in COLUMNS.replace(" ", "").split(","))
        insert = text(f"INSERT INTO error_journal ({COLUMNS}) VALUES ({names})")  # noqa: S608  ours
        connection.execute(insert, list(_rows(count)))
    engine.dispose()


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "state.db"
    _fill(create_engine(f"sqlite:///{file}"), 7)
    return file


def _open(file):
    return StateDatabase(f"sqlite:///{file}", ManualClock(), connect_timeout_s=30)


def _check_moved(database):
    store = JournalStore(database)
    disk_full, usage = sorted(store.groups(), key=lambda group: group.code)
    assert (disk_full.count, usage.count) == (4, 3)
    assert (usage.code, usage.component, usage.template) == ("usage", "consume", "what of usage")
    assert usage.fingerprint == fingerprint("usage", "consume", "what of usage")
    assert (usage.state, usage.severity, usage.injected, usage.recovered) == ("open", "low", 0, 0)
    assert usage.first_seen_ns == usage.state_changed_ns == START_NS
    assert usage.last_seen_ns == START_NS + 3 * MINUTE_NS
    kept = store.occurrence(f"{5:032x}")
    assert (kept.what, kept.why, kept.next_step) == ("what of disk-full", "it was so", "see to it")
    assert (kept.context, kept.causes, kept.count) == ({"number": 5}, [], 1)
    minutes = store.minutes(0)
    assert sum(minute.count for minute in minutes) == 7
    assert sum(minute.criticals for minute in minutes) == 4
    assert (minutes[1].minute, minutes[1].code, minutes[1].count) == (28_333_333, "usage", 1)


def test_every_row_moves_and_is_counted_in_its_group_and_minute(file):
    database = _open(file)
    _check_moved(database)
    assert database.health().schema_version == SCHEMA_VERSION
    with database.begin() as connection:
        assert not inspect(connection).has_table("error_journal")
        versions = connection.execute(text("SELECT version FROM schema_version")).scalars()
        assert sorted(versions) == [1, SCHEMA_VERSION]
        assert connection.execute(text("SELECT * FROM schema_revision")).scalar_one() == str(
            SCHEMA_VERSION
        )
    database.close()


def test_the_rows_of_a_server_move_as_well(server_url):
    url = server_url.replace("postgresql:", "postgresql+psycopg:")
    _fill(create_engine(url), 7)
    database = StateDatabase(server_url, ManualClock())
    _check_moved(database)
    with database.begin() as connection:
        assert not inspect(connection).has_table("error_journal")
        connection.execute(text("DROP TABLE schema_revision"))
        metadata.drop_all(connection)
    database.close()


def test_more_rows_than_are_read_at_once_all_move(tmp_path):
    file = tmp_path / "state.db"
    _fill(create_engine(f"sqlite:///{file}"), 2_500)
    database = _open(file)
    with database.begin() as connection:
        for table in (error_group, error_minute):
            assert connection.execute(select(func.sum(table.c.count))).scalar_one() == 2_500
        stored = select(func.count()).select_from(error_occurrence)
        assert connection.execute(stored).scalar_one() == 2_500
    database.close()


def test_a_failure_of_the_same_words_joins_the_moved_group(file):
    """The migration and the journal agree on what a fingerprint is."""
    identity = b"usage\0consume\0what of usage"
    expected = hashlib.blake2b(identity, digest_size=16).hexdigest()
    database = _open(file)
    assert JournalStore(database).group(expected).count == 3
    assert fingerprint("usage", "consume", "what of usage") == expected
    database.close()


def test_the_file_is_backed_up_as_it_was_and_only_its_owner_may_read_it(file):
    _open(file).health()
    backup = file.with_name("state.db.v1.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM error_journal").fetchone() == (7,)
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
    assert [one.name for one in file.parent.glob("*.unfinished")] == []


def test_a_fresh_database_needs_no_backup_and_no_alembic(tmp_path):
    code = (
        "import sys; from alchemiser_cli.clock import SystemClock;"
        "from alchemiser_cli.state import StateDatabase;"
        "database = StateDatabase('sqlite:///state.db', SystemClock());"
        "database.health(); database.close(); database.health(); database.close();"
        "print([name for name in sys.modules if name.startswith(('alembic', 'mako'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
    assert [file.name for file in tmp_path.glob("*.bak")] == []


@pytest.mark.provokes("disk-full")
def test_a_migration_that_fails_changes_nothing_and_can_be_tried_again(file, monkeypatch):
    """The backup finds no room, once."""
    database = _open(file)

    def full(file, version):
        raise database._translated(_driver_error("database or disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr("alchemiser_cli.state.database.back_up", full)
        with pytest.raises(DiskFullError):
            database.health()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM error_journal").fetchone() == (7,)
        tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
        assert connection.execute(tables).fetchone() == (2,)
    _check_moved(database)
    database.close()


def _driver_error(words):
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def test_rows_that_break_the_migration_leave_everything_as_it_was(file):
    """A half-made journal would hide failures; the old one is still there to be mended."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("ALTER TABLE error_journal RENAME COLUMN what TO words")
    with pytest.raises(KeyError):
        _open(file).health()
    with closing(sqlite3.connect(file)) as connection:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [name for (name,) in connection.execute(tables)]
    assert names == ["error_journal", "schema_version"]


OPEN = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.state import StateDatabase

database = StateDatabase(f"sqlite:///{sys.argv[1]}", SystemClock(), connect_timeout_s=30)
print("ready", flush=True)
sys.stdin.readline()
print(database.health().schema_version)
database.close()
"""


@pytest.mark.parametrize("opening", range(5))
def test_processes_that_open_an_old_file_at_once_migrate_it_once(file, opening):
    """More than once: one time in four, SQLite refused one of them before it asked again."""
    del opening
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    openers = [subprocess.Popen([sys.executable, "-c", OPEN, str(file)], **pipes) for _ in range(3)]
    assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 3
    for opener in openers:
        opener.stdin.write("\n")
        opener.stdin.flush()
    answers = [opener.communicate(timeout=60)[0] for opener in openers]
    assert answers == [f"{SCHEMA_VERSION}\n"] * 3
    database = _open(file)
    _check_moved(database)
    with database.begin() as connection:
        rows = connection.execute(text("SELECT count(*) FROM schema_version")).scalar_one()
    assert rows == 2
    database.close()


def test_the_newest_revision_is_the_version_of_the_schema():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == str(SCHEMA_VERSION)
    assert [one.revision for one in script.walk_revisions()] == ["6", "5", "4", "3", "2", "1"]


def _shape(database):
    """Every table with its columns, keys and indices, as the database itself tells them."""
    with database.begin() as connection:
        found = inspect(connection)
        return {
            table: (
                [(one["name"], str(one["type"]), one["nullable"]) for one in columns],
                found.get_pk_constraint(table)["constrained_columns"],
                sorted((one["name"], tuple(one["column_names"])) for one in indices),
            )
            for table in metadata.tables
            for columns, indices in [(found.get_columns(table), found.get_indexes(table))]
        }


def test_a_migrated_database_has_the_same_tables_as_a_fresh_one(file, tmp_path):
    migrated, fresh = _open(file), _open(tmp_path / "fresh.db")
    assert _shape(migrated) == _shape(fresh)
    migrated.close()
    fresh.close()


def test_a_migrated_server_has_the_same_tables_as_a_fresh_one(server_url):
    url = server_url.replace("postgresql:", "postgresql+psycopg:")
    shapes = []
    for fill in (True, False):
        if fill:
            _fill(create_engine(url), 1)
        database = StateDatabase(server_url, ManualClock())
        shapes.append(_shape(database))
        with database.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS schema_revision"))
            metadata.drop_all(connection)
        database.close()
    assert shapes[0] == shapes[1]
