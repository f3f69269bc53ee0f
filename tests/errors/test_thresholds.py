"""Thresholds learn the 95th percentile, ignore what was injected, and alerts do not flap."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import thresholds as module
from alchemiser_cli.errors.thresholds import (
    LEARN_AFTER,
    RULES,
    Rule,
    Thresholds,
    _Gauge,
    percentile_95,
)
from alchemiser_cli.state import StateDatabase, threshold_sample
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

VALUES = st.floats(0, 1e6)
HISTORIES = st.lists(VALUES, min_size=1, max_size=80)
RULE = Rule(static=10.0, floor=4.0, raise_after=3, clear_after=5)
METRIC = "errors_per_min"


@pytest.fixture
def open_thresholds(tmp_path):
    opened = []

    def make(rules=RULES):
        opened.append(StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", ManualClock()))
        return Thresholds(opened[-1], rules)

    make.databases = opened
    yield make
    for database in opened:
        database.close()


def gauge_after(samples, rule=RULE):
    gauge = _Gauge(rule)
    for at_ns, sample in enumerate(samples):
        value, injected = sample if isinstance(sample, tuple) else (sample, False)
        gauge.take(at_ns, value, injected)
    return gauge


def alerts(samples, rule=RULE):
    """Each sample's threshold, and whether the alert stood after it."""
    gauge, seen = _Gauge(rule), []
    for at_ns, value in enumerate(samples):
        threshold = gauge.threshold
        gauge.take(at_ns, value, injected=False)
        seen.append((value, threshold, gauge.alerting))
    return seen


@given(HISTORIES)
def test_the_percentile_is_that_of_numpy(values):
    assert percentile_95(sorted(values)) == pytest.approx(np.percentile(values, 95))


@given(HISTORIES)
def test_the_threshold_is_static_until_ten_samples_then_the_percentile_within_its_bounds(values):
    gauge = gauge_after(values)
    if len(values) < LEARN_AFTER:
        assert gauge.threshold == RULE.static
    else:
        assert gauge.threshold == pytest.approx(max(RULE.floor, np.percentile(values, 95)))
    capped = gauge_after(values, Rule(static=10, floor=4, ceiling=50))
    assert capped.threshold <= 50


@given(st.lists(st.tuples(VALUES, st.booleans()), max_size=80))
def test_what_was_injected_never_changes_the_threshold(samples):
    genuine = [value for value, injected in samples if not injected]
    with_drills, without = gauge_after(samples), gauge_after(genuine)
    assert with_drills.threshold == without.threshold
    assert with_drills.ordered == without.ordered


@given(st.lists(VALUES, max_size=120), st.integers(1, 4), st.integers(1, 6))
def test_an_alert_moves_only_after_enough_samples_in_a_row(values, raise_after, clear_after):
    rule = Rule(static=10, floor=4, raise_after=raise_after, clear_after=clear_after)
    seen = alerts(values, rule)
    states = [False, *(alerting for *_, alerting in seen)]
    moves = [at for at, pair in enumerate(itertools.pairwise(states)) if pair[0] != pair[1]]
    for before, at in zip([-1, *moves], moves, strict=False):
        raised = states[at + 1]
        needed = raise_after if raised else clear_after
        assert at - before >= needed
        for value, threshold, _ in seen[at - needed + 1 : at + 1]:
            assert value > threshold if raised else value < threshold * rule.clear_ratio


@given(
    st.lists(VALUES, max_size=60),
    st.lists(st.floats(0.8, 1), min_size=1, max_size=200),
    st.floats(0.01, 1e3),
)
def test_a_value_that_oscillates_within_the_band_never_flaps(before, shares, width):
    """From whatever state: between 80 % of the threshold and the threshold nothing changes."""
    gauge = gauge_after(before)
    state, at_ns = gauge.alerting, len(before)
    for number, share in enumerate(shares):
        value = gauge.threshold * share
        assume(value >= gauge.threshold * RULE.clear_ratio)
        gauge.take(at_ns + number, value, injected=False)
        assert gauge.alerting == state


@given(st.floats(4.0, 1e6), st.lists(st.floats(0.8, 1), min_size=1, max_size=100))
def test_a_fixed_band_holds_although_the_threshold_learns_it(level, shares):
    rule = Rule(static=level, floor=level)
    assert not any(alerting for *_, alerting in alerts([level * s for s in shares], rule))


@given(st.lists(st.integers(0, 1), max_size=200))
def test_after_a_quiet_history_a_single_failure_is_no_alert(ones):
    quiet = [0.0] * 200
    assert not any(alerting for *_, alerting in alerts([*quiet, *ones], RULES[METRIC]))


def test_an_outage_longer_than_the_history_does_not_become_normal_beyond_the_ceiling():
    rule = Rule(static=10, floor=4, ceiling=50)
    assert all(alerting for *_, alerting in alerts([80.0] * 2_000, rule)[2:])


def test_the_history_is_bounded(monkeypatch):
    gauge = gauge_after(range(2_500))
    assert len(gauge.ordered) == module.HISTORY
    assert gauge.ordered == sorted(range(1_500, 2_500))


