"""The same database on a real PostgreSQL server, where one is installed."""

import socket
import subprocess
import sys
import threading

import pytest
from sqlalchemy import insert, select, text, update

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import StateSchemaError, StateUnreachableError
from alchemiser_cli.state import SCHEMA_VERSION, StateDatabase, circuit_breaker
from alchemiser_cli.state.schema import metadata, schema_version


@pytest.fixture
def database(server_url):
    database = StateDatabase(server_url, ManualClock())
    yield database
    with database.begin() as connection:
        metadata.drop_all(connection)
    database.close()


def _breaker(**values):
    numbers = ("changed_at_ns", "open_until_ns", "opened_count", "open_total_ns", "probes")
    words = {"name": "broker", "state": "closed", "reason": "", "version": 0}
    return insert(circuit_breaker).values(**dict.fromkeys(numbers, 0) | words | values)


def test_a_fresh_server_is_healthy_at_the_newest_version(database):
    health = database.health()
    assert (health.backend, health.schema_version) == ("postgresql", SCHEMA_VERSION)
    assert health.integrity == "not offered by the server"


def test_exclusive_transactions_of_several_connections_lose_no_update(database):
    with database.begin() as connection:
        connection.execute(_breaker())

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
def test_an_exclusive_transaction_waits_no_longer_than_its_limit(database, server_url):
    impatient = StateDatabase(server_url, ManualClock(), connect_timeout_s=0.2)
    impatient.health()
    with (
        database.begin(exclusive=True),
        pytest.raises(StateUnreachableError, match="cannot be used") as caught,
        impatient.begin(exclusive=True),
    ):
        pytest.fail("two exclusive transactions at once")
    assert "lock" in caught.value.why
    impatient.close()


@pytest.mark.provokes("state-schema")
def test_a_server_of_a_newer_version_is_left_alone(database, server_url):
    with database.begin() as connection:
        connection.execute(insert(schema_version).values(version=99, applied_at_ns=1))
    with pytest.raises(StateSchemaError):
        StateDatabase(server_url, ManualClock()).health()


@pytest.mark.provokes("state-unreachable")
def test_a_server_that_does_not_run_is_unreachable(server_url):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = StateDatabase(f"postgresql://desk:hunter2@127.0.0.1:{port}/postgres", ManualClock())
    with pytest.raises(StateUnreachableError) as caught:
        database.health()
    assert "hunter2" not in f"{caught.value.what}{caught.value.why}"


OPEN = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.state import StateDatabase

database = StateDatabase(sys.argv[1], SystemClock())
print("ready", flush=True)
sys.stdin.readline()
print(database.health().schema_version)
database.close()
"""


def test_processes_that_open_an_empty_server_at_once_make_the_tables_once(database, server_url):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", OPEN, server_url]
    openers = [subprocess.Popen(command, **pipes) for _ in range(3)]
    assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 3
    for opener in openers:
        opener.stdin.write("\n")
        opener.stdin.flush()
    answers = [opener.communicate(timeout=60)[0] for opener in openers]
    assert answers == [f"{SCHEMA_VERSION}\n"] * 3
    with database.begin() as connection:
        rows = connection.execute(text("SELECT count(*) FROM schema_version")).scalar_one()
    assert rows == 1
