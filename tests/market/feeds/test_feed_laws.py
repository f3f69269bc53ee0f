"""What holds for every feed: budget, waits, silence, delivery once, and the bounded buffer."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.market import Tick
from alchemiser_cli.market.feeds import FeedPhase, FeedTick
from alchemiser_cli.market.feeds.attempts import AttemptBudget
from alchemiser_cli.market.feeds.buffer import TickBuffer
from alchemiser_cli.market.feeds.client import FIRST_BACKOFF_S
from alchemiser_cli.market.feeds.delivered import DeliveredTicks, SequenceRanges
from alchemiser_cli.market.feeds.phases import PhaseTrack
from alchemiser_cli.market.feeds.silence import PACE_FACTOR, Silence, SilenceWatch
from alchemiser_cli.resilience import RetryPolicy

sequences = st.integers(1, 60)


def tick(sequence=1, symbol="BTCUSDT", kind="trade"):
    return Tick(symbol=symbol, venue="V", kind=kind, sequence=sequence, event_time_ns=1, price=1.0)


def item(sequence, symbol="BTCUSDT", kind="trade"):
    return FeedTick(tick(sequence, symbol, kind), "live", 0)


@given(
    most=st.integers(1, 10),
    window_s=st.floats(0.1, 100),
    pauses=st.lists(st.floats(0, 50), max_size=60),
)
def test_no_window_ever_holds_more_attempts_than_the_budget(most, window_s, pauses):
    clock = ManualClock()
    budget, taken = AttemptBudget(most, window_s, clock), []
    for pause_s in pauses:
        clock.advance(pause_s)
        now_ns = clock.monotonic_ns()
        recent = [at for at in taken if at > now_ns - round(window_s * 1e9)]
        assert budget.left == most - len(recent)
        assert budget.take() is (len(recent) < most)
        if len(recent) < most:
            taken.append(now_ns)


@given(failures=st.integers(1, 10_000), cap_s=st.floats(0.01, 60), seed=st.integers())
def test_a_wait_is_never_above_its_cap_nor_above_its_doubling_bound(failures, cap_s, seed):
    base_s = min(FIRST_BACKOFF_S, cap_s)
    wait_s = RetryPolicy(base_s=base_s, cap_s=cap_s).wait_s(failures, Random(seed))  # noqa: S311
    assert 0 <= wait_s <= cap_s
    assert wait_s <= base_s * 2.0 ** min(failures - 1, 60)


@given(st.lists(sequences), st.integers(31, 80))  # 60 sequences make at most 30 ranges
def test_ranges_are_a_set(numbers, most):
    ranges, model = SequenceRanges(most), set()
    for number in numbers:
        assert ranges.add(number) is (number not in model)
        model.add(number)
    if model:
        assert ranges.first == min(model)
        assert ranges.missing == max(model) - min(model) + 1 - len(model)


@given(st.lists(sequences, min_size=1))
def test_bounded_ranges_forget_only_what_was_missing(numbers):
    ranges, added = SequenceRanges(3), set()
    for number in numbers:
        if ranges.add(number):
            assert number not in added, "nothing is delivered twice"
            added.add(number)
    assert len(ranges._starts) <= 3


@given(st.lists(st.tuples(sequences, st.sampled_from(["trade", "quote", "bar"]))))
def test_a_tick_is_admitted_once_and_a_quote_only_forwards(arrivals):
    delivered, seen = DeliveredTicks(), []
    for sequence, kind in arrivals:
        if delivered.admit(tick(sequence, kind=kind)):
            seen.append((sequence, kind))
    assert len(set(seen)) == len(seen)
    quotes = [sequence for sequence, kind in seen if kind == "quote"]
    assert quotes == sorted(quotes)
    for kind in ("trade", "bar"):
        assert {s for s, k in seen if k == kind} == {s for s, k in arrivals if k == kind}


@given(
    most=st.integers(1, 8),
    arrivals=st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from(["trade", "quote"])), max_size=40
    ),
    takes=st.lists(st.integers(0, 4), max_size=40),
)
async def test_every_tick_is_taken_dropped_conflated_or_waiting(most, arrivals, takes):
    buffer, taken = TickBuffer(most), []
    for number, (symbol, kind) in enumerate(arrivals):
        buffer.put(item(number, symbol, kind))
        assert len(buffer) <= most
        if number < len(takes):
            taken += await buffer.take(takes[number], 0)
    assert len(taken) + buffer.dropped + buffer.conflated + len(buffer) == len(arrivals)
    trades = [one.tick.sequence for one in taken if one.tick.kind == "trade"]
    assert trades == sorted(trades)
    quotes = [one.tick.sequence for one in taken if one.tick.kind == "quote"]
    for symbol in "AB":
        own = [one for one in taken if one.tick.kind == "quote" and one.tick.symbol == symbol]
        assert [one.tick.sequence for one in own] == sorted(one.tick.sequence for one in own)
    assert len(quotes) == len(set(quotes))


async def test_a_full_buffer_keeps_only_the_newest_quote_of_a_symbol():
    buffer = TickBuffer(2)
    for arrival in (item(1, kind="quote"), item(1), item(2, kind="quote"), item(3, kind="quote")):
        buffer.put(arrival)
    assert [(one.tick.kind, one.tick.sequence) for one in await buffer.take(9, 0)] == [
        ("quote", 3),
        ("trade", 1),
    ]
    assert (buffer.dropped, buffer.conflated) == (0, 2)


async def test_a_closed_buffer_lets_nobody_wait():
    buffer = TickBuffer(2)
    buffer.put(item(1))
    buffer.close()
    assert len(await buffer.take(9, 60)) == 1
    assert await buffer.take(9, 60) == []


def test_silence_counts_from_the_connection_and_not_from_the_feeds_start():
    clock = ManualClock()
    watch = SilenceWatch(["A"], 10, clock)
    clock.advance(1_000)
    watch.connected()
    assert watch.overdue() is None
    clock.advance(10.5)
    assert watch.overdue() == Silence(None, 10.5)
    watch.heard()
    assert watch.overdue() is None


@given(pace_s=st.floats(0.01, 20), silence_s=st.floats(0.5, 10))
def test_a_symbol_is_overdue_by_its_own_pace_and_never_before_silence_s(pace_s, silence_s):
    clock = ManualClock()
    watch = SilenceWatch(["A"], silence_s, clock)
    watch.connected()
    for _ in range(30):
        clock.advance(pace_s)
        watch.heard("A")
    allowed_s = max(silence_s, PACE_FACTOR * pace_s)
    clock.advance(allowed_s * 0.99)
    watch.heard()  # the connection lives
    assert watch.overdue() is None
    clock.advance(allowed_s * 0.02)
    watch.heard()
    found = watch.overdue()
    assert found is not None
    assert found.symbol == "A"
    watch.connected()
    assert watch.overdue() is None, "a halted symbol costs one reconnection"


def test_a_symbol_is_proven_by_its_own_tick_over_this_connection():
    watch = SilenceWatch(["A", "B"], 10, ManualClock())
    watch.connected()
    watch.heard("A")
    watch.heard("C")  # not subscribed
    assert (watch.proven("A"), watch.proven("B")) == (True, False)
    watch.disconnected()
    assert not watch.proven("A")


def test_a_phase_is_only_reached_by_its_step():
    track = PhaseTrack()
    for phase in (
        FeedPhase.CONNECTING,
        FeedPhase.SUBSCRIBING,
        FeedPhase.PROVING,
        FeedPhase.LIVE,
        FeedPhase.WAITING,
    ):
        track.enter(phase)
    with pytest.raises(RuntimeError, match="from waiting to live"):
        track.enter(FeedPhase.LIVE)
    track.enter(FeedPhase.ENDED)
    with pytest.raises(RuntimeError):
        track.enter(FeedPhase.CONNECTING)
