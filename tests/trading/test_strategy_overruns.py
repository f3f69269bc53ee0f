"""A call that takes too long is ended, on the main thread and on others, and nothing else is."""

import signal
import threading
import time

import pytest

from alchemiser_cli.trading.strategies import OverranError, OverrunGuard

SHORT_S = 0.08


def sleep():
    time.sleep(60)  # allow no-bare-sleep: it is what must be ended


def spin():
    while True:
        pass


def swallow():
    """Goes on after the first interruption, as a bare except does."""
    while True:
        try:
            time.sleep(60)  # allow no-bare-sleep: as above
        except BaseException:  # noqa: BLE001, S110  that is the fault
            pass
        else:
            return
        spin()


@pytest.mark.parametrize("function", [sleep, spin, swallow])
def test_a_call_that_hangs_is_ended_on_the_main_thread(function):
    with OverrunGuard(SHORT_S) as guard:
        with pytest.raises(OverranError):
            guard.call(function)
        assert guard.call(lambda: "the next one runs") == "the next one runs"


def test_a_function_without_a_frame_is_ended_too():
    with OverrunGuard(SHORT_S) as guard, pytest.raises(OverranError):
        guard.call(time.sleep, 60)  # allow no-bare-sleep: it is what must be ended


def test_a_call_that_hangs_is_ended_on_another_thread():
    ended = []

    def work():
        with OverrunGuard(SHORT_S) as guard:
            for _ in range(3):
                try:
                    guard.call(spin)
                except OverranError as error:
                    ended.append(error)
            ended.append(guard.call(lambda: "the next one runs"))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert len(ended) == 4
    assert ended[-1] == "the next one runs"


def test_what_a_call_returns_and_raises_passes():
    with OverrunGuard(SHORT_S) as guard:
        assert guard.call(lambda a, b: a + b, 1, 2) == 3
        with pytest.raises(TimeoutError, match="its own"):
            guard.call(_raising, TimeoutError("its own"))
        with pytest.raises(KeyboardInterrupt):
            guard.call(_raising, KeyboardInterrupt())


def test_whoever_had_the_signal_before_has_it_again():
    seen = []
    before = signal.signal(signal.SIGURG, lambda number, _frame: seen.append(number))
    try:
        with OverrunGuard(SHORT_S) as guard:
            signal.raise_signal(signal.SIGURG)  # nothing overruns: it is for the one before
            with pytest.raises(OverranError):
                guard.call(spin)
        signal.raise_signal(signal.SIGURG)
    finally:
        signal.signal(signal.SIGURG, before)
    assert seen == [signal.SIGURG] * 2


def test_guards_lie_within_each_other():
    with OverrunGuard(SHORT_S) as outer, OverrunGuard(SHORT_S) as inner:
        with pytest.raises(OverranError):
            outer.call(spin)
        with pytest.raises(OverranError):
            inner.call(spin)


@pytest.mark.parametrize("on_main", [True, False])
def test_an_interruption_never_leaves_the_call(on_main):
    """Calls that end just as they are given up: each one returns or overran, and no more comes."""
    outcomes = []

    def work():
        guard = OverrunGuard(0.008, look_s=0.002)
        with guard:
            for at in range(60):
                spent_s = 0.004 + 0.0002 * (at % 40)
                try:
                    outcomes.append(guard.call(_busy, spent_s))
                except OverranError:
                    outcomes.append("overran")
                sum(range(2_000))  # ours: an interruption in here would end the test

    if on_main:
        work()
    else:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    assert len(outcomes) == 60
    assert set(outcomes) <= {"returned", "overran"}


def _busy(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass
    return "returned"


def _raising(error):
    raise error
