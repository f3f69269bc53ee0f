"""The limit of dead letters: single failures pass, a topic that fails as a whole stops."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.errors import DeadLetterStormError
from alchemiser_cli.settings.sections import DeadLetterSettings
from alchemiser_cli.streaming.dead_letters import DeadLetterLimit


def limit(**changes):
    return DeadLetterLimit(DeadLetterSettings(**changes))


def storms_at(limit, failures):
    """Which of the noted messages raised."""
    found = []
    for at, failed in enumerate(failures):
        try:
            limit.failed() if failed else limit.succeeded()
        except DeadLetterStormError:
            found.append(at)
    return found


@pytest.mark.provokes("dead-letter-storm")
def test_failures_in_a_row_stop_the_consumer():
    limited = limit(max_consecutive=3, ratio_window=1_000)
    limited.failed("wrong-magic")
    limited.failed("truncated")
    with pytest.raises(DeadLetterStormError) as raised:
        limited.failed("wrong-magic")
    error = raised.value
    assert "last 3 messages" in error.why
    assert error.context["consecutive"] == 3
    assert error.context["reasons"] == {"wrong-magic": 2, "truncated": 1}
    assert "dlq list --by-reason" in error.next_step


def test_one_success_ends_the_row():
    assert storms_at(limit(max_consecutive=3), [True, True, False] * 100) == []


@pytest.mark.provokes("dead-letter-storm")
def test_the_share_counts_only_over_a_full_window():
    limited = limit(max_ratio=0.5, ratio_window=10, max_consecutive=100)
    assert storms_at(limited, [True, False] * 4 + [False]) == []
    with pytest.raises(DeadLetterStormError, match="stops") as raised:
        limited.failed()
    assert "Of the last 10 messages, 5 failed." in raised.value.why


def test_failures_that_left_the_window_count_no_more():
    limited = limit(max_ratio=0.3, ratio_window=10, max_consecutive=100)
    assert storms_at(limited, ([True, True] + [False] * 8) * 20) == []


def test_many_successes_at_once_count_as_many():
    limited = limit(max_ratio=0.5, ratio_window=10, max_consecutive=3)
    limited.failed()
    limited.failed()
    limited.succeeded(0)  # nothing was worked off, so the row goes on
    with pytest.raises(DeadLetterStormError):
        limited.failed()
    limited.succeeded(8)
    assert storms_at(limited, [True]) == []


@given(
    st.lists(st.booleans(), max_size=200),
    st.integers(1, 12),
    st.floats(0.05, 1),
    st.integers(1, 20),
)
def test_it_stops_exactly_when_counting_all_over_says_so(failures, row, ratio, window):
    limited = limit(max_consecutive=row, max_ratio=ratio, ratio_window=window)
    expected = []
    for at in range(len(failures)):
        seen = failures[: at + 1]
        in_a_row = len(seen) >= row and all(seen[-row:])
        too_many = len(seen) >= window and sum(seen[-window:]) >= ratio * window
        if seen[-1] and (in_a_row or too_many):
            expected.append(at)
    assert storms_at(limited, failures) == expected


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=60))
def test_the_reasons_are_those_of_the_window(reasons):
    limited = limit(ratio_window=10, max_consecutive=1)
    for reason in reasons:
        with suppress(DeadLetterStormError):
            limited.succeeded() if reason is None else limited.failed(reason)
    with pytest.raises(DeadLetterStormError) as raised:
        limited.failed("last")
    window = [*reasons, "last"][-10:]
    counted = {name: window.count(name) for name in set(window) - {None}}
    assert raised.value.context["reasons"] == counted
