"""The check engine: every check gets one result, whatever the others do."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.checks import Check, SkipCheck, run_checks
from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import BrokerUnreachableError


@pytest.fixture
def clock():
    return ManualClock()


def _check(name, run=lambda: "fine", **options):
    return Check(name, "kafka", "broker-unreachable", run, **options)


def _fails():
    raise BrokerUnreachableError("no answer", why="nobody listens", next_step="start it")


def _skips():
    raise SkipCheck("the broker is embedded")


def _crashes():
    raise ZeroDivisionError("division by zero")


def _one(check, clock, **options):
    (result,) = run_checks([check], clock, **options)
    return result


def test_a_success_carries_its_detail(clock):
    result = _one(_check("broker"), clock)
    assert (result.result, result.detail, result.hint) == ("success", "fine", "")
    assert (result.name, result.category, result.code) == ("broker", "kafka", "broker-unreachable")


def test_a_failure_is_an_error_with_its_code_reason_and_hint(clock):
    result = _one(Check("broker", "kafka", "other", _fails), clock)
    assert (result.result, result.code) == ("error", "broker-unreachable")
    assert (result.detail, result.hint) == ("no answer: nobody listens", "start it")


def test_a_failure_that_is_not_fatal_is_a_warning(clock):
    assert _one(_check("broker", _fails, fatal=False), clock).result == "warning"


def test_a_check_that_does_not_apply_is_skipped_because(clock):
    result = _one(_check("broker", _skips), clock)
    assert (result.result, result.skipped_because) == ("skipped", "the broker is embedded")


@pytest.mark.provokes("check-crashed")
def test_a_check_that_crashes_is_a_result_of_its_own(clock):
    first, second = run_checks([_check("one", _crashes), _check("two")], clock)
    assert (first.result, first.code) == ("error", "check-crashed")
    assert "ZeroDivisionError: division by zero" in first.detail
    assert second.result == "success"


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.provokes("check-crashed")
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, UnspeakableError])
def test_whatever_a_check_raises_is_told_at_once_and_not_as_a_time_out(kind, clock):
    def run():
        raise kind

    started = time.monotonic()
    assert _one(_check("broker", run, timeout_s=30), clock).code == "check-crashed"
    assert time.monotonic() - started < 10


@pytest.mark.provokes("check-timed-out")
def test_a_check_that_never_returns_costs_its_time_limit_only():
    """The thread that waits is let go at the end, and is gone then."""
    never, before = threading.Event(), threading.active_count()

    def hang():
        never.wait()
        return "late"

    started = time.monotonic()
    hung, after = run_checks([_check("hung", hang, timeout_s=0.1), _check("after")], SystemClock())
    assert (hung.result, hung.code) == ("error", "check-timed-out")
    assert "0.1 s" in hung.detail
    assert 100 <= hung.duration_ms < 10_000
    assert after.result == "success"
    assert time.monotonic() - started < 10
    never.set()
    for thread in threading.enumerate():
        if thread.name == "check hung":
            thread.join(10)
    assert threading.active_count() <= before


def test_a_need_that_failed_skips_what_depends_on_it_without_a_cascade(clock):
    results = run_checks(
        [
            _check("broker", _fails),
            _check("topics", needs=("broker",)),
            _check("group", needs=("topics",)),
            _check("disk"),
        ],
        clock,
    )
    assert [result.result for result in results] == ["error", "skipped", "skipped", "success"]
    assert results[1].skipped_because == '"broker" failed'
    assert results[2].skipped_because == '"topics" was skipped'


def test_a_need_with_a_warning_did_not_succeed_either(clock):
    results = run_checks(
        [_check("broker", _fails, fatal=False), _check("topics", needs=("broker",))], clock
    )
    assert results[1].skipped_because == '"broker" failed'


def test_a_need_that_was_not_asked_does_not_stand_in_the_way(clock):
    assert _one(_check("topics", needs=("broker",)), clock).result == "success"


def test_two_checks_of_one_name_get_two_results(clock):
    results = run_checks([_check("broker", _fails), _check("broker")], clock)
    assert [result.result for result in results] == ["error", "success"]


def test_the_observer_sees_every_result_in_order_as_it_is_known(clock):
    seen = []

    def run():
        return f"{len(seen)} before"

    results = run_checks([_check(name, run) for name in "abc"], clock, on_result=seen.append)
    assert seen == results
    assert [result.detail for result in seen] == ["0 before", "1 before", "2 before"]


def _fails_until(clock, second):
    """Fail before ``second`` of the clock, counting the attempts."""
    attempts = []

    def run():
        attempts.append(clock.monotonic_ns())
        return "up" if clock.monotonic_ns() >= second * 1_000_000_000 else _fails()

    return run, attempts


def test_without_a_wait_a_check_is_asked_once(clock):
    run, attempts = _fails_until(clock, 3)
    assert _one(_check("broker", run, retry=True), clock).result == "error"
    assert len(attempts) == 1


def test_a_check_for_which_waiting_helps_is_asked_again_until_it_succeeds(clock):
    run, attempts = _fails_until(clock, 3)
    assert _one(_check("broker", run, retry=True), clock, wait_s=10).detail == "up"
    assert len(attempts) == 7
    assert clock.monotonic_ns() == 3_000_000_000


def test_a_check_for_which_waiting_does_not_help_is_asked_once(clock):
    run, attempts = _fails_until(clock, 3)
    assert _one(_check("broker", run), clock, wait_s=10).result == "error"
    assert len(attempts) == 1


@pytest.mark.parametrize("run", [_skips, lambda: "fine"])
def test_a_check_that_did_not_fail_is_not_asked_again(run, clock):
    _one(_check("broker", run, retry=True), clock, wait_s=10)
    assert clock.monotonic_ns() == 0


def test_the_wait_is_shared_by_all_checks(clock):
    first, attempts = _fails_until(clock, 100)
    second, later_attempts = _fails_until(clock, 100)
    checks = [_check("one", first, retry=True), _check("two", second, retry=True)]
    results = run_checks(checks, clock, wait_s=4)
    assert [result.result for result in results] == ["error", "error"]
    assert clock.monotonic_ns() == 4_000_000_000
    assert (len(attempts), len(later_attempts)) == (9, 1)


def test_the_last_attempt_is_made_when_the_wait_is_over(clock):
    run, attempts = _fails_until(clock, 100)
    _one(_check("broker", run, retry=True), clock, wait_s=0.7)
    assert attempts == [0, 500_000_000, 700_000_000]


def test_a_duration_is_that_of_the_last_attempt(clock):
    def run():
        clock.advance(0.25)
        return "fine"

    assert _one(_check("broker", run), clock).duration_ms == 250.0


OUTCOMES = {"success": lambda: "fine", "error": _fails, "skipped": _skips, "crash": _crashes}


@st.composite
def _graphs(draw):
    size = draw(st.integers(1, 8))
    return [
        (
            draw(st.sampled_from(sorted(OUTCOMES))),
            draw(st.sets(st.integers(0, number - 1))) if number else set(),
        )
        for number in range(size)
    ]


@settings(deadline=None)
@given(_graphs())
def test_a_check_runs_exactly_when_all_its_needs_succeeded(graph):
    ran = []

    def running(number, outcome):
        ran.append(number)
        return OUTCOMES[outcome]()

    checks = [
        _check(
            str(number),
            lambda number=number, outcome=outcome: running(number, outcome),
            needs=tuple(map(str, sorted(needs))),
        )
        for number, (outcome, needs) in enumerate(graph)
    ]
    results = run_checks(checks, ManualClock())
    assert [result.name for result in results] == [check.name for check in checks]
    succeeded = {number for number, result in enumerate(results) if result.result == "success"}
    for number, (outcome, needs) in enumerate(graph):
        assert (number in ran) == (needs <= succeeded)
        if number in ran:
            expected = "error" if outcome == "crash" else outcome
            assert results[number].result == expected
        else:
            assert results[number].result == "skipped"
            blocking = min(needs - succeeded)
            assert f'"{blocking}" ' in results[number].skipped_because
    assert len(ran) == len(set(ran))
