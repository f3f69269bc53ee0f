"""What is planted is found and said in a sentence; what only looks like a pattern is not."""

import numpy as np
import pytest

from alchemiser_cli.errors.patterns import MetricSeries, Sessions, find_patterns, history_of

DAY_S = 86_400
FIRST_DAY = 20_003  # a Monday
DAYS = 60


def history_from(times, days=DAYS, metrics=None):
    """A history of seconds since its first day, for the errors c0, c1 and so on."""
    minutes = {
        (f"c{at}", "desk"): np.unique(one % (days * DAY_S) // 60).astype(np.int64)
        + FIRST_DAY * 1_440
        for at, one in enumerate(times)
    }
    return history_of(minutes, first_day=FIRST_DAY, days=days, metrics=metrics)


def at_random(rng, count, days=DAYS):
    return rng.uniform(0, days * DAY_S, count)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def others(rng):
    return [at_random(rng, 100) for _ in range(4)]


def sentences(report):
    return [one.sentence for one in report.patterns]


def test_an_error_at_an_hour_of_the_day_is_found(rng, others):
    hourly = np.arange(0, DAYS, 2) * DAY_S + 14 * 3_600 + rng.uniform(0, 3_600, DAYS // 2)
    report = find_patterns(history_from([np.append(hourly, at_random(rng, 10)), *others]))
    (found,) = report.patterns
    assert (found.kind, found.test, found.code) == ("time", "hour of the day", "c0")
    assert found.support >= 30
    assert found.q_value < 0.05
    assert found.sentence.startswith(
        "c0 in desk comes mostly between 14:00 and 15:00 UTC: 30 of 40"
    )


def test_an_error_of_mondays_is_found(rng, others):
    mondays = np.repeat(np.arange(0, DAYS, 7), 4) * DAY_S
    weekly = mondays + rng.uniform(0, DAY_S, len(mondays))
    (found,) = find_patterns(
        history_from([np.append(weekly, at_random(rng, 12)), *others])
    ).patterns
    assert (found.test, found.code) == ("day of the week", "c0")
    assert "on Mondays" in found.sentence


def test_what_follows_is_found_with_how_soon(rng, others):
    first = at_random(rng, 60)
    then = np.append(first[:40] + 120, at_random(rng, 20))
    (found,) = find_patterns(history_from([first, then, *others])).patterns
    assert (found.kind, found.code, found.other) == ("sequence", "c0", "c1")
    assert found.support >= 38
    assert found.sentence.startswith("c1 in desk follows c0 in desk within 10 min: after ")
    assert "mostly after 2 min" in found.sentence


def test_errors_that_share_their_hours_are_found(rng, others):
    hours = rng.choice(DAYS * 24, 40, replace=False) * 3_600
    both = [hours + 60 * rng.integers(15, 55, 40) for _ in range(2)]
    both[0] = both[0] - 14 * 60 * (both[0] % 120 < 60)
    report = find_patterns(history_from([*both, *others]), kinds=("correlation",))
    (found,) = report.patterns
    assert (found.kind, found.test, {found.code, found.other}) == (
        "correlation",
        "same hours",
        {"c0", "c1"},
    )
    assert found.effect > 0.9
    assert report.tests == {"time": 0, "sequence": 0, "correlation": 15}


def test_an_error_that_comes_with_a_high_metric_is_found(rng, others):
    at_s = np.arange(0, 3 * DAY_S, 60.0)
    values = np.convolve(rng.normal(size=len(at_s)), np.ones(30), "same")
    peaks = at_s[values > np.quantile(values, 0.85)][::20]
    metrics = {
        "queue_length": MetricSeries(at_s + FIRST_DAY * DAY_S, values),
        "errors_per_min": MetricSeries(at_s + FIRST_DAY * DAY_S, values),
    }
    report = find_patterns(history_from([peaks, *others], metrics=metrics), kinds=("correlation",))
    (found,) = report.patterns
    assert (found.test, found.code, found.other) == ("with a metric", "c0", "queue_length")
    assert "queue_length is higher when c0 in desk begins" in found.sentence


def test_an_error_at_the_markets_opening_is_told_once(rng, others):
    opens = np.arange(DAYS)[np.arange(DAYS) % 7 < 5] * DAY_S + 14.5 * 3_600
    late = opens[::2] + rng.uniform(0, 1_500, len(opens[::2]))
    history = history_from([late, *others])
    sessions = Sessions(opens + FIRST_DAY * DAY_S, opens + 6.5 * 3_600 + FIRST_DAY * DAY_S)
    report = find_patterns(history, sessions)
    (found,) = report.patterns
    assert found.test == "market opens"
    assert "0 to 30 minutes after the market opens" in found.sentence
    assert report.passed == 2  # the hour of the day says less


def test_a_system_that_runs_in_market_hours_only_has_no_rhythm(rng):
    days = rng.integers(0, DAYS, (5, 150))
    trading = days * DAY_S + 14.5 * 3_600 + rng.uniform(0, 6.5 * 3_600, days.shape)
    assert sentences(find_patterns(history_from(list(trading[:, :])))) == []


def test_a_rhythm_that_two_errors_share_is_no_sequence(rng, others):
    noon = np.arange(DAYS) * DAY_S + 12 * 3_600
    both = [noon + rng.uniform(0, 3_600, DAYS) for _ in range(2)]
    report = find_patterns(history_from([*both, *others]), kinds=("sequence",))
    assert sentences(report) == []


def test_a_storm_is_one_event(rng, others):
    """Hours of errors, every minute or every quarter of an hour, on three afternoons."""
    bursts = [
        day * DAY_S + 14 * 3_600 + np.arange(0, 10_800, step)
        for day, step in ((3, 60), (10, 900), (17, 900))
    ]
    assert sentences(find_patterns(history_from([np.concatenate(bursts), *others]))) == []


def test_one_bad_monday_is_no_pattern_of_mondays(rng, others):
    monday = 7 * DAY_S + np.arange(0, DAY_S, 1_800)
    history = history_from([np.append(monday, at_random(rng, 30)), *others])
    assert sentences(find_patterns(history, kinds=("time",))) == []


def test_a_code_narrows_what_is_tested(rng, others):
    first = at_random(rng, 60)
    history = history_from([first, first + 120, *others])
    whole, narrow = find_patterns(history), find_patterns(history, code="c1")
    assert narrow.tests == {"time": 2, "sequence": 10, "correlation": 5}
    assert [one.other for one in narrow.patterns] == ["c1"]
    assert sum(narrow.tests.values()) < sum(whole.tests.values())
    assert find_patterns(history, code="c5").patterns == []


def test_the_same_history_gives_the_same_answer(rng, others):
    first = at_random(rng, 60)
    history = history_from([first, first + 120, *others])
    assert find_patterns(history) == find_patterns(history)


def test_rare_errors_are_counted_and_not_tested(rng):
    report = find_patterns(history_from([at_random(rng, 3), at_random(rng, 40)]))
    assert (report.tested, report.rare, report.errors) == (1, 1, 43)


def test_an_empty_history_needs_no_test():
    report = find_patterns(history_of({}, first_day=0, days=1))
    assert (sum(report.tests.values()), report.patterns) == (0, [])


def test_a_gap_of_ten_minutes_begins_an_episode():
    minutes = np.array([0, 1, 11, 22, 40]) + FIRST_DAY * 1_440
    history = history_of({("c", "x"): minutes}, first_day=FIRST_DAY, days=1)
    assert (history.subjects[0].starts_s // 60 - FIRST_DAY * 1_440).tolist() == [0, 22, 40]
