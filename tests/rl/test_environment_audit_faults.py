"""Environments that each break one law: the audit of that law finds it, in words that say where."""

import dataclasses
import re

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.market.chains import GeneratedChains, TableChains, chain_table
from alchemiser_cli.rl.audit import AUDITS, audit_environment
from alchemiser_cli.rl.audit import future as future_audits
from alchemiser_cli.rl.audit.future import altered_after
from alchemiser_cli.rl.audit.fuzz import fuzzed_chains
from alchemiser_cli.rl.audit.running import _finding
from alchemiser_cli.rl.audit.subject import subject_of
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings


class Changed(TradingEnvironment):
    """Passes what a step gives through ``changed``."""

    def changed(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated, truncated, info

    def step(self, action):
        return self.changed(*super().step(action))


class KnowsTomorrow(Changed):
    def changed(self, observation, *rest):
        row = min(self.row + 1, self.market.length - 1)
        observation[-1, 96] = np.log(self.market.table.spot[row] / self.market.table.spot[row - 1])
        return observation, *rest


class KnowsTheExpiry(Changed):
    def changed(self, observation, *rest):
        observation[-1, 98] = self.market.rolled[min(self.row + 1, self.market.length - 1)]
        return observation, *rest


class ScaledByAllData(Changed):
    def changed(self, observation, *rest):
        observation[:, 11] /= self.market.table.spot.std()
        return observation, *rest


class RewardedForTomorrow(Changed):
    def changed(self, observation, reward, *rest):
        row = min(self.row + 1, self.market.length - 1)
        return observation, reward + 1e-9 * self.market.table.spot[row], *rest


class PaysTheEndTwice(Changed):
    def changed(self, observation, reward, terminated, truncated, info):
        return observation, reward * (1 + (terminated or truncated)), terminated, truncated, info


class PaysAfterTheEnd(TradingEnvironment):
    def step(self, action):
        if self._running:
            self.last = super().step(action)
        return self.last


class GoesOnAfterTheEnd(Changed):
    def step(self, action):
        if not self._running:
            self.reset()
            return self._observation(), 0.0, False, False, self._info()
        return super().step(action)


class WithOtherCosts(TradingEnvironment):
    factor = 0.0

    def __init__(self, provider, options, **keywords):
        cost = self.factor * options.commission
        super().__init__(provider, options.model_copy(update={"commission": cost}), **keywords)


class PaysForTrading(WithOtherCosts):
    factor = -1.0


class KnowsNoSpread(TradingEnvironment):
    def __init__(self, provider, options, **keywords):
        table = provider.table()
        table = dataclasses.replace(table, half_spread=np.zeros_like(table.half_spread))
        super().__init__(TableChains(table), options, **keywords)


class FindsMoney(TradingEnvironment):
    def step(self, action):
        self.account.cash += 0.01
        return super().step(action)


class FillsAtTheOldPrice(TradingEnvironment):
    """Trades at the mid that the agent saw, and is valued at the next."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        trade = self.account.trade
        self.account.trade = lambda targets, _, half_spread: trade(
            targets, self.market.quotes[self.row, :10].tolist(), half_spread
        )


class SettlesNothing(TradingEnvironment):
    def __init__(self, provider, options, **keywords):
        table = provider.table()
        table = dataclasses.replace(table, settlement=np.zeros_like(table.settlement))
        super().__init__(TableChains(table), options, **keywords)


class TradesWithoutOrder(TradingEnvironment):
    def step(self, action):
        return super().step(np.roll(action, 1))


class HidesItsPositions(Changed):
    def changed(self, observation, *rest):
        observation[-1, 1:11] = 0
        return observation, *rest


class SkipsRows(TradingEnvironment):
    def step(self, action):
        self.row += self.row + 2 < self.market.length
        return super().step(action)


class NotANumberAtExpiry(Changed):
    def changed(self, observation, *rest):
        with np.errstate(all="ignore"):
            years = self.market.table.time_to_expiry[self.row]
            observation[-1, 98] = np.clip(np.float64(0.01) * years / years, -10, 10)
        return observation, *rest


class OutsideItsSpace(Changed):
    def changed(self, observation, *rest):
        observation[-1, 0] = 11.0
        return observation, *rest


class DoublePrecision(Changed):
    def changed(self, observation, *rest):
        return observation.astype(np.float64), *rest


class Unseeded(Changed):
    def changed(self, observation, *rest):
        observation[-1, 0] += np.random.default_rng().normal(0, 1e-6)
        return observation, *rest


class RemembersTheEpisodeBefore(Changed):
    drawn = 0

    def changed(self, observation, reward, *rest):
        self.drawn += 1
        return observation, reward + 1e-12 * self.drawn, *rest


class OneArrayForAll(Changed):
    handed = None

    def changed(self, observation, *rest):
        if self.handed is None:
            self.handed = np.empty_like(observation)
        self.handed[:] = observation
        return self.handed, *rest


class TerminatesWithTheData(Changed):
    def changed(self, observation, reward, terminated, truncated, info):
        return observation, reward, terminated or truncated, False, info


class EndsAStepEarly(Changed):
    def changed(self, observation, reward, terminated, truncated, info):
        truncated = truncated or self.account.steps + 1 == self.episode_steps
        return observation, reward, terminated, truncated, info


class TruncatesByRuin(Changed):
    def changed(self, observation, reward, terminated, truncated, info):
        return observation, reward, False, terminated or truncated, info


class SurvivesRuin(Changed):
    def changed(self, observation, reward, terminated, truncated, info):
        self._running = True
        return observation, reward, False, truncated, info


class ForgivesACatastrophe(Changed):
    def changed(self, observation, reward, *rest):
        return observation, max(reward, -1.0), *rest


class WideActions(TradingEnvironment):
    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.action_space = spaces.Box(-2.0, 2.0, (10,), np.float32)


ENVIRONMENTS = [
    (KnowsTomorrow, "environment-past", "spot_return in row 15"),
    (KnowsTheExpiry, "environment-past", "time_to_expiry in row 15"),
    (ScaledByAllData, "environment-past", "log_moneyness_0"),
    (RewardedForTomorrow, "environment-past", "reward of step 16"),
    (RewardedForTomorrow, "reward-law", "by its law"),
    (PaysTheEndTwice, "nothing-after-the-end", "in a longer episode"),
    (PaysTheEndTwice, "reward-law", r"\(the last one\)"),
    (PaysAfterTheEnd, "nothing-after-the-end", "a truncated episode pays"),
    (GoesOnAfterTheEnd, "nothing-after-the-end", "goes on"),
    (WithOtherCosts, "rising-costs", "a dearer commission costs nothing"),
    (WithOtherCosts, "cash-conservation", "cost at row"),
    (PaysForTrading, "rising-costs", "with a dearer commission equity is higher"),
    (KnowsNoSpread, "rising-costs", "a dearer spread costs nothing"),
    (FindsMoney, "cash-conservation", "cash at row"),
    (FillsAtTheOldPrice, "cash-conservation", "cash at row"),
    (SettlesNothing, "cash-conservation", "cash at row"),
    (TradesWithoutOrder, "cash-conservation", "are not those that were ordered"),
    (HidesItsPositions, "cash-conservation", "^position_. of observation 1 is 0"),
    (SkipsRows, "cash-conservation", "step 1 went from row"),
    (NotANumberAtExpiry, "fuzz", "zero time to expiry: an observation is not finite"),
    (OutsideItsSpace, "fuzz", "holds 11, and its limit is 10"),
    (OutsideItsSpace, "gymnasium", "^The obs .* is not within the observation space.$"),
    (OutsideItsSpace, "stable-baselines", "does not match the bounds"),
    (DoublePrecision, "fuzz", "float64"),
    (DoublePrecision, "gymnasium", "actual type: float64"),
    (DoublePrecision, "stable-baselines", "actual dtype: float64"),
    (WideActions, "stable-baselines", "symmetric and normalized"),
    (Unseeded, "seeded-rollouts", "in two environments: observation \\d+: cash_ratio"),
    (Unseeded, "gymnasium", "are not equal"),
    (RemembersTheEpisodeBefore, "seeded-rollouts", "again after an episode: reward of step 1"),
    (OneArrayForAll, "observations-kept", "observation 1 was changed later"),
    (OneArrayForAll, "gymnasium", "share an object"),
    (TerminatesWithTheData, "data-truncates", "should be truncated"),
    (EndsAStepEarly, "data-truncates", "was over at step 5"),
    (TruncatesByRuin, "ruin-terminates", "should be terminated"),
    (SurvivesRuin, "ruin-terminates", "the episode went on"),
    (ForgivesACatastrophe, "ruin-terminates", "gave the reward -1, not -100"),
]


@pytest.fixture(scope="module")
def market():
    options = OptionsSettings()
    return GeneratedChains(options, steps=400, seed=5), options


def audited(name, market, make_env=TradingEnvironment):
    (audit,) = [one for one in AUDITS if one.name == name]
    return _finding(audit, subject_of(make_env, TradingVecEnv, *market, 1))


def named(value):
    return getattr(value, "__name__", None) or (value if "-" in value or value.islower() else "")


@pytest.mark.parametrize(("faulty", "name", "words"), ENVIRONMENTS, ids=named)
def test_a_fault_of_one_environment_is_found(faulty, name, words, market):
    finding = audited(name, market, make_env=faulty)
    assert not finding.passed
    assert re.search(words, finding.detail), finding.detail


def test_chains_out_of_parity_are_found(market):
    chains, options = market
    mid = chains.table().mid.copy()
    mid[17, 8] += 0.01
    dear = TableChains(dataclasses.replace(chains.table(), mid=mid))
    finding = audited("put-call-parity", (dear, options))
    assert not finding.passed
    assert finding.detail.startswith("at row 17, strike")
    assert finding.detail.endswith("parity is off by 0.01 (1 pairs in all)")


def test_chains_in_another_order_are_found(market):
    chains, options = market
    strike = chains.table().strike.copy()
    strike[:, :5] = strike[:, 4::-1]
    mixed = TableChains(dataclasses.replace(chains.table(), strike=strike))
    assert "in pairs" in audited("put-call-parity", (mixed, options)).detail


def test_prices_that_rest_on_later_prices_are_found(market, monkeypatch):
    def smoothed(event_time_ns, spot, high, low, volatility, options):
        centred = np.convolve(np.pad(volatility, 1, mode="edge"), np.ones(3) / 3, mode="valid")
        return chain_table(event_time_ns, spot, high, low, centred, options)

    monkeypatch.setattr(future_audits, "chain_table", smoothed)
    finding = audited("chain-past", market)
    assert not finding.passed
    assert "at_the_money_volatility changed up to it" in finding.detail


def test_a_fault_makes_no_noise_about_innocent_laws(market):
    """Only the laws that a leak touches are told as broken, so that the report points at it."""
    report = audit_environment(KnowsTheExpiry, TradingVecEnv, *market)
    assert {one.name for one in report.failures} == {
        "environment-past",
        "vectorised-equals-single",
        "vectorised-endings",
    }


@given(seed=st.integers(0, 2**32 - 1), row=st.integers(0, 398))
@settings(max_examples=25)
def test_an_altered_future_leaves_the_past_and_no_later_number(market, seed, row):
    chains = market[0].table()
    altered = altered_after(chains, row, np.random.default_rng(seed))
    for field in dataclasses.fields(chains):
        before, after = getattr(chains, field.name), getattr(altered, field.name)
        np.testing.assert_array_equal(before[: row + 1], after[: row + 1])
        if before.dtype == np.float64:
            assert ((before != after) | (before == 0))[row + 1 :].all()
    assert (altered.low <= altered.spot).all()
    assert (altered.spot <= altered.high).all()


def test_every_fuzzed_market_is_broken_in_some_rows_only(market):
    subject = subject_of(TradingEnvironment, TradingVecEnv, *market, 1)
    cases = fuzzed_chains(subject, np.random.default_rng(1))
    (zero,) = [case for name, case in cases.items() if name == "zero time to expiry"]
    assert 0 < (zero.time_to_expiry == 0).sum() < len(zero) / 2
    assert not np.isfinite(zero.greeks).all()
    assert (cases["non-positive prices"].mid <= 0).any()
    assert (cases["huge volatility"].at_the_money_volatility >= 1e6).any()
    assert (cases["zero volatility"].implied_volatility == 0).any()


def test_contracts_that_became_worthless_are_no_fault():
    """Strikes far away price to zero, which an environment trades and values at 1e-6."""
    options = OptionsSettings(strike_step=0.2, skew=0)
    chains = GeneratedChains(options, steps=300, seed=5)
    assert (chains.table().mid == 0).any()
    finding = audited("cash-conservation", (chains, options))
    assert finding.passed, finding.detail
