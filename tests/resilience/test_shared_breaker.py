"""A circuit that processes share: what one learns the others know, and a lost store harms none."""

import subprocess
import sys

import pytest
from sqlalchemy import update

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, CircuitOpenError
from alchemiser_cli.resilience import BreakerPolicy, BreakerState, Circuit, CircuitBreaker
from alchemiser_cli.resilience.breaker_store import BreakerStore
from alchemiser_cli.state import StateDatabase, circuit_breaker
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

WORDS = {"why": "because", "next_step": "mend it"}
POLICY = BreakerPolicy(consecutive_failures=1, open_s=30, refresh_s=1)
PROCESS = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import BrokerUnreachableError, CircuitOpenError
from alchemiser_cli.resilience import BreakerPolicy, CircuitBreaker
from alchemiser_cli.resilience.breaker_store import BreakerStore
from alchemiser_cli.state import StateDatabase

clock = SystemClock()
database = StateDatabase(sys.argv[1], clock, connect_timeout_s=30)
policy = BreakerPolicy(consecutive_failures=1, open_s=float(sys.argv[3]), probes=2)
breaker = CircuitBreaker("broker", policy, clock, BreakerStore(database))
sys.stdin.readline()  # until everybody is ready
try:
    with breaker.passage():
        print("called", flush=True)
        sys.stdin.readline()
        if sys.argv[2] == "fail":
            raise BrokerUnreachableError("no broker answered", why="x", next_step="y")
except CircuitOpenError:
    print("refused", flush=True)
except BrokerUnreachableError:
    print("failed", flush=True)
