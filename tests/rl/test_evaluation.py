"""An evaluation tells skill from luck, costs from gains, and says why weights are refused."""

import math

import msgspec
import numpy as np
import pytest

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains import GeneratedChains
from alchemiser_cli.rl.environment import FIRST_ROW, TradingEnvironment
from alchemiser_cli.rl.evaluation import (
    BASELINES,
    POLICY,
    EvaluationReport,
    compare,
    evaluate,
    walk_forward,
)
from alchemiser_cli.rl.evaluation.performance import step_returns
from alchemiser_cli.settings import OptionsSettings

OPTIONS = OptionsSettings()
FREE = OPTIONS.model_copy(update={"commission": 0.0, "spread": 0.0, "min_spread": 0.0})
ROWS = 400
JUDGED = {"first_row": 120, "trained_rows": (0, 120 - 64), "seeds": (1, 2)}


@pytest.fixture(scope="module")
def chains():
    return GeneratedChains(OPTIONS, steps=ROWS, seed=3)


@pytest.fixture(scope="module")
def walk(chains):
    return walk_forward(clairvoyant, chains, OPTIONS, first_row=120, seeds=(1, 2))


@pytest.fixture(scope="module")
def report(chains):
    return evaluate(clairvoyant, chains, OPTIONS, model="seer", settings_hash="s", **JUDGED)


def clairvoyant(observations, env):
    """Hold calls or puts for the move after the fill, which nobody can know."""
    spot, last = env.table.spot, len(env.table) - 1
    rises = spot[np.minimum(env.rows + 2, last)] > spot[np.minimum(env.rows + 1, last)]
    actions = np.zeros((len(observations), 10), np.float32)
    actions[:, 0] = np.where(rises, 0.5, 0)
    actions[:, 9] = np.where(rises, 0, 0.5)
    return actions


def always(value, option=slice(None)):
    def decide(observations, env):
        actions = np.zeros((len(observations), 10), np.float32)
        actions[:, option] = value
        return actions

    return decide


def reasons(chains, decide, **changes):
    return evaluate(decide, chains, OPTIONS, **{**JUDGED, **changes}).verdict.reasons


class TestVerdict:
    def test_sure_knowledge_of_the_future_is_promotable(self, report):
        assert report.verdict.reasons == ()
        assert report.verdict.promotable
        assert report.deflated_sharpe > 0.99
        assert all(one.sharpe.low > 0 for one in report.differences)

    def test_doing_nothing_has_no_edge(self, chains):
        found = reasons(chains, always(0))
        assert "no_edge_over_no_trade" in found
        assert "sharpe_not_significant" in found

    def test_a_baseline_has_no_edge_over_itself(self, chains):
        rule = BASELINES["buy-and-hold"](OPTIONS, 0)
        assert "no_edge_over_buy_and_hold" in reasons(chains, rule, trained_rows=None)

    @pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
    def test_one_broken_action_is_too_many(self, chains, broken):
        def decide(observations, env):
            actions = clairvoyant(observations, env)
            actions[env.rows == 200, 4] = broken
            return actions

        assert reasons(chains, decide) == ("non_finite_actions",)

    def test_actions_that_are_no_numbers_trade_as_nothing(self, chains):
        seen = evaluate(always(math.nan), chains, OPTIONS, **JUDGED)
        assert seen.total[POLICY].contracts == 0
        assert seen.actions.non_finite_share == 1

    def test_broken_weights(self, chains):
        weights = {"a": np.array([1.0, np.nan], np.float32), "steps": np.array([3])}
        assert reasons(chains, clairvoyant, weights=weights) == ("non_finite_weights",)

    def test_a_policy_that_sits_at_its_limits(self, chains):
        assert "saturated_actions" in reasons(chains, always(1.0, slice(0, 6)))
        assert "saturated_actions" not in reasons(chains, always(1.0, slice(0, 5)))

    @pytest.mark.parametrize("trained", [(63, 120), (63, 57 + 63 + 1), (300, 350), (0, 57)])
    def test_training_too_near_to_what_is_judged(self, chains, trained):
        assert reasons(chains, clairvoyant, trained_rows=trained) == ("not_out_of_sample",)

    def test_too_few_steps(self, chains):
        assert reasons(chains, clairvoyant, last_row=360) == ("too_few_steps",)

    def test_many_trials_need_more_than_one_good_result(self, chains):
        def seer_at_times(observations, env):
            return clairvoyant(observations, env) * (env.rows % 12 == 0)[:, None]

        one, many = (
            evaluate(seer_at_times, chains, OPTIONS, trials=trials, **JUDGED).deflated_sharpe
            for trials in (1, 10_000)
        )
        assert one > many

    def test_ruin_is_told_and_every_number_stays_finite(self, chains):
        poor = OPTIONS.model_copy(update={"initial_balance": 20_000.0})
        seen = evaluate(always(-1.0, slice(5, 10)), chains, poor, **JUDGED)
        assert "ruined" in seen.verdict.reasons
        assert any(fold.ruined for fold in seen.folds)
        assert b"null" not in msgspec.json.encode(seen.total[POLICY])

    @pytest.mark.provokes("chain-data-insufficient")
    def test_too_short_data_are_refused(self, chains):
        with pytest.raises(ChainDataError):
            evaluate(always(0), chains, OPTIONS, first_row=ROWS - 20, trained_rows=None)


