"""Environments side by side that each break one law: the audit of that law finds it."""

import re

import numpy as np
import pytest

from alchemiser_cli.market.chains import GeneratedChains
from alchemiser_cli.rl.audit import AUDITS
from alchemiser_cli.rl.audit.running import _finding
from alchemiser_cli.rl.audit.subject import subject_of
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.vec_env import TradingVecEnv
from alchemiser_cli.settings import OptionsSettings


class ChangedVec(TradingVecEnv):
    """Passes what a step gives through ``changed``."""

    def changed(self, observations, rewards, ends, infos):
        return observations, rewards, ends, infos

    def step_wait(self):
        return self.changed(*super().step_wait())


class LosesTheLastReward(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        return observations, np.where(ends, np.float32(0), rewards), ends, infos


class CarriesTheRewardOver(ChangedVec):
    carried = np.float32(0)

    def changed(self, observations, rewards, ends, infos):
        paid = rewards + self.carried
        self.carried = np.where(ends, rewards, np.float32(0))
        return observations, paid, ends, infos


class ShowsTheNextObservationAsTheLast(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        for at in np.flatnonzero(ends):
            infos[at]["terminal_observation"] = observations[at]
        return observations, rewards, ends, infos


class ShowsNoLastObservation(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        return observations, rewards, ends, [{} for _ in infos]


class TellsEveryEndAsTruncation(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        for at in np.flatnonzero(ends):
            infos[at]["TimeLimit.truncated"] = True
        return observations, rewards, ends, infos


class TellsNoTruncation(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        for at in np.flatnonzero(ends):
            infos[at]["TimeLimit.truncated"] = False
        return observations, rewards, ends, infos


class GoesOnWithTheOldAccount(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        observations = observations.copy()
        observations[ends, -1, 1] = 0.1
        return observations, rewards, ends, infos


class PaysByOtherRules(ChangedVec):
    def changed(self, observations, rewards, *rest):
        return observations, rewards * np.float32(1.01), *rest


class SeesOtherColumns(ChangedVec):
    def changed(self, observations, *rest):
        observations = observations.copy()
        observations[1, 3, 92] += 1e-3
        return observations, *rest


class EndsOnlySideBySide(ChangedVec):
    def changed(self, observations, rewards, ends, infos):
        return observations, rewards, ends | (self._accounts.steps == 9), infos


class OneArrayForAllSteps(ChangedVec):
    handed = None

    def changed(self, observations, *rest):
        if self.handed is None:
            self.handed = np.empty_like(observations)
        self.handed[:] = observations
        return self.handed, *rest


class NotANumberSideBySide(ChangedVec):
    def changed(self, observations, rewards, *rest):
        with np.errstate(all="ignore"):
            years = self.table.time_to_expiry[self.rows]
            return observations, (rewards * years / years).astype(np.float32), *rest


SIDE_BY_SIDE = [
    (LosesTheLastReward, "vectorised-endings", "the last reward is"),
    (CarriesTheRewardOver, "vectorised-endings", "the next episode's first reward"),
    (ShowsTheNextObservationAsTheLast, "vectorised-endings", "terminal observation differs"),
    (ShowsNoLastObservation, "vectorised-endings", "has no terminal_observation"),
    (TellsEveryEndAsTruncation, "vectorised-endings", "at ruin TimeLimit.truncated is True"),
    (TellsNoTruncation, "vectorised-endings", "at truncation TimeLimit.truncated is False"),
    (GoesOnWithTheOldAccount, "vectorised-endings", "begins otherwise.*position_0 in row 15"),
    (PaysByOtherRules, "vectorised-equals-single", "reward of step 1"),
    (SeesOtherColumns, "vectorised-equals-single", "of environment 1, .*: drawdown in row 3"),
    (EndsOnlySideBySide, "vectorised-equals-single", "ends at step 9 only"),
    (OneArrayForAllSteps, "observations-kept", "observation 1 of environment 0 side by side"),
    (NotANumberSideBySide, "fuzz", "zero time to expiry: side by side, a reward is nan"),
]


@pytest.fixture(scope="module")
def market():
    options = OptionsSettings()
    return GeneratedChains(options, steps=400, seed=5), options


@pytest.mark.parametrize(("faulty", "name", "words"), SIDE_BY_SIDE)
def test_a_fault_side_by_side_is_found(faulty, name, words, market):
    (audit,) = [one for one in AUDITS if one.name == name]
    finding = _finding(audit, subject_of(TradingEnvironment, faulty, *market, 1))
    assert not finding.passed
    assert re.search(words, finding.detail), finding.detail
