"""Models of strategies: trained walk-forward, verified before they act, and equal to the library's.

The library takes seconds to load, so one training serves all tests that do not change it.
"""

import json
import math
import os
import shutil
import sys

import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    ExtraMissingError,
    HomeNotWritableError,
    ModelExistsError,
    StrategyMalformedError,
    StrategyModelError,
    UsageError,
)
from alchemiser_cli.market import open_dataset
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.testing.strategies import ImmediateAccount, check_strategy
from alchemiser_cli.trading.signals import Hold
from alchemiser_cli.trading.strategies import BUILT_IN_KINDS, find_definition, train_strategy
from alchemiser_cli.trading.strategies.kinds import rule_of
from alchemiser_cli.trading.strategies.model_loading import read_strategy_passport
from alchemiser_cli.trading.strategies.model_passport import MODEL_FILE
from alchemiser_cli.trading.strategies.symbols import SymbolChoice
from alchemiser_cli.trading.strategies.trades import trades_of

ROWS = 1_500


@pytest.fixture(scope="module")
def ticks():
    return list(open_dataset("sp500", limit=ROWS))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ticks):
    home = tmp_path_factory.mktemp("trained")
    return train_strategy(
        Settings(home=home), "mean_reversion", ticks, ManualClock(), dataset="sp500", folds=3
    )


@pytest.fixture
def settings(trained, tmp_path):
    """Settings of a home that has the model, and of a strategy that acts on it."""
    shutil.copytree(trained.folder.parent, tmp_path / "home" / "models")
    one = StrategySettings(model="models/mean_reversion")
    return Settings(home=tmp_path / "home", strategies={"mean_reversion": one})


def make(settings, **parameters):
    definition = find_definition("mean_reversion", settings.home)
    if parameters:
        parameters = {**definition.parameters, **parameters}
        definition = type(definition)(
            **{
                f: getattr(definition, f) for f in definition.__struct_fields__ if f != "parameters"
            },
            parameters=parameters,
        )
    kind = BUILT_IN_KINDS["mean_reversion"]
    return kind(definition, settings.strategies["mean_reversion"], settings)


def refusal(settings, **parameters):
    strategy = make(settings, **parameters)
    with pytest.raises(StrategyModelError) as caught:
        strategy.load()
    return caught.value


def test_folds_grow_and_are_judged_on_what_came_later(trained):
    assert len(trained.folds) == 3
    sizes = [fold.trained for fold in trained.folds]
    assert sizes == sorted(sizes)
    times = [time for f in trained.folds for time in (f.first_event_time_ns, f.last_event_time_ns)]
    assert times == sorted(times)
    assert trained.pooled.trades == sum(fold.model.trades for fold in trained.folds)
    assert 0.0 < trained.pooled.log_loss < 1.0
    assert trained.base.log_loss == pytest.approx(math.log(2), abs=0.05)


def test_the_scores_are_those_of_the_library(trained, settings, ticks):
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    from alchemiser_cli.trading.strategies.calibration import forecast

    chance = np.random.default_rng(3)
    won = chance.random(500) < 0.4
    said = np.clip(chance.normal(0.4 + 0.1 * won, 0.1).round(2), 0.01, 0.99)
    scored = forecast(said.tolist(), won.tolist())
    assert scored.log_loss == pytest.approx(log_loss(won, said))
    assert scored.brier == pytest.approx(brier_score_loss(won, said))
    assert scored.roc_auc == pytest.approx(roc_auc_score(won, said))


