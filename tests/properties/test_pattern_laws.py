"""Laws of the search for patterns: silence on chance, and no dependence on order or origin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors.patterns import find_patterns, history_of
from alchemiser_cli.errors.patterns.tails import benjamini_hochberg, binomial_tail, fisher_tail

DAY_S = 86_400
JOURNALS = 40
LEVEL = 0.05
MOST_SHOWN = 6  # a binomial of 40 and 0.05 is larger less than once in a hundred times

SEEDS = st.integers(0, 2**32 - 1)


def journal(seed, days, kinds=6, first_day=20_000, backwards=False):
    """Errors at constant rates; ``backwards`` names them in the other order."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.uniform(np.log(0.3), np.log(8), kinds))
    minutes = {
        (f"c{at}", "x"): np.unique(rng.integers(0, days * 1_440, rng.poisson(rate * days)))
        + first_day * 1_440
        for at, rate in enumerate(rates)
    }
    if backwards:
        minutes = dict(reversed(minutes.items()))
    return history_of(minutes, first_day=first_day, days=days)


@pytest.mark.parametrize("days", [14, 60])
def test_errors_at_random_show_nothing_beyond_the_level(days):
    shown = sum(bool(find_patterns(journal(seed, days)).patterns) for seed in range(JOURNALS))
    assert shown <= MOST_SHOWN


@settings(max_examples=15)
@given(SEEDS, st.integers(1, 40))
def test_what_is_shown_passes_and_every_test_is_counted(seed, days):
    report = find_patterns(journal(seed, days))
    assert all(one.p_value <= one.q_value < LEVEL for one in report.patterns)
    assert all(5 <= one.support <= one.of for one in report.patterns)
    assert len(report.patterns) <= report.passed <= sum(report.tests.values())
    assert report.tests["sequence"] == report.tested * (report.tested - 1)


@settings(max_examples=10)
@given(SEEDS)
def test_the_order_of_the_errors_names_no_other_sequence(seed):
    here = find_patterns(journal(seed, 20), kinds=("sequence",))
    there = find_patterns(journal(seed, 20, backwards=True), kinds=("sequence",))
    assert here.patterns == there.patterns


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 300))
def test_patterns_move_with_the_journal_by_whole_weeks(seed, weeks):
    here, there = journal(seed, 20), journal(seed, 20, first_day=20_000 + 7 * weeks)
    assert find_patterns(here).patterns == find_patterns(there).patterns


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_q_values_keep_the_order_and_are_no_smaller(p_values):
    p = np.array(p_values)
    q = benjamini_hochberg(p)
    assert np.all(q >= p)
    assert np.all(np.diff(q[np.argsort(p, kind="stable")]) >= 0)


@given(st.floats(0.1, 300), st.floats(0, 300), st.floats(0.001, 0.999))
def test_one_more_success_is_never_likelier(successes, failures, chance):
    fewer = binomial_tail(successes, failures, chance)
    assert 0 <= binomial_tail(successes + 1, failures, chance) <= fewer + 1e-9


@given(*[st.integers(0, 60)] * 4)
def test_fishers_tail_is_a_probability(in_a, out_a, in_b, out_b):
    assert 0 <= fisher_tail(in_a, out_a, in_b, out_b) <= 1
