"""Leases: one a target, each with an end, in a database that every process reads."""

import pytest

from alchemiser_cli.chaos.leases import ITS_END, LeaseStore
from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.errors import (
    LeaseHeldError,
    LeaseNotFoundError,
    StateUnreachableError,
)
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.faults import Armed, Fault, FaultKind, Strikes, fault_point
from alchemiser_cli.state import StateDatabase

DROP = Fault(kind=FaultKind.DROP)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield database
    database.close()


@pytest.fixture
def store(database, clock):
    return LeaseStore(database, clock)


@pytest.fixture
def take(store):
    """Take a lease of ten seconds."""

    def taking(target="streaming.fetch", fault=DROP, **changes):
        given = {"duration_s": 10.0, "environment": "development", "owner": "ada"} | changes
        return store.take(target, fault, **given)

    return taking


def test_a_lease_is_in_force_until_its_end_and_not_at_it(store, take, clock):
    taken = take(reason="  does it\nhold? ")
    assert store.in_force() == [taken]
    assert (taken.reason, taken.ends_ns - taken.begins_ns) == ("does it hold?", 10 * NS_PER_SECOND)
    clock.advance(9.999)
    assert store.in_force() == [taken]
    clock.advance(0.001)
    assert store.in_force() == []


@pytest.mark.provokes("lease-held")
def test_a_second_fault_at_a_target_is_refused_until_the_first_is_over(store, take, clock):
    first = take()
    with pytest.raises(LeaseHeldError, match=r"streaming\.fetch") as refused:
        take(fault=Fault(kind=FaultKind.HANG), environment="paper")
    assert refused.value.exit_code == ExitCode.REFUSED
    assert first.id in refused.value.context.values()
    take("streaming.decode")
    clock.advance(10)
    assert take(owner="bob").owner == "bob"
    assert store.find(first.id).ended_by == ITS_END


def test_a_lease_that_begins_later_holds_its_target_from_now_on(store, take, clock):
    taken = take(begins_in_s=5.0)
    assert store.in_force() == [taken]
    assert taken.ends_ns == clock.now_ns() + 15 * NS_PER_SECOND
    with pytest.raises(LeaseHeldError):
        take()


def test_only_leases_of_the_environment_are_looked_up(store, take):
    take()
    assert store.in_force("paper") == []
    assert len(store.in_force("development")) == 1


def test_a_lease_is_found_by_its_target_its_id_or_the_begin_of_it(store, take):
    taken = take()
    for name in (taken.id, taken.id[:6], "streaming.fetch"):
        assert store.find(name) == taken


@pytest.mark.provokes("lease-not-found")
@pytest.mark.parametrize("name", ["", "shm.read", "zz"])
def test_what_is_not_in_force_is_not_found(store, take, name):
    take()
    with pytest.raises(LeaseNotFoundError, match="no fault") as missing:
        store.find(name)
    assert missing.value.exit_code == ExitCode.NOT_FOUND
    with pytest.raises(LeaseNotFoundError):
        store.end("0" * 32, "bob")


def test_a_lease_that_was_ended_stays_as_it_was_ended(store, take, clock):
    taken = take()
    clock.advance(3)
    ended = store.end(taken.id, "bob")
    clock.advance(3)
    assert store.end(taken.id, "eve") == ended == store.find(taken.id)
    assert (ended.ended_by, ended.ended_ns) == ("bob", taken.at_ns + 3 * NS_PER_SECOND)
    assert store.in_force() == []


def test_all_leases_or_those_of_one_experiment_are_ended_at_once(store, take, clock):
    mine = take(run="r1")
    other = take("shm.read")
    assert [one.id for one in store.end_all("bob", run="r1")] == [mine.id]
    assert store.in_force() == [other]
    clock.advance(20)
    assert store.end_all("bob") == []  # it was over by itself
    assert store.find(other.id).ended_by == ITS_END


def test_what_is_over_is_marked_once(store, take, clock):
    taken = take()
    assert store.mark_over() == []
    clock.advance(11)
    assert [one.id for one in store.mark_over()] == [taken.id]
    assert store.mark_over() == []
    assert store.find(taken.id).ended_ns == taken.ends_ns


def test_without_its_witness_nothing_is_taken(store, take):
    def fails(_lease):
        raise StateUnreachableError("the witness is away", why="test", next_step="none")

    with pytest.raises(StateUnreachableError):
        take(witness=fails)
    assert store.in_force() == []


def test_strikes_are_kept_by_process(store, take):
    taken = take()
    store.note_strikes(taken.id, "host:1", Strikes(2, 10, 20))
    store.note_strikes(taken.id, "host:2", Strikes(1, 5, 5))
    store.note_strikes(taken.id, "host:1", Strikes(3, 10, 30))
    found = [(one.process, one.count, one.last_ns) for one in store.strikes(taken.id)]
    assert found == [("host:2", 1, 5), ("host:1", 3, 30)]


@pytest.mark.parametrize(("drill", "told"), [(True, True), (False, False)])
def test_a_drill_is_known_for_a_while_after_its_end(store, take, clock, drill, told):
    take(drill=drill, begins_in_s=1.0)
    assert not store.drill_within(600)  # it has not begun
    clock.advance(5)
    assert store.drill_within(600) is told
    clock.advance(605)
    assert store.drill_within(600) is told
    clock.advance(2)
    assert not store.drill_within(600)


def test_the_newest_leases_are_the_history(store, take, clock):
    old = take()
    clock.advance(11)
    new = take()
    assert [one.id for one in store.history()] == [new.id, old.id]
    assert [one.id for one in store.history(1)] == [new.id]


def test_a_skewed_clock_moves_no_lease(database):
    """The fault of the clock must not shorten or lengthen itself."""
    store = LeaseStore(database, SystemClock())
    point = fault_point("clock.skew")
    point.arm(Armed(Fault(kind=FaultKind.SKEW, amount=7_200.0), 30.0, target="clock.skew"))
    try:
        taken = store.take("shm.read", DROP, duration_s=60, environment="development", owner="ada")
        assert SystemClock().now_ns() - taken.at_ns > 7_000 * NS_PER_SECOND
        assert store.in_force() == [taken]
    finally:
        point.disarm()
    assert 59 < taken.remaining_s(store.now_ns) <= 60


@pytest.mark.provokes("state-unreachable")
def test_without_the_database_no_lease_is_taken_and_none_assumed(tmp_path, clock):
    (tmp_path / "file").touch()
    database = StateDatabase(f"sqlite:///{tmp_path / 'file' / 'state.db'}", clock)
    store = LeaseStore(database, clock)
    with pytest.raises(StateUnreachableError):
        store.take("shm.read", DROP, duration_s=60, environment="development", owner="ada")
    with pytest.raises(StateUnreachableError):
        store.in_force()
