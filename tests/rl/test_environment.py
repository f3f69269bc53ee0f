"""What happens between an action and its reward, on a market made by hand."""

import warnings

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from alchemiser_cli.errors import ChainDataError
from alchemiser_cli.market.chains import TableChains
from alchemiser_cli.rl.environment import FIRST_ROW, TradingEnvironment
from alchemiser_cli.rl.features import COLUMN, market_features
from alchemiser_cli.rl.observation import OWN_COLUMNS, WINDOW
from alchemiser_cli.rl.ordinary import OrdinaryEnvironment

FLAT = np.zeros(10, np.float32)
ALL_CALLS = np.array([1.0] * 5 + [0.0] * 5, np.float32)


@pytest.fixture
def environment(chains, options):
    return TradingEnvironment(chains, options)


def actions(count, seed=3):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 10)).astype(np.float32)


def test_gymnasium_finds_nothing_to_warn_of(environment):
    check_env(environment, skip_render_check=True)


def test_stable_baselines_warns_only_of_a_window_being_no_vector(environment):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        check_for_sb3(environment)
    assert all("unconventional shape" in str(one.message) for one in found)


def test_an_observation_shows_the_account_beside_the_rows_of_the_market(
    environment, table, options
):
    market = market_features(table, options)
    seen, _ = environment.reset(options={"start": 70})
    own = np.zeros(100, bool)
    own[OWN_COLUMNS] = True
    np.testing.assert_array_equal(seen[:, ~own], market[55:71, ~own])
    assert (seen[:, 0] == 1).all()
    assert not seen[:, OWN_COLUMNS[1:]].any()
    seen, *_, info = environment.step(ALL_CALLS)
    np.testing.assert_array_equal(seen[:, ~own], market[56:72, ~own])
    assert seen[-1, 0] == np.float32(info["cash"] / options.initial_balance)
    assert seen[-1, 1:11].tolist() == ALL_CALLS.tolist()
    assert seen[-1, COLUMN["episode_progress"]] == np.float32(1 / 40)
    assert 0 < seen[-1, COLUMN["leverage"]] < 1
    assert seen[-1, COLUMN["unrealised_pnl"]] < 0  # the spread was paid


def test_an_order_fills_at_the_next_row_with_half_the_spread_and_a_commission(
    environment, table, options
):
    environment.reset(options={"start": 70})
    *_, info = environment.step(ALL_CALLS)
    bought = table.mid[71, :5].sum() * 10 * 100
    cost = table.half_spread[71, :5].sum() * 10 * 100 + 50 * 0.65
    assert info["traded"] == 50
    assert info["positions"] == (10,) * 5 + (0,) * 5
    assert info["cost"] == pytest.approx(cost)
    assert info["cash"] == pytest.approx(options.initial_balance - bought - cost)
    assert info["equity"] == pytest.approx(options.initial_balance - cost)
    *_, again = environment.step(ALL_CALLS)
    assert (again["traded"], again["cost"], again["cash"]) == (0, 0.0, info["cash"])


def test_positions_are_settled_where_the_contracts_expired_and_the_order_lapses(environment, table):
    environment.reset(options={"start": 87})
    environment.step(ALL_CALLS)
    *_, before = environment.step(ALL_CALLS)
    assert before["row"] == 89
    *_, info = environment.step(ALL_CALLS)  # to row 90, where the chain rolls
    paid_out = table.settlement[90, :5].sum() * 10 * 100
    assert info["positions"] == (0,) * 10
    assert (info["traded"], info["cost"]) == (0, 0.0)
    assert info["cash"] == info["equity"] == pytest.approx(before["cash"] + paid_out)


def test_the_reward_is_return_less_deviation_less_drawdown_beyond_a_tenth(environment, options):
    environment.reset(options={"start": 65})
    equity, peak = [options.initial_balance], options.initial_balance
    for action in actions(30):
        _, reward, *_, info = environment.step(action)
        equity.append(info["equity"])
        peak = max(peak, equity[-1])
        returns = np.diff(equity) / equity[:-1]
        drawdown = 1 - equity[-1] / peak
        expected = returns[-1] - 0.5 * returns[-20:].std() - 0.1 * max(0, drawdown - 0.1)
        assert reward == pytest.approx(expected, abs=1e-12)


def test_the_ordinary_environment_of_the_benchmark_gives_the_same(chains, options):
    ours, theirs = TradingEnvironment(chains, options), OrdinaryEnvironment(chains, options)
    seen, expected = (one.reset(options={"start": 80})[0] for one in (ours, theirs))
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    for action in actions(40):
        step, expected = ours.step(action), theirs.step(action)
        np.testing.assert_allclose(step[0], expected[0], atol=1e-6)
        assert step[1] == pytest.approx(expected[1], abs=1e-12)
        assert step[2:4] == expected[2:4]


