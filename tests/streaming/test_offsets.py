"""The law of commits: never past a message that is not finished."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.streaming.offsets import OffsetTracker

PLACE = ("t", 0)


@given(st.permutations(range(8)), st.integers(0, 8))
def test_the_committable_offset_is_the_lowest_unfinished(order, finished):
    tracker = OffsetTracker()
    for offset in range(100, 108):
        tracker.begin(PLACE, offset)
    for position in order[:finished]:
        tracker.finish(PLACE, 100 + position)
    left = set(range(8)) - set(order[:finished])
    assert tracker.committable() == {PLACE: 100 + min(left, default=8)}


def test_what_was_committed_is_not_committed_again():
    tracker = OffsetTracker()
    tracker.begin(PLACE, 5)
    tracker.finish(PLACE, 5)
    tracker.committed(PLACE, 6)
    assert tracker.committable() == {}


def test_a_partition_that_was_taken_away_is_forgotten():
    tracker = OffsetTracker()
    tracker.begin(PLACE, 5)
    tracker.forget(PLACE)
    tracker.finish(PLACE, 5)
    assert tracker.committable() == {}
