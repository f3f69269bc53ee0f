"""A fault point is passed, and what happens there is what the fault says: no more and no less."""

import asyncio
import errno
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import alchemiser_cli
from alchemiser_cli.errors import RegistryUnreachableError
from alchemiser_cli.faults import (
    RESOURCES,
    Armed,
    Fault,
    FaultKind,
    FaultPoint,
    FaultTarget,
    declare,
    denial,
    disarm_all,
    fault_point,
    fault_points,
    proxy_target,
)

LONG_S = 20.0
TARGET = FaultTarget(name="test.place", summary="a place of a test", kinds=tuple(FaultKind))


@pytest.fixture
def point():
    return FaultPoint(TARGET)


def arm(point, kind, *, lasts_s=LONG_S, begins_in_s=0.0, tell=None, **fault):
    armed = Armed(
        Fault(kind=kind, **fault),
        lasts_s,
        target=point.name,
        lease="lease-1",
        begins_in_s=begins_in_s,
        tell=tell,
    )
    point.arm(armed)
    return armed


def seconds(call):
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def until(condition, within_s=10.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)  # allow no-bare-sleep: polls with the deadline above


def test_a_point_without_a_fault_lets_everything_pass(point):
    point.strike()
    asyncio.run(point.strike_async())
    assert point.alter(b"data") == b"data"
    assert point.alter_all([1, 2]) == [1, 2]
    assert point.offset_ns() == 0
    assert point.drawn() is None


@pytest.mark.provokes("registry-unreachable")
def test_a_raised_error_is_the_one_that_was_asked_for_and_says_that_it_was_injected(point):
    armed = arm(point, FaultKind.RAISE, word="registry-unreachable")
    with pytest.raises(RegistryUnreachableError) as raised:
        point.strike()
    assert raised.value.injected
    assert "lease-1" in raised.value.why
    assert raised.value.context == {"fault_point": "test.place", "lease": "lease-1"}
    assert armed.strikes.count == 1


@pytest.mark.parametrize("pass_by", ["strike", "alter", "alter_all", "strike_async"])
@pytest.mark.provokes("registry-unreachable")
def test_an_error_comes_by_every_way_of_passing(point, pass_by):
    arm(point, FaultKind.RAISE, word="registry-unreachable")
    ways = {
        "strike": point.strike,
        "alter": lambda: point.alter(b"x"),
        "alter_all": lambda: point.alter_all([b"x"]),
        "strike_async": lambda: asyncio.run(point.strike_async()),
    }
    with pytest.raises(RegistryUnreachableError):
        ways[pass_by]()


@pytest.mark.parametrize(
    ("resource", "kind", "number"),
    [
        ("disk-full", OSError, errno.ENOSPC),
        ("too-many-files", OSError, errno.EMFILE),
        ("no-permission", PermissionError, errno.EACCES),
        ("input-output", OSError, errno.EIO),
        ("no-memory", MemoryError, None),
        ("database-locked", sqlite3.OperationalError, None),
    ],
)
def test_a_denied_resource_fails_as_the_system_fails(point, resource, kind, number):
    arm(point, FaultKind.DENY, word=resource)
    with pytest.raises(kind) as raised:
        point.strike()
    assert raised.value.injected
    assert getattr(raised.value, "errno", None) == number


def test_every_resource_can_be_denied():
    assert {type(denial(name)) for name in RESOURCES} >= {OSError, MemoryError}
    assert denial("database-locked").sqlite_errorname == "SQLITE_BUSY"


def test_a_delay_waits_and_then_lets_pass(point):
    arm(point, FaultKind.DELAY, amount=0.1)
    assert 0.1 <= seconds(point.strike) < 1.0
    assert point.alter(b"data") == b"data"


def test_a_delay_ends_with_the_fault(point):
    arm(point, FaultKind.DELAY, amount=60.0, lasts_s=0.1)
    assert seconds(point.strike) < 5.0


def test_a_hang_ends_when_the_fault_is_ended(point):
    arm(point, FaultKind.HANG)
    thread = threading.Thread(target=point.strike)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    point.disarm()
    thread.join(5)
    assert not thread.is_alive()


async def test_a_hang_in_a_coroutine_lets_other_tasks_run(point):
    arm(point, FaultKind.HANG)
    hanging = asyncio.create_task(point.strike_async())
    await asyncio.sleep(0.01)  # allow no-bare-sleep: the other task's turn
    assert not hanging.done()
    point.disarm()
    async with asyncio.timeout(5):
        await hanging


def test_another_fault_in_its_place_ends_what_hangs(point):
    arm(point, FaultKind.HANG)
    thread = threading.Thread(target=point.strike)
    thread.start()
    arm(point, FaultKind.DELAY, amount=0.001)
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_dropped_is_gone_and_what_is_duplicated_comes_twice_in_a_row(point):
    arm(point, FaultKind.DROP)
    assert point.alter(b"x") is None
    assert point.alter_all([1, 2, 3]) == []
    arm(point, FaultKind.DUPLICATE, count=1)
    assert point.alter_all([1, 2, 3]) == [1, 1, 2, 3]
    assert point.alter(b"x") == b"x"