def test_half_of_the_balance_is_ruin(chains, options):
    small = options.model_copy(update={"initial_balance": 600.0})
    environment = TradingEnvironment(chains, small)
    environment.reset()
    seen, _, terminated, truncated, info = environment.step(np.ones(10, np.float32))
    assert info["equity"] <= 300
    assert (terminated, truncated) == (True, False)
    assert np.isfinite(seen).all()
    with pytest.raises(ResetNeeded):
        environment.step(FLAT)


@pytest.mark.parametrize(("start", "steps", "taken"), [(FIRST_ROW, 7, 7), (155, 40, 4)])
def test_an_episode_is_truncated_after_its_steps_and_at_the_end_of_the_data(
    chains, options, start, steps, taken
):
    environment = TradingEnvironment(chains, options, episode_steps=steps)
    environment.reset(options={"start": start})
    ends = [environment.step(FLAT)[2:4] for _ in range(taken)]
    assert ends == [(False, False)] * (taken - 1) + [(False, True)]


def test_actions_beyond_their_bounds_count_as_the_bound_and_nan_as_nothing(environment):
    environment.reset()
    wild = np.array([5, -5, np.inf, -np.inf, np.nan, 0.26, -0.04, 0, 0, 0], np.float32)
    *_, info = environment.step(wild)
    assert info["positions"] == (10, -10, 10, -10, 0, 3, 0, 0, 0, 0)


def test_one_seed_is_one_rollout_and_observations_are_not_written_again(chains, options):
    runs = []
    for _ in range(2):
        environment = TradingEnvironment(chains, options, random_start=True)
        kept = [environment.reset(seed=5)[0]]
        kept += [environment.step(action)[0] for action in actions(30)]
        runs.append(np.stack(kept))
    assert runs[0].tobytes() == runs[1].tobytes()
    np.testing.assert_array_equal(runs[0][1:, :-1], runs[0][:-1, 1:])


def test_random_starts_leave_room_for_an_episode(chains, options):
    environment = TradingEnvironment(chains, options, random_start=True)
    starts = {environment.reset(seed=seed)[1]["row"] for seed in range(200)}
    assert min(starts) >= FIRST_ROW
    assert max(starts) <= len(chains) - 1 - 40
    assert len(starts) > 20


@pytest.mark.parametrize("start", [FIRST_ROW - 1, 159])
def test_a_start_without_history_or_without_a_step_is_refused(environment, start):
    with pytest.raises(ValueError, match="begins at rows 63 to 158"):
        environment.reset(options={"start": start})


@pytest.mark.provokes("chain-data-insufficient")
def test_a_market_too_short_for_a_step_is_refused(table, options):
    with pytest.raises(ChainDataError, match="64 rows"):
        TradingEnvironment(TableChains(table.take(slice(0, FIRST_ROW + 1))), options)


class GrowingChains:
    """A live market: its rows come when they are asked for."""

    endless = True

    def __init__(self, table, known):
        self._table, self._known = table, known

    def __len__(self):
        return self._known

    def latest(self):
        return self.at(self._known - 1)

    def at(self, step):
        self._known = max(self._known, step + 1)
        return self._table.at(step)

    def table(self):
        return self._table.take(slice(0, self._known))


def test_a_live_market_is_waited_for_and_gives_what_the_table_gives(table, chains, options):
    live = TradingEnvironment(GrowingChains(table, 70), options, episode_steps=500)
    known = TradingEnvironment(chains, options, episode_steps=500)
    seen, info = live.reset()
    assert info["row"] == 69  # it begins with the newest row
    np.testing.assert_array_equal(seen, known.reset(options={"start": 69})[0])
    for action in actions(90):
        step, expected = live.step(action), known.step(action)
        np.testing.assert_allclose(step[0], expected[0], atol=1e-6)
        assert step[1:3] == expected[1:3]
        assert not step[3]  # also at the end of what is known
    assert expected[3]
    assert live.row == 159
    assert live.reset()[1]["row"] == 159


def test_rows_before_an_observation_do_not_change_when_the_future_does(table, chains, options):
    changed = table.take(slice(0, 100))
    ours, short = (
        TradingEnvironment(chains, options),
        TradingEnvironment(TableChains(changed), options),
    )
    for environment in (ours, short):
        environment.reset(options={"start": 80})
    for action in actions(19):
        step, expected = ours.step(action), short.step(action)
        np.testing.assert_array_equal(step[0], expected[0])
        assert step[1] == expected[1]


def test_a_window_goes_on_beyond_the_end_of_the_tape(options, spoiled):
    environment = TradingEnvironment(spoiled(steps=400), options, episode_steps=330)
    before, _ = environment.reset()
    for _ in range(330):
        seen, *_ = environment.step(FLAT)
        np.testing.assert_array_equal(seen[: WINDOW - 1], before[1:])
        before = seen