def test_an_alert_is_raised_stays_in_the_band_and_clears(open_thresholds):
    thresholds = open_thresholds({METRIC: RULE})
    values = [0, 11, 12, 13, 9, 8, 7, 9, 7, 7, 7, 7, 7]
    states = [thresholds.evaluate(METRIC, value, at_ns) for at_ns, value in enumerate(values)]
    # Ten samples exist from the eleventh evaluation on; the threshold is then near the highest.
    assert [s.alerting for s in states] == [False] * 3 + [True] * 9 + [False]
    assert [s.since_ns for s in states] == [0] * 3 + [3] * 9 + [12]
    assert [s.kind for s in states] == ["static"] * 10 + ["learned"] * 3
    assert [s.samples for s in states] == list(range(13))
    assert {s.threshold for s in states[:10]} == {10.0}
    assert all(s.stored for s in states)


@settings(max_examples=25)  # each makes a database
@given(
    samples=st.lists(st.tuples(VALUES, st.booleans(), st.booleans()), min_size=1, max_size=25),
)
def test_processes_that_take_turns_judge_as_one(tmp_path_factory, samples):
    """A cron job that starts anew for each sample comes to what one long process comes to."""
    folder = tmp_path_factory.mktemp("state")
    database = StateDatabase(f"sqlite:///{folder / 'state.db'}", ManualClock())
    try:
        lasting = Thresholds(database, {METRIC: RULE})
        alone = _Gauge(RULE)
        for at_ns, (value, injected, anew) in enumerate(samples):
            process = Thresholds(database, {METRIC: RULE}) if anew else lasting
            threshold = alone.threshold
            alone.take(at_ns, value, injected)
            state = process.evaluate(METRIC, value, at_ns, injected=injected)
            assert (state.threshold, state.alerting) == (threshold, alone.alerting)
            assert state.since_ns == alone.since_ns
    finally:
        database.close()


def test_what_is_stored_is_bounded_and_drills_push_nothing_out(open_thresholds, monkeypatch):
    monkeypatch.setattr(module, "HISTORY", 20)
    thresholds = open_thresholds()
    for at_ns in range(30):
        thresholds.evaluate(METRIC, at_ns, at_ns)
    for at_ns in range(30, 90):
        thresholds.evaluate(METRIC, 0, at_ns, injected=True)
    count = select(threshold_sample.c.injected, func.count()).group_by(threshold_sample.c.injected)
    with open_thresholds.databases[0].begin() as connection:
        assert dict(tuple(row) for row in connection.execute(count)) == {False: 20, True: 20}
    state = open_thresholds().evaluate(METRIC, 0, 100)
    assert state.samples == 20
    assert state.threshold == pytest.approx(np.percentile(range(10, 30), 95))


def test_a_postgresql_database_learns_alike(open_thresholds, monkeypatch):
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    monkeypatch.setattr(module, "HISTORY", 20)
    samples = [(at_ns * 7 % 40, at_ns, at_ns % 5 == 0) for at_ns in range(50)]

    def judged(make):
        return [
            make().evaluate(METRIC, value, at_ns, injected=injected)
            for value, at_ns, injected in samples
        ]

    with temporary_postgresql(programs) as url:
        database = StateDatabase(url, ManualClock())
        on_the_server = judged(lambda: Thresholds(database))
        database.close()
    assert on_the_server == judged(open_thresholds)


def test_a_clock_that_went_back_neither_stops_nor_reorders(open_thresholds):
    thresholds = open_thresholds()
    for at_ns in (5_000, 4_000, 4_000, 1, 5_001):
        state = thresholds.evaluate(METRIC, 50, at_ns)
    assert state.samples == 4
    assert state.alerting
    assert state.since_ns == 5_002
    again = open_thresholds().evaluate(METRIC, 50, 6_000)
    assert (again.samples, again.since_ns) == (5, 5_002)


def test_a_database_that_is_gone_stops_no_evaluation(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", ManualClock())
    (tmp_path / "state.db").write_bytes(b"no database" * 1_000)
    thresholds = Thresholds(database)
    states = [thresholds.evaluate(METRIC, 50, at_ns) for at_ns in range(4)]
    assert [state.alerting for state in states] == [False, False, True, True]
    assert not any(state.stored for state in states)


def test_the_parts_of_a_metric_share_a_rule_and_learn_apart(open_thresholds):
    thresholds = open_thresholds()
    for at_ns in range(LEARN_AFTER):
        thresholds.evaluate("errors_per_min:consumer", 30, at_ns)
    consumer = thresholds.evaluate("errors_per_min:consumer", 30, 100)
    broker = thresholds.evaluate("errors_per_min:paper-broker", 30, 100)
    assert (consumer.kind, consumer.threshold) == ("learned", 30.0)
    assert (broker.kind, broker.threshold) == ("static", RULES["errors_per_min:"].static)


def test_a_second_critical_within_five_minutes_is_an_alert_at_once(open_thresholds):
    thresholds = open_thresholds()
    assert not thresholds.evaluate("criticals_5min", 1, 0).alerting
    assert thresholds.evaluate("criticals_5min", 2, 1).alerting


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_no_sample(open_thresholds, value):
    with pytest.raises(ValueError, match="no sample"):
        open_thresholds().evaluate(METRIC, value, 0)


@pytest.mark.parametrize("metric", ["unknown", "unknown:part", f"{METRIC}:{'x' * 90}"])
def test_a_metric_without_a_rule_is_refused(open_thresholds, metric):
    with pytest.raises(ValueError, match="no threshold"):
        open_thresholds().evaluate(metric, 1, 0)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_has_room_between_its_bounds(rule):
    assert 0 < rule.floor <= rule.static <= rule.ceiling
    assert 0 < rule.clear_ratio < 1
