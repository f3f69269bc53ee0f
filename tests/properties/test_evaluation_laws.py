"""Laws of the evaluation's statistics."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alchemiser_cli.rl.evaluation.actions import measure_actions
from alchemiser_cli.rl.evaluation.folds import LEAST_STEPS, runs_within, walk_forward_folds
from alchemiser_cli.rl.evaluation.performance import drawdowns, step_returns
from alchemiser_cli.rl.evaluation.resampling import (
    interquartile_mean,
    stationary_indices,
    stratified_interval,
)
from alchemiser_cli.rl.evaluation.sharpe import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
    skewness_and_kurtosis,
)
from alchemiser_cli.rl.evaluation.verdict import DEFAULT_THRESHOLDS, pass_verdict

# Multiples of a millionth: what differs, differs by more than rounding.
returns = st.lists(st.integers(-200_000, 200_000), min_size=3, max_size=60).map(
    lambda values: np.array(values) / 1e6
)
equity = st.lists(st.integers(-50, 2_000), min_size=1, max_size=60).map(
    lambda values: np.array([1_000.0, *values])
)
numbers = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=40).map(
    lambda values: np.array(values, float)
)


@given(returns, st.floats(0.01, 100))
def test_the_sharpe_ratio_knows_no_leverage_and_changes_sign_with_the_side(returns, leverage):
    ratio = sharpe_ratio(returns, 252)
    assert sharpe_ratio(returns * leverage, 252) == pytest.approx(ratio, rel=1e-6, abs=1e-9)
    assert sharpe_ratio(-returns, 252) == pytest.approx(-ratio)


@given(returns)
def test_kurtosis_is_never_below_one_and_squared_skewness(returns):
    skewness, kurtosis = skewness_and_kurtosis(returns)
    assert kurtosis >= 1 + skewness**2 - 1e-6


@given(returns, st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_trials_never_make_skill_likelier(returns, trials, more):
    skill = deflated_sharpe_ratio(returns, trials)
    assert 0 <= deflated_sharpe_ratio(returns, trials + more) <= skill + 1e-12 <= 1 + 1e-12


@given(returns)
def test_with_one_trial_nothing_is_deflated(returns):
    ratio = sharpe_ratio(returns)
    assume(ratio != 0)
    moments = skewness_and_kurtosis(returns)
    expected = probabilistic_sharpe_ratio(ratio, 0, len(returns), *moments)
    assert deflated_sharpe_ratio(returns, 1) == expected


@given(st.integers(2, 10_000), st.floats(1e-6, 10), st.floats(1, 100))
def test_the_expected_maximum_grows_with_trials_and_with_their_deviation(trials, variance, factor):
    least = expected_maximum_sharpe(trials, variance)
    assert least <= expected_maximum_sharpe(trials + 1, variance)
    assert expected_maximum_sharpe(trials, variance * factor**2) == pytest.approx(least * factor)


@given(equity)
def test_drawdowns_are_shares_and_zero_at_every_new_peak(equity):
    seen = drawdowns(equity)
    assert ((seen >= 0) & (seen <= 1)).all()
    peaks = equity == np.maximum.accumulate(equity)
    assert (seen[peaks] == 0).all()


@given(equity, st.sampled_from([0.5, 2.0, 1024.0]))
def test_drawdowns_and_returns_have_no_currency(equity, rate):
    assert np.array_equal(drawdowns(equity), drawdowns(equity * rate))
    assert np.array_equal(step_returns(equity), step_returns(equity * rate))


@given(equity)
def test_returns_chain_to_the_equity_until_all_is_lost(equity):
    chained = equity[0] * np.cumprod(1 + step_returns(equity))
    lost = np.maximum.accumulate(equity <= 0)[1:]
    assert chained == pytest.approx(np.where(lost, 0, equity[1:]), rel=1e-9, abs=1e-9)


@given(numbers, st.integers(-1_000, 1_000), st.randoms())
def test_the_interquartile_mean_is_between_moves_along_and_knows_no_order(numbers, by, random):
    mean = float(interquartile_mean(numbers))
    assert numbers.min() - 1e-6 <= mean <= numbers.max() + 1e-6
    assert float(interquartile_mean(numbers + by)) == pytest.approx(mean + by, abs=1e-6)
    mixed = numbers.tolist()
    random.shuffle(mixed)
    assert float(interquartile_mean(np.array(mixed))) == mean


@given(st.lists(st.integers(-100, 100), min_size=3, max_size=30))
def test_one_wild_value_of_four_does_not_move_the_interquartile_mean(values):
    numbers = np.array([*values, max(values) + 1], float)
    wild = np.array([*values, 1e12])
    assert interquartile_mean(wild) == interquartile_mean(numbers)


@settings(max_examples=30)
@given(arrays(float, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-5, 5)))
def test_a_stratified_interval_lies_within_the_scores(scores):
    interval = stratified_interval(scores, confidence=0.9, seed=0, resamples=200)
    assert scores.min() - 1e-9 <= interval.low <= interval.high <= scores.max() + 1e-9


@given(st.integers(1, 80), st.floats(1, 50), st.integers(0, 99))
def test_a_resample_takes_known_steps_and_the_same_seed_takes_the_same(steps, length, seed):
    drawn, again = (
        stationary_indices(steps, length, resamples=7, generator=np.random.default_rng(seed))
        for _ in range(2)
    )
    assert drawn.shape == (7, steps)
    assert ((drawn >= 0) & (drawn < steps)).all()
    assert np.array_equal(drawn, again)


@given(st.integers(0, 500), st.integers(1, 12), st.integers(0, 1_000), st.lists(st.integers(0, 99)))
def test_folds_cover_every_step_once_and_runs_stay_within(first, count, beyond, seeds):
    last = first + count * LEAST_STEPS + beyond
    folds = walk_forward_folds(first, last, count)
    steps = [step for fold in folds for step in range(fold.first_row, fold.last_row)]
    assert steps == list(range(first, last))
    assert max(fold.steps for fold in folds) - min(fold.steps for fold in folds) <= 1
    for run in runs_within(folds, seeds):
        fold = folds[run.fold]
        assert fold.first_row <= run.first_row < run.last_row == fold.last_row


@settings(max_examples=50)
@given(arrays(np.float32, st.tuples(st.integers(0, 20), st.just(10)), elements=st.floats(width=32)))
def test_any_actions_have_finite_figures(actions):
    seen = measure_actions(actions)
    assert 0 <= seen.non_finite_share <= 1
    assert 0 <= seen.saturated_share <= 1
    assert math.isfinite(seen.mean_size)


figure = st.floats(0, 1)


@given(
    st.fixed_dictionaries(
        {
            "non_finite_actions": figure,
            "non_finite_weights": st.integers(0, 2),
            "saturated_actions": figure,
            "edges": st.lists(st.tuples(st.sampled_from(["a-b", "c"]), st.floats(-1, 1))),
            "deflated_sharpe": figure,
            "ruined": st.integers(0, 2),
            "rows_between": st.none() | st.integers(-99, 99),
            "purge_steps": st.integers(0, 70),
            "steps": st.integers(0, 900),
        }
    )
)
def test_a_verdict_is_promotable_exactly_without_a_reason(figures):
    verdict = pass_verdict(DEFAULT_THRESHOLDS, **figures)
    assert verdict.promotable == (verdict.reasons == ())
    assert verdict.reasons == tuple(one.reason for one in verdict.findings if not one.passed)
    assert all("-" not in reason for reason in verdict.reasons)
