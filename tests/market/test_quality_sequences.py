"""Gaps, duplicates, reordering and resets of a venue's counter, by example."""

import pytest

from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import SequenceTracker
from alchemiser_cli.market.ticks import Tick


def tick(sequence, at_s=None, symbol="SPY", venue="XNYS"):
    return Tick(
        symbol=symbol,
        venue=venue,
        kind="trade",
        sequence=sequence,
        event_time_ns=1_600_000_000_000_000_000 + (sequence if at_s is None else at_s) * 10**9,
        price=100.0,
    )


def totals(tracker):
    counts = tracker.snapshot().totals
    return {
        name: value
        for name in ("gaps", "pending", "duplicates", "reordered", "resets")
        if (value := getattr(counts, name))
    }


def tracked(*sequences, window=4):
    tracker = SequenceTracker(window)
    for sequence in sequences:
        tracker.see(tick(sequence))
    return tracker


def test_a_consumer_may_start_in_the_middle():
    assert totals(tracked(1_000_001, 1_000_002)) == {}


def test_what_is_late_is_pending_and_then_reordered_and_never_lost():
    tracker = tracked(1, 3, 4)
    assert totals(tracker) == {"pending": 1}
    tracker.see(tick(2))
    assert totals(tracker) == {"reordered": 1}


def test_what_the_window_has_passed_is_lost():
    assert totals(tracked(1, 3, 4, 5, 6)) == {"pending": 1}
    assert totals(tracked(1, 3, 4, 5, 6, 7)) == {"gaps": 1}


def test_what_is_pending_at_the_end_is_lost():
    tracker = tracked(1, 3)
    tracker.settle()
    assert totals(tracker) == {"gaps": 1}
    tracker.see(tick(4))
    assert totals(tracker) == {"gaps": 1}


def test_what_comes_twice_is_a_duplicate_however_old():
    assert totals(tracked(1, 2, 2, 3, 1)) == {"duplicates": 2}
    assert totals(tracked(*range(1, 101), *range(1, 101))) == {"duplicates": 100}


def test_without_a_window_every_late_tick_is_lost_at_once():
    assert totals(tracked(1, 3, 2, 4, window=0)) == {"gaps": 1, "duplicates": 1}


def test_a_gap_of_a_billion_takes_no_memory_and_no_time():
    tracker = tracked(1, 1_000_000_001)
    assert totals(tracker) == {"gaps": 1_000_000_000 - 1 - 4, "pending": 4}


@pytest.mark.parametrize("before", [3, 1_000_000])
def test_a_restart_of_the_venues_counter_is_one_reset(before):
    tracker = SequenceTracker(4)
    for sequence in range(before - 2, before + 1):
        tracker.see(tick(sequence))
    for sequence in range(1, 6):
        tracker.see(tick(sequence, at_s=before + sequence))
    assert totals(tracker) == {"resets": 1}


def test_a_restart_whose_first_tick_was_lost_is_a_reset_too():
    tracker = tracked(1_000, 1_001)
    tracker.see(tick(3, at_s=2_000))
    tracker.see(tick(4, at_s=2_001))
    assert totals(tracker) == {"resets": 1}


def test_what_comes_again_from_before_a_reset_is_a_duplicate_and_no_gap():
    tracker = tracked(1_000, 1_001)
    tracker.see(tick(1, at_s=2_000))
    tracker.see(tick(1_001))
    tracker.see(tick(2, at_s=2_001))
    assert totals(tracker) == {"resets": 1, "duplicates": 1}


def test_what_was_pending_at_a_reset_is_lost():
    tracker = tracked(1_000, 1_002)
    tracker.see(tick(1, at_s=2_000))
    assert totals(tracker) == {"resets": 1, "gaps": 1}


def test_the_worst_symbols_come_first_and_each_counts_for_itself():
    tracker = SequenceTracker(0)
    for sequence, symbol in ((1, "A"), (1, "B"), (1, "C"), (9, "A"), (2, "B"), (1, "C")):
        tracker.see(tick(sequence, symbol=symbol))
    snapshot = tracker.snapshot()
    assert [(counts.symbol, counts.gaps, counts.duplicates) for counts in snapshot.worst] == [
        ("A", 7, 0),
        ("C", 0, 1),
    ]
    assert (snapshot.seen, snapshot.symbols) == (6, 3)
    assert (snapshot.totals.gaps, snapshot.totals.duplicates) == (7, 1)


def test_a_symbol_that_is_dropped_keeps_its_counts_in_the_totals():
    tracker = SequenceTracker(4, max_symbols=10)
    for number in range(1_000):
        for sequence in (1, 3):
            tracker.see(tick(sequence, symbol=f"S{number}"))
    assert tracker.snapshot().symbols <= 10
    tracker.settle()
    assert totals(tracker) == {"gaps": 1_000}


def test_columns_of_many_symbols_are_told_apart():
    tracker = SequenceTracker(4)
    both = [tick(sequence, symbol=symbol) for sequence in range(1, 50) for symbol in "AB"]
    tracker.see_columns(TickColumns.of(both))
    tracker.see_columns(TickColumns.of([]))
    assert (totals(tracker), tracker.snapshot().seen) == ({}, 98)


def test_a_window_below_zero_is_refused():
    with pytest.raises(ValueError, match="negative"):
        SequenceTracker(-1)
    with pytest.raises(ValueError, match="two"):
        SequenceTracker(1, max_symbols=1)