def test_items_are_spoiled_by_whoever_knows_how(point):
    arm(point, FaultKind.CORRUPT, count=2)
    assert point.alter_all([1, 2, 3], lambda item, _: -item) == [-1, -2, 3]
    assert point.alter_all([4]) == [4]


def test_a_clock_is_wrong_for_as_long_as_the_fault_lasts(point):
    armed = arm(point, FaultKind.SKEW, amount=-3_600)
    assert point.offset_ns() == -3_600_000_000_000
    point.offset_ns()
    assert armed.strikes.count == 1  # one fault, however often the clock is read
    point.disarm()
    assert point.offset_ns() == 0


def test_a_killed_process_tells_before_it_dies():
    code = (
        "from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point\n"
        "point = fault_point('audit.append')\n"
        "tell = lambda armed: print(armed.strikes.count, flush=True)\n"
        "fault = Fault(kind=FaultKind.KILL)\n"
        "point.arm(Armed(fault, 60, target=point.name, tell=tell))\n"
        "point.strike()\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(alchemiser_cli.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "1\n")


def test_a_fault_ends_by_itself_and_the_point_is_free_again(point):
    arm(point, FaultKind.DROP, lasts_s=0.05)
    until(lambda: point.alter(b"x") == b"x")
    assert point.armed is None


def test_the_end_holds_while_the_wall_clock_is_moved(point, monkeypatch):
    armed = arm(point, FaultKind.DROP, lasts_s=LONG_S)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert point.alter(b"x") is None
    assert armed.remaining_s > LONG_S / 2


def test_nothing_strikes_before_the_begin(point):
    arm(point, FaultKind.DROP, begins_in_s=0.1)
    assert point.alter(b"x") == b"x"
    until(lambda: point.alter(b"x") is None)


def test_strikes_say_when_the_first_and_the_last_came(point):
    before_ns = time.time_ns()
    armed = arm(point, FaultKind.DROP)
    point.alter(b"x")
    first = armed.strikes
    point.alter(b"x")
    strikes = armed.strikes
    assert before_ns <= first.first_ns == first.last_ns == strikes.first_ns <= strikes.last_ns
    assert strikes.count == 2


def test_of_many_threads_no_more_are_struck_than_the_count_says(point):
    armed = arm(point, FaultKind.DROP, count=50)
    dropped = []

    def pass_by():
        dropped.extend(point.alter(b"x") is None for _ in range(100))

    threads = [threading.Thread(target=pass_by) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(dropped) == armed.strikes.count == 50


def test_a_condition_is_told_of_each_begin_and_each_end_once(point):
    told = []
    point.listen(told.append)
    first = arm(point, FaultKind.DOWN)
    point.disarm()
    point.disarm()
    second = arm(point, FaultKind.DOWN)
    assert told == [first, None, second]


def test_who_listens_later_is_told_of_the_fault_in_force(point):
    armed = arm(point, FaultKind.DOWN)
    told = []
    point.listen(told.append)
    assert told == [armed]


def test_many_threads_that_find_a_fault_over_end_it_once(point):
    for _ in range(20):
        told = []
        point.listen(None)
        arm(point, FaultKind.DROP, lasts_s=0.0)
        point.listen(told.append)
        told.clear()
        barrier = threading.Barrier(4)

        def pass_by(barrier=barrier):
            barrier.wait()
            point.strike()

        threads = [threading.Thread(target=pass_by) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told == [None]


def test_the_end_of_one_fault_leaves_the_next_one_alone(point):
    old = arm(point, FaultKind.DROP)
    new = arm(point, FaultKind.DROP)
    point.disarm(old)
    assert point.armed is new
    assert old.is_over


def test_only_the_asked_kinds_are_given_a_chance(point):
    armed = arm(point, FaultKind.RESET)
    assert point.drawn(FaultKind.DOWN) is None
    assert armed.strikes.count == 0
    assert point.drawn(FaultKind.RESET, FaultKind.DOWN) is armed
    assert armed.strikes.count == 1


def test_a_plugin_declares_its_own_point_and_the_same_words_mean_the_same_point():
    target = FaultTarget(name="plugin.place", summary="a plugin's", kinds=(FaultKind.DELAY,))
    assert declare(target) is declare(target) is fault_point("plugin.place")
    with pytest.raises(ValueError, match="declared twice"):
        declare(FaultTarget(name="plugin.place", summary="another"))
    with pytest.raises(KeyError):
        fault_point("no.such.place")


def test_everything_can_be_ended_at_once():
    armed = arm(fault_point("shm.read"), FaultKind.DELAY, amount=0.1)
    disarm_all()
    assert armed.is_over
    assert all(point.armed is None for point in fault_points().values())


def test_a_proxy_has_the_same_target_wherever_it_is_named():
    assert proxy_target("db") == proxy_target("proxy.db")
    assert proxy_target("db").kind_of("half-close") is FaultKind.HALF_CLOSE