class TestReport:
    def test_json_keeps_all_of_it(self, report):
        text = msgspec.json.encode(report)
        assert msgspec.json.decode(text, type=EvaluationReport) == report

    def test_the_same_evaluation_twice_is_the_same(self, chains, report):
        again = evaluate(clairvoyant, chains, OPTIONS, model="seer", settings_hash="s", **JUDGED)
        assert again == report

    def test_what_is_judged_is_said(self, report):
        judged = report.judged
        assert (judged.first_row, judged.last_row, judged.steps) == (120, ROWS - 1, ROWS - 121)
        assert 260 < judged.steps_per_year < 263  # the generated market knows no holidays
        assert report.curves.rows[0] == 120
        assert report.curves.rows[-1] == ROWS - 1
        assert len(report.scores[POLICY].runs) == 3  # whole folds, and two seeds
        assert {len(row) for row in report.scores[POLICY].runs} == {4}

    def test_a_curve_keeps_the_deepest_drawdown(self, report):
        for name, total in report.total.items():
            assert max(report.curves.drawdown[name]) == pytest.approx(total.max_drawdown, abs=1e-6)

    def test_curves_have_a_bound(self, report):
        assert len(report.curves.rows) <= 240
        lengths = {len(line) for line in report.curves.equity.values()}
        assert lengths == {len(report.curves.rows)} == {len(report.curves.positions)}


class TestWalk:
    def test_a_folds_account_is_that_of_the_environment(self, chains, walk):
        """Stepped alone, from a flat account at the fold's first row, equity is the same."""
        fold, account = walk.folds[1], walk.rollouts["buy-and-hold"].accounts[1]
        env = TradingEnvironment(chains, OPTIONS, episode_steps=fold.steps)
        env.reset(options={"start": fold.first_row})
        equity, costs = [OPTIONS.initial_balance], []
        for held in account.positions[1:]:
            *_, info = env.step((held / OPTIONS.max_contracts).astype(np.float32))
            equity.append(info["equity"])
            costs.append(info["cost"])
        assert account.equity == pytest.approx(np.array(equity))
        assert account.costs == pytest.approx(np.array(costs))
        assert info["row"] == fold.last_row

    def test_every_run_starts_flat_with_the_initial_balance(self, walk):
        for rollout in walk.rollouts.values():
            for account in rollout.accounts:
                assert account.equity[0] == OPTIONS.initial_balance
                assert not account.positions[0].any()

    def test_the_chained_account_has_every_folds_returns(self, walk):
        whole = walk.whole(POLICY)
        parts = [step_returns(one.equity) for one in walk.rollouts[POLICY].accounts[:4]]
        assert step_returns(whole.equity) == pytest.approx(np.concatenate(parts))
        assert len(whole.costs) == len(walk.event_time_ns) - 1

    def test_rows_before_the_first_one_of_the_environment_are_left_out(self, chains):
        walk = walk_forward(always(0), chains, OPTIONS, first_row=0, seeds=())
        assert walk.folds[0].first_row == FIRST_ROW


