"""What the tracker counts is exact, whatever the order within its window."""

from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.market.columns import TickColumns
from alchemiser_cli.market.quality import SequenceTracker
from alchemiser_cli.market.ticks import Tick

WINDOW = 6


def tick(sequence, *, symbol="SPY", venue="XNYS", at_s=None):
    at_s = sequence if at_s is None else at_s
    return Tick(
        symbol=symbol,
        venue=venue,
        kind="trade",
        sequence=sequence,
        event_time_ns=1_600_000_000_000_000_000 + at_s * 1_000_000_000,
        price=100.0,
    )


@st.composite
def late_ticks(draw):
    """Sequences 1..n, each delayed by at most the window, some dropped, some repeated.

    A key of ``sequence + delay`` sorts them: one that comes after ``sequence + d`` was delayed
    by at least d, so none comes later than the window allows.
    """
    count = draw(st.integers(2, 60))
    first = draw(st.integers(1, 10_000))
    fate = st.sampled_from(["comes"] * 6 + ["dropped", "repeated"])
    arrivals = []
    for sequence in range(first, first + count):
        what = draw(fate)
        copies = {"comes": 1, "dropped": 0, "repeated": 2}[what]
        delays = [draw(st.integers(0, WINDOW)) for _ in range(copies)]
        arrivals += [(sequence + delay, sequence) for delay in delays]
    return [sequence for _, sequence in sorted(arrivals, key=lambda pair: pair[0])]


def expected(sequences):
    """Count by definition, with everything remembered."""
    distinct = set(sequences)
    seen, reordered = set(), 0
    for sequence in sequences:
        reordered += sequence not in seen and bool(seen) and sequence < max(seen)
        seen.add(sequence)
    return {
        "gaps": (max(distinct) - min(distinct) + 1 - len(distinct)) if distinct else 0,
        "duplicates": len(sequences) - len(distinct),
        "reordered": reordered,
    }


@given(late_ticks())
def test_any_order_within_the_window_is_counted_exactly(sequences):
    tracker = SequenceTracker(WINDOW)
    for sequence in sequences:
        tracker.see(tick(sequence))
    tracker.settle()
    totals = tracker.snapshot().totals
    counted = {name: getattr(totals, name) for name in ("gaps", "duplicates", "reordered")}
    assert counted == expected(sequences)
    assert (totals.pending, totals.resets) == (0, 0)


@given(late_ticks())
def test_nothing_is_called_lost_before_the_window_has_passed(sequences):
    """Gaps never exceed what is missing among sequences that the window has passed."""
    tracker = SequenceTracker(WINDOW)
    for at, sequence in enumerate(sequences, start=1):
        tracker.see(tick(sequence))
        so_far = set(sequences[:at])
        passed = range(min(so_far), max(so_far) - WINDOW)
        totals = tracker.snapshot().totals
        assert totals.gaps == sum(number not in so_far for number in passed)
        all_missing = max(so_far) - min(so_far) + 1 - len(so_far)
        assert totals.gaps + totals.pending == all_missing


ticks = st.lists(
    st.builds(
        tick,
        st.integers(1, 40),
        symbol=st.sampled_from("ABC"),
        venue=st.sampled_from(["XNYS", "XNAS"]),
        at_s=st.none() | st.integers(0, 100),
    ),
    max_size=80,
)


@given(batches=st.lists(ticks, max_size=4), window=st.integers(0, 8), symbols=st.integers(2, 8))
def test_columns_are_seen_as_ticks_are(batches, window, symbols):
    one_by_one, at_once = (SequenceTracker(window, max_symbols=symbols) for _ in range(2))
    for batch in batches:
        for each in batch:
            one_by_one.see(each)
        at_once.see_columns(TickColumns.of(batch))
        assert at_once.snapshot() == one_by_one.snapshot()
        assert at_once.snapshot().symbols <= symbols


@given(batches=st.lists(ticks, max_size=4), symbols=st.integers(2, 4))
def test_columns_of_one_venue_are_seen_as_ticks_are(batches, symbols):
    one_by_one, at_once = (SequenceTracker(4, max_symbols=symbols) for _ in range(2))
    for batch in batches:
        of_one = [each for each in batch if each.venue == "XNYS"]
        for each in of_one:
            one_by_one.see(each)
        at_once.see_columns(TickColumns.of(of_one))
        assert at_once.snapshot() == one_by_one.snapshot()
