"""A lease of a partition: never commits past what is unfinished, and nothing once it is gone."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.streaming.offsets import PartitionLease

PLACE = "market.ticks", 0


def lease_with(*offsets):
    lease = PartitionLease(PLACE, 1)
    for offset in offsets:
        lease.begin(offset)
    return lease


def test_nothing_is_committable_before_something_is_finished():
    assert lease_with(5, 6).committable is None


def test_the_position_waits_for_the_lowest_unfinished_offset():
    lease = lease_with(5, 6, 7)
    lease.finish(7, 8)
    lease.finish(6, 7)
    assert lease.committable is None
    lease.finish(5, 6)
    assert lease.committable == 8


def test_a_position_that_was_asked_for_is_not_asked_for_again():
    lease = lease_with(5)
    lease.finish(5, 6)
    lease.asked = lease.committable
    assert lease.committable is None


def test_offsets_may_have_holes_as_in_a_compacted_topic():
    lease = lease_with(5, 9)
    lease.finish(5, 6)
    assert lease.position == 6
    lease.finish(9, 10)
    assert lease.position == 10


@given(st.sets(st.integers(0, 500), min_size=1).map(sorted), st.randoms(use_true_random=False))
def test_whatever_the_order_the_position_is_below_all_that_is_unfinished(offsets, random):
    lease = lease_with(*offsets)
    left, order = set(offsets), list(offsets)
    random.shuffle(order)
    for offset in order:
        lease.finish(offset, offset + 1)
        left.discard(offset)
        finished_below = [one for one in offsets if one < min(left, default=10**9)]
        assert lease.position == (finished_below[-1] + 1 if finished_below else None)
    assert lease.position == offsets[-1] + 1
