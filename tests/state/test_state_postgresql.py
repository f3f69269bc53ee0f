"""The same statements on a real PostgreSQL server, where one is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import BrokerUnreachableError, StateUnreachableError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.state import SCHEMA_VERSION, StateDatabase

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture(scope="module")
def server_url():
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    if not PROGRAMS:
        pytest.skip("no PostgreSQL server is installed")
    folder = Path(tempfile.mkdtemp(prefix="alchemiser-pg-"))
    account = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        os.chown(folder, 65534, 65534)
        account = {"user": 65534, "group": 65534, "extra_groups": []}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def program(name, *arguments):
        command = [PROGRAMS[-1].with_name(name), *arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=folder, timeout=60, **quiet, **account)

    data = str(folder / "data")
    program("initdb", "-D", data, "-U", "desk", "-A", "trust", "-N")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    program("pg_ctl", "-D", data, "-w", "-o", options, "start")
    yield f"postgresql://desk@127.0.0.1:{port}/postgres"
    program("pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_the_journal_reads_back_what_it_wrote(server_url):
    clock = ManualClock()
    database = StateDatabase(server_url, clock)
    journal = ErrorJournal(database, clock)
    words = "no broker\0 at caf\udce9"
    error = BrokerUnreachableError(words, why=words, next_step="n", context={"n": 1, words: words})
    written = journal.record(error, component="c", operation="o", run_id="r")
    (row,) = journal.recent()
    assert (row.id, row.what, row.context["n"]) == (written.id, written.what, 1)
    health = database.health()
    assert (health.backend, health.schema_version) == ("postgresql", SCHEMA_VERSION)
    database.close()


@pytest.mark.provokes("state-unreachable")
def test_a_server_that_does_not_run_is_unreachable(server_url):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = StateDatabase(f"postgresql://desk:hunter2@127.0.0.1:{port}/postgres", ManualClock())
    with pytest.raises(StateUnreachableError) as caught:
        database.health()
    assert "hunter2" not in f"{caught.value.what}{caught.value.why}"
