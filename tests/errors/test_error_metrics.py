"""The windows of the error metrics count exactly what a recount of all failures counts."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors.journal import MinuteCount
from alchemiser_cli.errors.metrics import WINDOWS_MIN, ErrorWindows, from_minutes

MINUTE_NS = 60 * NS_PER_SECOND
CODES = st.sampled_from(["broker-unreachable", "disk-full", "usage"])
COMPONENTS = st.sampled_from(["consumer", "paper-broker", ""])
FAILURES = st.tuples(
    st.integers(0, 10**4).map(lambda tenths: tenths / 10),  # seconds since the one before
    CODES,
    COMPONENTS,
    st.booleans(),  # critical
    st.booleans(),  # injected
    st.integers(1, 9),
)
MINUTES = st.builds(
    MinuteCount,
    minute=st.integers(0, 130),
    code=CODES,
    component=COMPONENTS,
    injected=st.booleans(),
    count=st.integers(1, 20),
    criticals=st.integers(0, 5),
    recovered=st.integers(0, 5),
)


def windows(metrics):
    return (metrics.last_minute, metrics.last_5_minutes, metrics.last_hour)


def counts(rates):
    return {name: (rate.count, rate.criticals) for name, rate in rates.items()}


def recount(events, position):
    sums = {}
    for event in events:
        count, criticals = sums.get(event[position], (0, 0))
        sums[event[position]] = (count + event[2], criticals + event[3])
    return sums


@given(st.lists(FAILURES, max_size=60), st.integers(0, 4_000))
def test_each_window_counts_its_whole_slots_and_the_running_one(failures, idle_s):
    clock, seen = ManualClock(), []
    metrics = ErrorWindows(clock)
    for pause_s, code, component, critical, injected, count in failures:
        clock.advance(pause_s)
        metrics.record(code, component, critical=critical, injected=injected, count=count)
        row = (code, component, count, count * critical, injected)
        seen.append((clock.monotonic_ns(), row))
    clock.advance(idle_s)
    now_ns = clock.monotonic_ns()
    for minutes, window in zip(WINDOWS_MIN, windows(metrics.metrics()), strict=True):
        slot_ns = minutes * NS_PER_SECOND
        inside = [row for at_ns, row in seen if at_ns // slot_ns >= now_ns // slot_ns - 60]
        genuine = [row for row in inside if not row[4]]
        assert counts(window.by_code) == recount(genuine, 0)
        assert counts(window.by_component) == recount(genuine, 1)
        assert window.total.count == sum(row[2] for row in genuine)
        assert window.total.criticals == sum(row[3] for row in genuine)
        assert window.injected == sum(row[2] for row in inside if row[4])
        assert minutes * 60 <= window.covered_s < minutes * 61
        rate = window.total.count * 60 / window.covered_s
        assert window.total.per_minute == pytest.approx(rate)


@given(st.lists(MINUTES, max_size=60), st.integers(60 * MINUTE_NS, 132 * MINUTE_NS))
def test_the_journals_minutes_give_the_same_numbers(rows, now_ns):
    metrics = from_minutes(rows, now_ns)
    this_minute = now_ns // MINUTE_NS
    for minutes, window in zip(WINDOWS_MIN, windows(metrics), strict=True):
        inside = [row for row in rows if this_minute - minutes <= row.minute <= this_minute]
        genuine = [
            (row.code, row.component, row.count, row.criticals)
            for row in inside
            if not row.injected
        ]
        assert counts(window.by_code) == recount(genuine, 0)
        assert counts(window.by_component) == recount(genuine, 1)
        assert window.injected == sum(row.count for row in inside if row.injected)
        covered_s = minutes * 60 + now_ns % MINUTE_NS / NS_PER_SECOND
        assert window.covered_s == pytest.approx(covered_s)


@given(st.lists(FAILURES, max_size=40))
def test_an_hour_of_whole_minutes_is_the_same_live_and_from_the_journal(failures):
    clock = ManualClock(now_ns=1_000 * 60 * MINUTE_NS)  # both readings turn their minutes at once
    live, rows = ErrorWindows(clock), []
    for pause_s, code, component, critical, injected, count in failures:
        clock.advance(pause_s)
        live.record(code, component, critical=critical, injected=injected, count=count)
        minute = clock.now_ns() // MINUTE_NS
        rows.append(
            MinuteCount(minute, code, component, injected, count, count * critical, recovered=0)
        )
    assert live.metrics().last_hour == from_minutes(rows, clock.now_ns()).last_hour


def test_a_cron_job_at_the_full_minute_sees_the_minute_before():
    row = MinuteCount(99, "usage", "", injected=False, count=6, criticals=0, recovered=3)
    metrics = from_minutes([row], 100 * MINUTE_NS)
    assert metrics.last_minute.total.per_minute == 6
    assert (metrics.recovery.attempted, metrics.recovery.recovered) == (6, 3)
    assert (metrics.recovery.rate, metrics.recovery.mean_s) == (0.5, None)


def test_criticals_leave_after_five_minutes():
    clock = ManualClock()
    metrics = ErrorWindows(clock)
    metrics.record("state-corrupt", "state", critical=True)
    metrics.record("state-corrupt", "state", critical=True, injected=True)
    clock.advance(299)
    assert metrics.metrics().criticals_5min == 1
    clock.advance(7)
    assert metrics.metrics().criticals_5min == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 600)), max_size=30))
def test_recoveries_are_counted_and_timed(attempts):
    metrics = ErrorWindows(ManualClock())
    for recovered, seconds in attempts:
        metrics.record_recovery(recovered=recovered, seconds=seconds)
    found = metrics.metrics().recovery
    times = [seconds for recovered, seconds in attempts if recovered]
    assert (found.attempted, found.recovered) == (len(attempts), len(times))
    assert found.rate == (len(times) / len(attempts) if attempts else None)
    assert found.mean_s == (pytest.approx(sum(times) / len(times)) if times else None)


def test_a_wall_clock_that_jumps_moves_no_window():
    clock = ManualClock()
    metrics = ErrorWindows(clock)
    metrics.record("usage", "")
    clock.jump(-7_200)
    metrics.record("usage", "")
    clock.jump(90_000)
    assert metrics.metrics().last_minute.total.count == 2


def test_an_hours_storm_keeps_no_more_than_its_kinds():
    clock = ManualClock()
    metrics = ErrorWindows(clock)
    for second in range(7_200):
        metrics.record(f"code-{second % 200}", "", count=1_000)
        clock.advance(1)
    kept = sum(len(slot) for ring in metrics._windows for _, slot in ring._slots)
    assert kept <= 3 * 61 * 200
    clock.advance(3_700)
    assert metrics.metrics().last_hour.total.count == 0
    assert all(not ring._slots and not ring._totals for ring in metrics._windows)


def test_threads_lose_no_failure():
    metrics = ErrorWindows(ManualClock())

    def fail():
        for _ in range(2_000):
            metrics.record("usage", "c")

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.metrics().last_hour.total.count == 8_000
