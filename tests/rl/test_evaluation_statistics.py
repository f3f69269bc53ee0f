"""The statistics give what their papers print, and what can be worked out by hand."""

import math
import tracemalloc

import numpy as np
import pytest

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.rl.evaluation.differences import paired_differences
from alchemiser_cli.rl.evaluation.folds import (
    Fold,
    rows_between,
    runs_within,
    walk_forward_folds,
)
from alchemiser_cli.rl.evaluation.performance import (
    Account,
    drawdowns,
    measure_performance,
    step_returns,
)
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


def account(equity, **given):
    steps = len(equity) - 1
    fields = {
        "positions": np.zeros((steps + 1, 10)),
        "gross": np.zeros(steps + 1),
        "net": np.zeros(steps + 1),
        "costs": np.zeros(steps),
        "premium": np.zeros(steps),
        "contracts": np.zeros(steps),
    }
    return Account(equity=np.array(equity, float), **{**fields, **given})


class TestSharpe:
    def test_it_is_mean_over_deviation_and_grows_with_the_root_of_the_year(self):
        returns = np.array([0.01, 0.03])
        assert sharpe_ratio(returns) == pytest.approx(0.02 / math.sqrt(0.0002))
        assert sharpe_ratio(returns, 4) == pytest.approx(2 * sharpe_ratio(returns))

    @pytest.mark.parametrize("returns", [[], [0.5], [0.1] * 9, [0.0] * 9])
    def test_what_does_not_vary_has_none(self, returns):
        assert sharpe_ratio(np.array(returns)) == 0.0
        assert deflated_sharpe_ratio(np.array(returns), 3) == 0.0

    @pytest.mark.parametrize(("trials", "deflated"), [(100, 0.9004), (46, 0.9505)])
    def test_the_example_of_the_deflated_ratios_paper(self, trials, deflated):
        """Bailey & López de Prado 2014: Sharpe 2.5 a year, variance 1/2, five years of 250 days."""
        null = expected_maximum_sharpe(trials, 0.5 / 250)
        if trials == 100:
            assert null == pytest.approx(0.1132, abs=5e-5)
        skill = probabilistic_sharpe_ratio(2.5 / math.sqrt(250), null, 1_250, -3, 10)
        assert skill == pytest.approx(deflated, abs=5e-5)

    def test_the_example_of_the_probabilistic_ratios_paper(self):
        """Bailey & López de Prado 2012: 24 months, Sharpe 0.458 a month, neither normal."""
        skill = probabilistic_sharpe_ratio(0.458, 0, 24, -2.448, 10.164)
        assert skill == pytest.approx(0.913, abs=5e-4)

    def test_the_expected_maximum_is_that_of_simulated_trials(self):
        drawn = np.random.default_rng(0).normal(size=(4_000, 50)).max(axis=1).mean()
        assert expected_maximum_sharpe(50, 1.0) == pytest.approx(drawn, abs=0.03)

    def test_moments_by_hand(self):
        assert skewness_and_kurtosis(np.array([-1.0, 1.0])) == pytest.approx((0.0, 1.0))
        assert skewness_and_kurtosis(np.array([0.0, 0, 0, 1])) == pytest.approx(
            (2 / math.sqrt(3), 7 / 3)
        )

    def test_luck_among_many_is_no_discovery(self):
        noise = np.random.default_rng(1).normal(size=1_000)
        returns = 0.07 + (noise - noise.mean()) / noise.std()
        one, many = (deflated_sharpe_ratio(returns, trials) for trials in (1, 500))
        assert one > 0.95 > many


class TestPerformance:
    def test_a_gain_and_a_loss_by_hand(self):
        seen = measure_performance(
            account([100, 120, 90], costs=np.array([1.0, 2.0]), premium=np.array([0.5, 0.25])),
            initial_balance=100,
            steps_per_year=2,
        )
        assert seen.total_return == pytest.approx(-0.1)
        assert seen.annual_return == pytest.approx(-0.1)  # two steps are a year
        assert seen.max_drawdown == pytest.approx(0.25)
        assert seen.calmar == pytest.approx(-0.4)
        assert seen.hit_rate == 0.5
        assert seen.turnover == 0.75
        assert (seen.costs, seen.annual_cost) == (3.0, 0.03)

    def test_an_account_that_never_fell_has_no_calmar_ratio(self):
        assert measure_performance(account([1, 2, 3]), 1, 250).calmar is None

    def test_an_account_below_zero_lost_all_once(self):
        assert step_returns(np.array([100.0, 50, -20, -30])).tolist() == [-0.5, -1, 0]
        assert drawdowns(np.array([100.0, 50, -20])).tolist() == [0, 0.5, 1]
        assert measure_performance(account([100, -20, -20]), 100, 250).total_return == -1


