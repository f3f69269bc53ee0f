"""Laws of leases: whatever happens in whatever order, one a target, and none beyond its end."""

from collections import Counter
from contextlib import closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.chaos.suffering import Watcher
from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import LeaseHeldError, LeaseNotFoundError
from alchemiser_cli.faults import Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase

TARGETS = ("shm.read", "streaming.decode")
SLOW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

targets = st.sampled_from(TARGETS)
seconds = st.floats(0.01, 100.0)
steps = st.one_of(
    st.tuples(st.just("take"), targets, seconds, st.floats(0.0, 20.0)),
    st.tuples(st.just("end"), targets),
    st.tuples(st.just("end all")),
    st.tuples(st.just("mark over")),
    st.tuples(st.just("wait"), seconds),
    st.tuples(st.just("clock jumps"), st.floats(-50.0, 50.0)),
)


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("leases")


def opened(folder, clock):
    """A database without leases."""
    database = StateDatabase(f"sqlite:///{folder / 'state.db'}", clock)
    LeaseStore(database, clock).end_all("the example before")
    return database


def happen(store, clock, step):
    name, *given = step
    with suppress(LeaseHeldError, LeaseNotFoundError):
        if name == "take":
            target, duration_s, begins_in_s = given
            store.take(
                target,
                Fault(kind=FaultKind.CORRUPT),
                duration_s=duration_s,
                begins_in_s=begins_in_s,
                environment="development",
                owner="ada",
            )
        elif name == "end":
            store.end(store.find(given[0]).id, "bob")
        elif name == "end all":
            store.end_all("bob")
        elif name == "mark over":
            store.mark_over()
        elif name == "wait":
            clock.advance(given[0])
        else:
            clock.jump(given[0])


@SLOW
@given(st.lists(steps, max_size=25))
def test_at_most_one_lease_a_target_is_in_force(folder, happenings):
    clock = ManualClock()
    with closing(opened(folder, clock)) as database:
        store = LeaseStore(database, clock)
        for step in happenings:
            happen(store, clock, step)
            in_force = store.in_force()
            assert max(Counter(one.target for one in in_force).values(), default=0) <= 1
            for one in in_force:
                assert one.remaining_s(clock.now_ns()) > 0
                assert one.ended_ns is None


@SLOW
@given(st.floats(0.5, 100.0), st.lists(st.tuples(st.floats(0.0, 40.0), st.floats(-80.0, 80.0))))
def test_no_fault_lasts_longer_than_its_lease_said_by_the_monotonic_clock(
    folder, duration_s, moments
):
    """Whatever the wall clock does meanwhile; the watcher's own clock goes on as it goes."""
    clock = ManualClock()
    point = fault_point("shm.read")
    with closing(opened(folder, clock)) as database:
        happen(LeaseStore(database, clock), clock, ("take", "shm.read", duration_s, 0.0))
        watcher = Watcher(Settings(home=folder), database, clock)
        try:
            watcher.look()
            begun_ns = clock.monotonic_ns()
            for wait_s, jump_s in moments:
                clock.advance(wait_s)
                clock.jump(jump_s)
                watcher.look()
                if point.armed is None:
                    continue
                passed_s = (clock.monotonic_ns() - begun_ns) / NS_PER_SECOND
                assert passed_s < duration_s
        finally:
            watcher.release()
            disarm_all()