class TestBaselines:
    def test_no_trade_keeps_its_cash(self, report):
        idle = report.total["no-trade"]
        assert (idle.total_return, idle.costs, idle.contracts, idle.sharpe) == (0, 0, 0, 0)

    def test_buy_and_hold_moves_with_the_market(self, chains, walk):
        account, table = walk.whole("buy-and-hold"), chains.table()
        market = np.diff(table.spot[120:]) / table.spot[120:-1]
        invested = account.gross[:-1] > 0.5
        assert np.corrcoef(step_returns(account.equity)[invested], market[invested])[0, 1] > 0.97
        assert np.median(account.net) == pytest.approx(1, abs=0.15)

    def test_buy_and_hold_trades_only_when_it_is_flat(self, walk):
        for account in walk.rollouts["buy-and-hold"].accounts:
            traded = np.flatnonzero(account.contracts)
            assert 1 <= len(traded) < len(account.contracts) / 10
            assert not account.positions[traded].any()

    def test_buy_and_hold_goes_to_other_strikes_where_one_is_full(self, chains):
        small = OPTIONS.model_copy(update={"max_contracts": 2, "initial_balance": 600_000.0})
        walk = walk_forward(always(0), chains, small, first_row=120, seeds=())
        held = walk.whole("buy-and-hold").positions
        wanted = min(10, round(600_000 / (chains.table().spot[120] * 100)))
        assert held[1, :5].sum() == wanted == -held[1, 5:].sum()
        assert np.abs(held).max() == 2

    def test_the_delta_hedge_is_short_volatility_and_not_the_market(self, walk):
        account = walk.whole("delta-hedge")
        assert abs(account.net.mean()) < 0.1
        short = account.positions.sum(axis=1)
        assert (short <= 0).all()
        assert np.median(short) < 0

    def test_random_actions_repeat_with_their_seed(self, walk, chains):
        again = walk_forward(always(0), chains, OPTIONS, first_row=120, seeds=(1, 2))
        first, second = (one.rollouts["random"].accounts[0] for one in (walk, again))
        assert np.array_equal(first.positions, second.positions)

    @pytest.mark.parametrize("name", ["buy-and-hold", "delta-hedge"])
    def test_costs_are_what_separates_an_account_from_free_trading(self, chains, walk, name):
        free = GeneratedChains(FREE, steps=ROWS, seed=3)
        other = walk_forward(always(0), free, FREE, first_row=120, seeds=(1, 2))
        paid, spared = (one.rollouts[name].accounts[0] for one in (walk, other))
        assert np.array_equal(paid.positions, spared.positions)
        assert spared.costs.sum() == 0
        assert spared.equity[-1] - paid.equity[-1] == pytest.approx(paid.costs.sum())


class TestComparison:
    def test_the_better_one_comes_first_and_seeds_of_one_setting_are_pooled(self, chains, report):
        twin = msgspec.structs.replace(report)
        idle = evaluate(always(0), chains, OPTIONS, **JUDGED)
        seen = compare({"idle": idle, "seer-1": report, "seer-2": twin})
        assert [one.models for one in seen.ranking] == [("seer-1", "seer-2"), ("idle",)]
        first, last = seen.ranking
        assert (first.rank, last.rank) == (1, 2)
        assert first.promotable == ("seer-1", "seer-2")
        assert first.ahead_share == 1
        assert last.ahead_share is None
        assert first.sharpe.low <= first.sharpe.value <= first.sharpe.high
        assert seen.notes == ()

    def test_other_data_and_known_data_are_noted(self, chains, report):
        other = evaluate(always(0), chains, OPTIONS, first_row=200, trained_rows=(63, 300))
        notes = " ".join(compare({"a": report, "b": other}).notes)
        assert "different data" in notes
        assert "trained on what" in notes