class TestResampling:
    @pytest.mark.parametrize(
        ("values", "mean"),
        [([1, 2, 3, 100], 2.5), ([5], 5), ([1, 2, 6], 3), ([*range(8), 1_000], 4)],
    )
    def test_the_interquartile_mean_by_hand(self, values, mean):
        assert interquartile_mean(np.array(values, float)) == mean

    def test_the_stratified_interval_keeps_tasks_apart(self):
        """Runs that agree within each task leave nothing to chance, however tasks differ."""
        scores = np.array([[0.0, 1, 5, 9]] * 3)
        interval = stratified_interval(scores, confidence=0.9, seed=0)
        assert (interval.value, interval.low, interval.high) == (3, 3, 3)

    def test_blocks_have_the_mean_length_that_was_asked_for(self):
        drawn = stationary_indices(500, 10, resamples=200, generator=np.random.default_rng(0))
        follows = (np.diff(drawn, axis=1) % 500) == 1
        assert follows.mean() == pytest.approx(0.9, abs=0.01)

    def test_every_step_is_drawn_as_often(self):
        drawn = stationary_indices(20, 4, resamples=5_000, generator=np.random.default_rng(0))
        assert np.bincount(drawn.ravel(), minlength=20) / drawn.size == pytest.approx(
            np.full(20, 0.05), abs=0.005
        )


class TestDifferences:
    def test_a_rule_that_only_takes_more_of_the_risk_has_no_lead(self):
        market = np.random.default_rng(0).normal(0.001, 0.01, 1_000)
        (seen,) = paired_differences(2 * market, {"b": market}, 252, confidence=0.9)
        assert seen.annual_return.value == pytest.approx(market.mean() * 252)
        assert seen.sharpe.low == pytest.approx(0, abs=1e-9)
        assert seen.sharpe.high == pytest.approx(0, abs=1e-9)

    def test_a_steady_extra_return_leads_surely_though_the_market_is_noisy(self):
        """Paired blocks cancel the market; alone, neither mean is known this well."""
        market = np.random.default_rng(0).normal(0, 0.01, 1_000)
        (seen,) = paired_differences(market + 2e-4, {"b": market}, 252, confidence=0.9)
        assert seen.annual_return.low == pytest.approx(2e-4 * 252)
        assert seen.sharpe.low > 0
        assert seen.better_share == 1

    def test_a_long_series_takes_bounded_memory(self):
        returns = np.random.default_rng(0).normal(0, 0.01, 50_000)
        tracemalloc.start()
        (seen,) = paired_differences(returns, {"b": returns / 2}, 252, confidence=0.9, resamples=40)
        assert tracemalloc.get_traced_memory()[1] < 30e6
        tracemalloc.stop()
        assert seen.sharpe.value == pytest.approx(0, abs=1e-9)

    def test_its_interval_holds_the_truth_as_often_as_it_says(self):
        generator, held = np.random.default_rng(3), 0
        for _ in range(150):
            own, other = generator.normal([[0.0005], [0.0]], 0.01, (2, 250))
            (seen,) = paired_differences(own, {"b": other}, 1, confidence=0.9, resamples=300)
            held += seen.annual_return.low <= 0.0005 <= seen.annual_return.high
        assert 0.82 <= held / 150 <= 0.96


class TestFolds:
    def test_they_follow_one_another(self):
        assert walk_forward_folds(63, 103, 4) == tuple(Fold(at, at + 10) for at in (63, 73, 83, 93))

    @pytest.mark.provokes("chain-data-insufficient")
    def test_too_few_steps_are_refused(self):
        with pytest.raises(ChainDataError, match="too short"):
            walk_forward_folds(63, 94, 4)

    def test_a_seeds_run_begins_within_the_first_quarter_and_ends_with_its_fold(self):
        folds = walk_forward_folds(0, 400, 4)
        runs = runs_within(folds, [7, 8])
        assert [(run.first_row, run.seed) for run in runs[:4]] == [
            (0, None), (100, None), (200, None), (300, None)
        ]  # fmt: skip
        for run in runs[4:]:
            assert 1 <= run.first_row - folds[run.fold].first_row <= 25
            assert run.last_row == folds[run.fold].last_row
        assert runs == runs_within(folds, [7, 8])

    @pytest.mark.parametrize(
        ("trained", "between"), [((0, 100), 0), ((0, 36), 64), ((50, 140), -40), ((251, 300), 50)]
    )
    def test_rows_between_training_and_what_is_judged(self, trained, between):
        assert rows_between(trained, 100, 200) == between