def test_a_probability_by_hand_is_that_of_the_pipeline(trained, settings, ticks):
    import skops.io

    strategy = make(settings)
    strategy.load()
    rule, parameters = rule_of(find_definition("mean_reversion", None))
    history = trades_of(rule, parameters, SymbolChoice(("SPX",)), ticks)
    content = (trained.folder / MODEL_FILE).read_bytes()
    expected = skops.io.loads(content, trusted=[]).predict_proba(history.inputs)[:, 1]
    names = list(rule.features)
    found = [
        strategy._model.probability(dict(zip(names, row, strict=True)), 1) for row in history.inputs
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_stamp_names_the_file_that_was_hashed(trained, settings):
    strategy = make(settings)
    assert strategy.model is None
    strategy.load()
    assert strategy.model.name == "mean_reversion"
    assert strategy.model.hash == trained.model_hash
    assert strategy.param_hash == trained.param_hash


def test_a_strategy_with_a_model_keeps_the_contract(settings, ticks):
    check_strategy(lambda: make(settings), ticks[:400])


def test_only_trades_with_enough_confidence_are_opened(settings, ticks):
    def opened(strategy):
        strategy.load()
        account, found = ImmediateAccount(), []
        for tick in ticks:
            account.mark(tick)
            features = strategy.features(tick)
            answer = Hold("") if features is None else strategy.signal(tick, features, account)
            if not isinstance(answer, Hold):
                account.fill(answer[0])
                if answer[0].target:
                    found.append(answer[0].confidence)
        return found

    every, some = opened(make(settings, min_confidence=0.0)), opened(make(settings))
    assert 0 < len(some) < len(every)
    assert min(some) >= 0.5 > min(every)
    assert opened(make(settings, min_confidence=1.0)) == []


def test_the_passport_says_what_the_model_was_made_from(trained, ticks):
    passport = read_strategy_passport(trained.folder, "mean_reversion")
    assert (passport.kind, passport.data.dataset, passport.data.rows) == ("strategy", "sp500", ROWS)
    assert passport.data.first_event_time_ns == ticks[0].event_time_ns
    assert passport.metrics == trained.pooled
    assert {"scikit-learn", "skops"} <= passport.versions.keys()
    assert sorted(file.name for file in trained.folder.iterdir()) == [MODEL_FILE, "passport.json"]
    assert oct(trained.folder.stat().st_mode & 0o777) == "0o700"


def test_the_same_training_gives_the_same_weights(trained, ticks, tmp_path):
    again = train_strategy(
        Settings(home=tmp_path), "mean_reversion", ticks, ManualClock(), dataset="sp500", folds=3
    )
    assert (again.weights, again.pooled) == (trained.weights, trained.pooled)


# --- refused


@pytest.mark.provokes("strategy-model-unusable")
def test_a_missing_model_is_refused_with_what_makes_it(settings):
    shutil.rmtree(settings.models_folder / "mean_reversion")
    error = refusal(settings)
    assert "does not exist" in error.why
    assert "alchemiser train strategy mean_reversion" in error.next_step


def test_an_edited_file_is_refused(settings):
    file = settings.models_folder / "mean_reversion" / MODEL_FILE
    file.write_bytes(file.read_bytes() + b"\0")
    assert "another SHA-256" in refusal(settings).why


def test_a_link_is_not_followed(settings, tmp_path):
    file = settings.models_folder / "mean_reversion" / MODEL_FILE
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in refusal(settings).why


@pytest.mark.parametrize("parameters", [{"horizon": 6}, {"entry": 1.6}])
def test_a_model_of_another_rule_is_refused(settings, parameters):
    assert "other parameters" in refusal(settings, **parameters).why


def test_another_size_keeps_the_model(settings):
    make(settings, allocation=0.5).load()


def edit(settings, **changed):
    file = settings.models_folder / "mean_reversion" / "passport.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kind": "td3"}, "not that of a strategy's model"),
        ({"schema_version": 99}, "version 99"),
        ({"feature_schema_hash": "0" * 16}, "other features"),
        ({"versions": {"scikit-learn": "0.1.2"}}, "scikit-learn 0.1.2"),
        ({"probabilities": [0.5]}, "contradicts itself"),
        ({"probabilities": [0.9] * 8}, "probabilities that its training noted"),
        ({"features": ["z_score"], "inputs": [[0.0]] * 8}, "other features"),
    ],
)
def test_a_passport_that_does_not_fit_is_refused(settings, changed, why):
    edit(settings, **changed)
    assert why in refusal(settings).why


def replace_model(settings, content):
    import hashlib

    (settings.models_folder / "mean_reversion" / MODEL_FILE).write_bytes(content)
    edit(settings, sha256={MODEL_FILE: hashlib.sha256(content).hexdigest()})


def test_types_that_nobody_trusts_are_never_built(settings):
    import skops.io

    replace_model(settings, skops.io.dumps(os.system))
    assert "nobody trusts" in refusal(settings).why


def test_a_file_that_skops_cannot_read_is_refused(settings):
    replace_model(settings, b"no archive")
    assert "skops cannot read it" in refusal(settings).why


def test_another_estimator_is_refused(settings):
    import skops.io
    from sklearn.linear_model import LinearRegression

    replace_model(settings, skops.io.dumps(LinearRegression()))
    assert "no logistic regression" in refusal(settings).why


def test_without_the_extra_the_strategy_says_what_to_install(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    monkeypatch.setitem(sys.modules, "skops", None)
    assert "alchemiser[train]" in refusal(settings).next_step


# --- trainings that cannot be


def train(tmp_path, name, ticks, **more):
    return train_strategy(
        Settings(home=tmp_path), name, ticks, ManualClock(), dataset="sp500", **more
    )


def test_too_few_trades_are_refused(tmp_path, ticks):
    with pytest.raises(StrategyModelError, match="too few trades"):
        train(tmp_path, "breakout", ticks[:200])
    assert not (tmp_path / "models").exists()


def test_a_model_is_never_written_over(settings, ticks):
    with pytest.raises(ModelExistsError):
        train_strategy(settings, "mean_reversion", ticks, ManualClock(), dataset="sp500")


def test_a_name_that_leads_elsewhere_is_refused(tmp_path, ticks):
    with pytest.raises(UsageError):
        train(tmp_path, "breakout", ticks, model="../x")


def test_a_kind_that_has_no_rule_is_not_trained(tmp_path, ticks):
    folder = tmp_path / "configs" / "strategies"
    folder.mkdir(parents=True)
    (folder / "deep.toml").write_text('kind = "policy"\nversion = 1\nsymbols = ["SPX"]\n')
    with pytest.raises(StrategyMalformedError):
        train(tmp_path, "deep", ticks)


def test_training_without_the_extra_says_what_to_install(tmp_path, ticks, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    monkeypatch.setitem(sys.modules, "skops", None)
    with pytest.raises(ExtraMissingError):
        train(tmp_path, "breakout", ticks)


def test_a_home_that_cannot_be_written_is_said(tmp_path, ticks):
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(HomeNotWritableError):
        train(tmp_path, "mean_reversion", ticks, folds=2)