"""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/home/state.db"


@pytest.fixture
def server_url():
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with temporary_postgresql(programs) as url:
        yield url


@pytest.fixture
def process(url, clock):
    """Make a breaker as another process would: with a connection and a memory of its own."""
    databases = []

    def make(policy=POLICY, clock=clock, name="broker"):
        database = StateDatabase(url, clock)
        databases.append(database)
        return CircuitBreaker(name, policy, clock, BreakerStore(database))

    yield make
    for database in databases:
        database.close()


def fail(breaker):
    def failing():
        raise BrokerUnreachableError("no broker answered", **WORDS)

    with pytest.raises(BrokerUnreachableError):
        breaker.call(failing)


def is_refused(breaker):
    try:
        breaker.call(lambda: None)
    except CircuitOpenError:
        return True
    return False


@pytest.mark.provokes("circuit-open")
def test_a_new_process_does_not_reopen_the_storm(process):
    fail(process())
    newcomer = process()
    assert is_refused(newcomer)
    assert newcomer.metrics().reason == "failed calls in a row: 1, the last with broker-unreachable"
    assert newcomer.metrics().shared


def test_others_see_a_change_within_the_refresh_time(process, clock):
    one, other = process(), process()
    assert not is_refused(other)
    fail(one)
    assert not is_refused(other)
    clock.advance(1)
    assert is_refused(other)
    clock.advance(30)
    assert not is_refused(one)  # the probe
    assert not is_refused(other)
    assert other.state is BreakerState.CLOSED


def test_between_two_looks_success_does_not_touch_the_store(process, clock, monkeypatch):
    breaker, looks = process(), []
    load = BreakerStore.load
    monkeypatch.setattr(BreakerStore, "load", lambda *a: looks.append(1) or load(*a))
    for _ in range(100):
        breaker.call(lambda: None)
    assert len(looks) == 1
    clock.advance(1)
    breaker.call(lambda: None)
    assert len(looks) == 2


def test_probes_are_limited_over_all_processes(process, clock):
    policy = BreakerPolicy(consecutive_failures=1, open_s=30, probes=2, close_after=9)
    processes = [process(policy) for _ in range(3)]
    fail(processes[0])
    clock.advance(30)
    passages = [one.passage() for one in processes]
    passages[0].__enter__()
    passages[1].__enter__()
    with pytest.raises(CircuitOpenError):
        passages[2].__enter__()
    passages[0].__exit__(None, None, None)
    clock.advance(1)
    passages[2].__enter__()


def test_a_place_that_another_process_took_meanwhile_is_taken(process, clock):
    one, other = process(), process()
    fail(one)
    clock.advance(29.5)
    assert is_refused(other)
    clock.advance(0.5)  # the other does not look again before another half second
    with one.passage():
        assert is_refused(other)
    clock.advance(1)
    assert not is_refused(other)


def test_of_two_that_swap_the_same_circuit_one_loses(url, clock):
    database = StateDatabase(url, clock)
    store = BreakerStore(database)
    absent = store.load("broker")
    first = store.swap("broker", absent, Circuit(state=BreakerState.OPEN))
    assert store.swap("broker", absent, Circuit()) is None
    assert store.swap("broker", first, Circuit(reason="second")).version == 2
    assert store.swap("broker", first, Circuit(reason="late")) is None
    assert store.load("broker").reason == "second"
    database.close()


@pytest.mark.slow
def test_processes_on_a_server_share_a_circuit_too(server_url, clock):
    databases = [StateDatabase(server_url, clock) for _ in "ab"]
    one, other = (
        CircuitBreaker("broker", POLICY, clock, BreakerStore(database)) for database in databases
    )
    fail(one)
    assert is_refused(other)
    clock.advance(30)
    with other.passage():
        assert is_refused(one)
    clock.advance(1)
    assert not is_refused(one)
    for database in databases:
        database.close()


def test_isolation_by_one_process_holds_for_all_and_outlives_them(process, clock):
    one, other = process(), process()
    one.isolate("broker maintenance")
    clock.advance(1)
    assert is_refused(other)
    fresh = process()
    assert is_refused(fresh)
    fresh.reset()
    assert not is_refused(process())


def test_a_failure_does_not_overrule_an_isolation_it_has_not_seen(process):
    one, other = process(), process()
    other.call(lambda: None)
    one.isolate("broker maintenance")
    fail(other)
    assert other.state is BreakerState.ISOLATED


def test_counts_and_times_survive_the_process(process, clock):
    fail(process())
    clock.advance(30)
    process().call(lambda: None)
    clock.advance(1)
    fail(process())
    late = process()
    assert is_refused(late)
    assert late.metrics().opened_count == 2
    assert late.metrics().open_total_ns == 30_000_000_000


def test_circuits_of_different_names_are_apart(process, url, clock):
    fail(process(name="one"))
    assert not is_refused(process(name="two"))
    process(name="three").isolate("by hand")
    database = StateDatabase(url, clock)
    stored = BreakerStore(database).load_all()
    database.close()
    assert {name: circuit.state.value for name, circuit in stored.items()} == {
        "one": "open",
        "three": "isolated",
    }


def events(caplog):
    return [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]


def test_without_its_store_a_breaker_works_alone_and_says_so_once(process, clock, tmp_path, caplog):
    blocked = tmp_path / "home"
    blocked.write_text("a file where the folder must be")
    breaker = process()
    fail(breaker)
    clock.advance(1)
    assert is_refused(breaker)
    assert not breaker.metrics().shared
    clock.advance(3_600)
    assert not is_refused(breaker)
    assert events(caplog).count("breaker_store_is_down") == 1


def test_what_changed_without_the_store_is_stored_when_it_is_back(process, clock, tmp_path, caplog):
    caplog.set_level("INFO")
    blocked = tmp_path / "home"
    blocked.write_text("a file where the folder must be")
    policy = BreakerPolicy(consecutive_failures=1, open_s=600)
    breaker = process(policy)
    fail(breaker)
    blocked.unlink()
    clock.advance(60)
    assert is_refused(breaker)
    assert is_refused(process(policy))
    assert "breaker_store_is_back" in events(caplog)


def test_an_isolation_wins_over_what_changed_without_the_store(process, clock, tmp_path):
    breaker = process()
    fail(breaker)
    home = tmp_path / "home"
    breaker.reset()
    breaker._shared._store._database.close()
    home.rename(tmp_path / "kept")
    home.write_text("a file where the folder must be")
    clock.advance(60)
    fail(breaker)
    assert breaker.state is BreakerState.OPEN
    home.unlink()
    (tmp_path / "kept").rename(home)
    process().isolate("broker maintenance")
    clock.advance(60)
    assert is_refused(breaker)
    assert breaker.state is BreakerState.ISOLATED


def test_a_state_of_a_later_version_is_left_alone(process, url, clock, caplog):
    fail(process())
    database = StateDatabase(url, clock)
    with database.begin() as connection:
        connection.execute(update(circuit_breaker).values(state="ajar"))
    database.close()
    assert not is_refused(process())
    assert "breaker_store_is_down" in events(caplog)


def run(url, outcome, open_s):
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, url, outcome, str(open_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.provokes("circuit-open")
def test_real_processes_share_one_circuit_and_its_probe_limit(process, url):
    with run(url, "fail", 3_600) as first:
        assert first.communicate("go\ngo\n")[0].split() == ["called", "failed"]
    assert is_refused(process(clock=SystemClock()))
    database = StateDatabase(url, SystemClock())
    with database.begin() as connection:  # as if the hour were over
        connection.execute(update(circuit_breaker).values(open_until_ns=0))
    database.close()
    others = [run(url, "pass", 3_600) for _ in range(4)]
    for other in others:
        go(other)
    said = [other.stdout.readline().strip() for other in others]
    assert sorted(said) == ["called", "called", "refused", "refused"]
    for other in others:
        other.communicate("go\n")
    assert not is_refused(process(clock=SystemClock()))
