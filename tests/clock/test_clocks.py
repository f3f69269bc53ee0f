"""Time: nanoseconds and ISO texts lose nothing, and the manual clock obeys its laws."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import ManualClock, SystemClock, iso_from_ns, ns_from_datetime

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
# With room for the offset on both sides.
FIRST = datetime(2, 1, 1)  # noqa: DTZ001  Hypothesis adds the zone
LAST = datetime(9998, 12, 31)  # noqa: DTZ001  as above
MOMENTS = st.datetimes(FIRST, LAST, timezones=OFFSETS)
SECONDS = st.integers(0, 10**7).map(lambda micros: micros / 1_000_000)


@settings(deadline=None)
@given(MOMENTS)
def test_a_moment_survives_nanoseconds_and_iso_to_the_microsecond(moment):
    at_ns = ns_from_datetime(moment)
    text = iso_from_ns(at_ns)
    assert datetime.fromisoformat(text) == moment
    assert text.endswith("+00:00")
    assert ns_from_datetime(datetime.fromisoformat(text)) == at_ns


@settings(deadline=None)
@given(st.integers(-(10**18), 4 * 10**18))
def test_an_iso_text_rounds_down_to_the_microsecond(at_ns):
    back = ns_from_datetime(datetime.fromisoformat(iso_from_ns(at_ns)))
    assert 0 <= at_ns - back < 1_000


@settings(deadline=None)
@given(MOMENTS, MOMENTS)
def test_iso_texts_sort_as_their_moments_do(one, other):
    texts = [iso_from_ns(ns_from_datetime(moment)) for moment in (one, other)]
    assert (texts[0] < texts[1]) == (one < other)


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456+00:00"),
    ],
)
def test_known_moments(at_ns, text):
    assert iso_from_ns(at_ns) == text


def test_a_naive_moment_is_taken_as_utc():
    naive = datetime(2024, 5, 6, 7, 8, 9, 10)  # noqa: DTZ001  the case in question
    assert ns_from_datetime(naive) == ns_from_datetime(naive.replace(tzinfo=UTC))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["sleep", "advance", "jump"]), SECONDS), max_size=10))
def test_the_manual_clock_moves_by_exactly_what_it_is_told(steps):
    clock, start = ManualClock(now_ns=5), 5
    moved = jumped = 0
    for step, seconds in steps:
        before = clock.monotonic_ns()
        getattr(clock, step)(seconds)
        assert clock.monotonic_ns() >= before
        step_ns = round(seconds * 1_000_000_000)
        moved += step_ns if step != "jump" else 0
        jumped += step_ns if step == "jump" else 0
    assert clock.monotonic_ns() == moved
    assert clock.now_ns() == start + moved + jumped


def test_only_the_wall_clock_goes_back():
    clock = ManualClock(now_ns=10**18)
    clock.jump(-3600)
    assert (clock.now_ns(), clock.monotonic_ns()) == (10**18 - 3600 * 10**9, 0)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


@pytest.mark.parametrize("clock", [ManualClock(), SystemClock()])
@pytest.mark.parametrize("seconds", [0, -1, -0.5])
def test_sleeping_no_time_returns_at_once(clock, seconds):
    before = clock.monotonic_ns()
    clock.sleep(seconds)
    assert clock.monotonic_ns() - before < 1_000_000_000


def test_the_manual_clock_may_be_shared_by_threads():
    clock = ManualClock()
    work = [
        threading.Thread(target=lambda: [clock.advance(0.001) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert clock.monotonic_ns() == 2_000_000_000


def test_the_system_clock_tells_utc_and_never_goes_back():
    clock = SystemClock()
    readings = [clock.monotonic_ns() for _ in range(100)]
    assert readings == sorted(readings)
    assert abs(clock.now_ns() - ns_from_datetime(datetime.now(UTC))) < 10 * 10**9
    before = clock.monotonic_ns()
    clock.sleep(0.001)
    assert clock.monotonic_ns() - before >= 1_000_000
