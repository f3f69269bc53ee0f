"""A wall clock that jumps: durations and deadlines go on, and what rests on its time is refused."""

import time
from contextlib import closing

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.notifications.turns import Turn
from alchemiser_cli.state import StateDatabase

PLACE = "clock.skew"
HOUR_NS = 3_600 * NS_PER_SECOND


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


def skew(seconds, remaining_s=30.0):
    armed = Armed(Fault(kind=FaultKind.SKEW, amount=seconds), remaining_s, target=PLACE)
    fault_point(PLACE).arm(armed)
    return armed


def off_ns(clock):
    """Return by how much the clock is wrong, to a second."""
    return round((clock.now_ns() - time.time_ns()) / NS_PER_SECOND) * NS_PER_SECOND


def test_it_can_only_be_skewed():
    words = next(target.words for target in CATALOGUE if target.name == PLACE)
    assert words == ("skew",)


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0])
def test_the_wall_clock_jumps_and_jumps_back(seconds):
    clock = SystemClock()
    armed = skew(seconds)
    assert off_ns(clock) == seconds * NS_PER_SECOND
    assert armed.strikes.count == 1
    disarm_all()
    assert off_ns(clock) == 0


def test_the_jump_ends_by_itself_also_where_nobody_disarms_it():
    clock = SystemClock()
    skew(3_600.0, remaining_s=0.0)
    assert off_ns(clock) == 0


def test_monotonic_time_and_sleeping_are_not_touched():
    clock = SystemClock()
    before = clock.monotonic_ns()
    skew(3_600.0)
    clock.sleep(0.001)
    assert 0 < clock.monotonic_ns() - before < HOUR_NS


def test_no_other_clock_is_touched():
    clock = ManualClock(7)
    skew(3_600.0)
    assert clock.now_ns() == 7


def test_a_turn_that_was_taken_under_a_wrong_clock_is_over_when_the_clock_is_right(tmp_path):
    """Its holder may be gone: nobody should read alerts for an hour otherwise."""
    clock = SystemClock()
    with closing(StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)) as database:
        skew(3_600.0)
        gone, next_one = Turn(database, "courier"), Turn(database, "courier")
        assert gone.take(clock.now_ns())
        assert not next_one.take(clock.now_ns())
        disarm_all()
        assert next_one.take(clock.now_ns())
        assert not gone.take(clock.now_ns())
