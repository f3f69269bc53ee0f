"""Suffering: leases strike the processes that read them, and let go of them in time."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.lookout import looking_out, may_suffer
from alchemiser_cli.chaos.noticing import noticing_times
from alchemiser_cli.chaos.suffering import Watcher, process_name, suffering, watchers_database
from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.faults import Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.settings import Settings

POINT = fault_point("shm.read")
CORRUPT = Fault(kind=FaultKind.CORRUPT)
SOON_S = 5.0


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", chaos={"poll_s": 0.05})


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(settings):
    with closing(watchers_database(settings, SystemClock())) as database:
        yield database
    disarm_all()


@pytest.fixture
def store(database):
    return LeaseStore(database, SystemClock())


@pytest.fixture
def take(store):
    """Take a lease of half a minute."""

    def taking(target="shm.read", fault=CORRUPT, **changes):
        given = {"duration_s": 30.0, "environment": "development", "owner": "ada"} | changes
        return store.take(target, fault, **given)

    return taking


@pytest.fixture
def watcher(settings, database):
    watcher = Watcher(settings, database, SystemClock())
    yield watcher
    watcher.release()


def until(holds):
    deadline = time.monotonic() + SOON_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.005)  # allow no-bare-sleep: a poll with a deadline
    assert holds()


def test_a_lease_strikes_and_its_end_ends_it(watcher, store, take):
    assert watcher.look() == []
    taken = take()
    assert watcher.look() == ["shm.read"]
    assert POINT.alter(b"whole") != b"whole"
    store.end(taken.id, "bob")
    assert watcher.look() == []
    assert POINT.alter(b"whole") == b"whole"
    (place,) = store.strikes(taken.id)
    assert (place.process, place.count) == (process_name(), 1)


def test_leases_of_another_environment_and_of_unknown_targets_do_not_strike(watcher, take):
    take(environment="paper")
    take("proxy.elsewhere", Fault(kind=FaultKind.DOWN))
    assert watcher.look() == []
    assert POINT.armed is None


def test_a_lease_that_begins_later_strikes_only_then(settings, store, take):
    clock = ManualClock(SystemClock().now_ns())
    with closing(watchers_database(settings, clock)) as database:
        watcher = Watcher(settings, database, clock)
        taken = take(begins_in_s=20.0)
        assert watcher.look() == []
        clock.advance(20.5)
        assert watcher.look() == ["shm.read"]
        assert POINT.armed.remaining_s == pytest.approx(29.5, abs=2)
        clock.advance(30)
        assert watcher.look() == []
        watcher.release()
    assert taken.ends_ns - taken.at_ns == pytest.approx(50e9)


def test_without_the_database_no_lease_is_in_force(watcher, settings, take):
    take()
    assert watcher.look() == ["shm.read"]
    file = settings.home / "state.db"
    away = file.rename(settings.home / "elsewhere.db")
    assert watcher.look() == []
    assert POINT.armed is None
    assert not file.exists()  # looking does not make it anew
    away.rename(file)
    assert watcher.look() == ["shm.read"]
    spoiled = settings.home / "spoiled"
    spoiled.write_bytes(b"spoiled" * 1_000)
    spoiled.replace(file)
    for log in settings.home.glob("state.db-*"):  # from which SQLite would still read
        log.unlink()
    assert watcher.look() == []


def test_a_fault_that_was_interrupted_goes_on_counting(watcher, settings, store, take):
    taken = take(fault=Fault(kind=FaultKind.CORRUPT, count=3))
    watcher.look()
    for _ in range(2):
        POINT.alter(b"whole")
    file, away = settings.home / "state.db", settings.home / "elsewhere.db"
    file.rename(away)
    watcher.look()
    away.rename(file)
    watcher.look()
    spoiled = [POINT.alter(b"whole") != b"whole" for _ in range(3)]
    assert spoiled == [True, False, False]
    watcher.look()
    assert [one.count for one in store.strikes(taken.id)] == [3]


def test_a_fault_that_somebody_else_armed_is_left_alone(watcher, store, take):
    from alchemiser_cli.faults import Armed

    taken = take()
    watcher.look()
    other = Armed(CORRUPT, 30.0, target="shm.read")
    POINT.arm(other)
    store.end(taken.id, "bob")
    watcher.look()
    assert POINT.armed is other


def test_a_condition_that_cannot_be_brought_about_keeps_nothing_from_the_others(watcher, take):
    point = fault_point("broker.round-trip")

    def fails(_armed):
        raise ValueError("no broker")

    point.listener = fails
    try:
        take("broker.round-trip", Fault(kind=FaultKind.DELAY, amount=1.0))
        take()
        assert watcher.look() == ["shm.read"]
        assert watcher.look() == ["shm.read"]
        assert point.armed is None
    finally:
        point.listener = None


def test_a_thread_notices_the_lease_and_its_end(settings, database, take):
    heard = []
    with suffering(settings, database, SystemClock()):
        POINT.listener = heard.append
        try:
            take(duration_s=0.3)
            until(lambda: len(heard) == 2)
        finally:
            POINT.listener = None
    assert heard[0].fault == CORRUPT
    assert heard[1] is None
    assert heard[0].is_over


def test_leaving_the_block_ends_every_fault(settings, database, take):
    take()
    with suffering(settings, database, SystemClock()) as watcher:
        watcher.look()
        armed = POINT.armed
    assert armed.is_over
    assert POINT.armed is None
    assert "suffering" not in {one.name for one in threading.enumerate()}


def test_a_command_notices_a_lease_that_comes_while_it_runs(settings, take):
    with looking_out(settings, SystemClock()):
        take()
        until(lambda: POINT.armed is not None)
    assert POINT.armed is None


def test_a_lease_that_is_there_already_is_in_force_at_once(settings, take):
    take()
    with looking_out(settings, SystemClock()):
        assert POINT.armed is not None
    assert POINT.armed is None


def test_looking_out_makes_no_database_and_loads_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from alchemiser_cli.clock import SystemClock\n"
        "from alchemiser_cli.settings import Settings\n"
        "from alchemiser_cli.chaos.lookout import looking_out\n"
        "with looking_out(Settings(home=Path(sys.argv[1])), SystemClock()): pass\n"
        "assert 'sqlalchemy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "none")], check=True, timeout=60)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("allow", "suffers"), [((), False), (("production",), True)])
def test_production_suffers_nothing_unless_its_profile_allows_it(
    tmp_path, database, allow, suffers
):
    settings = Settings(
        home=tmp_path / "home", environment="production", chaos={"allow": allow, "poll_s": 0.05}
    )
    LeaseStore(database, SystemClock()).take(
        "shm.read", CORRUPT, duration_s=30, environment="production", owner="ada"
    )
    assert may_suffer(settings) is suffers
    for begun in (
        suffering(settings, database, SystemClock()),
        looking_out(settings, SystemClock()),
    ):
        with begun:
            if suffers:
                until(lambda: POINT.armed is not None)
            assert (POINT.armed is not None) is suffers
        assert POINT.armed is None


VICTIM = """
import sys
from pathlib import Path
from alchemiser_cli.chaos.lookout import looking_out
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import fault_point
from alchemiser_cli.settings import Settings
with looking_out(Settings(home=Path(sys.argv[1])), SystemClock()):
    fault_point("shm.publish").strike()
"""


def test_a_strike_that_kills_is_written_down_before(settings, store, take):
    taken = take("shm.publish", Fault(kind=FaultKind.KILL))
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, str(settings.home)], check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    (place,) = store.strikes(taken.id)
    assert place.count == 1
    assert place.process.split(":")[0] == os.uname().nodename


def test_a_lease_is_noticed_soon(tmp_path):
    times = noticing_times(tmp_path / "home", 5, poll_s=0.05)
    assert len(times) == 5
    assert max(times) < 1
