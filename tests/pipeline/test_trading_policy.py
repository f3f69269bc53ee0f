"""The policy as a strategy: it sees what it was trained on, and its weights may come and go."""

import msgspec
import numpy as np
import pytest
import torch

from alchemiser_cli.errors import StrategyModelError
from alchemiser_cli.market import open_dataset
from alchemiser_cli.market.chains import DatasetChains
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.pipeline.trading.policy import SHOWN, PolicyStrategy
from alchemiser_cli.pipeline.training import publisher
from alchemiser_cli.rl.artefacts import Canary, Origin, save_artefact
from alchemiser_cli.rl.environment import TradingEnvironment
from alchemiser_cli.rl.observation import (
    FEATURES,
    OBSERVATION_SHAPE,
    OWN_COLUMNS,
    observation_schema_hash,
)
from alchemiser_cli.rl.td3.acting import ActorNetwork
from alchemiser_cli.rl.td3.presets import Architecture
from alchemiser_cli.settings import StrategySettings
from alchemiser_cli.testing.strategies import ImmediateAccount
from alchemiser_cli.trading.chain_quotes import ChainQuotes
from alchemiser_cli.trading.signals import Hold
from alchemiser_cli.trading.strategies import load_strategies

ROWS = 110
FIRST = 78  # the row of the first window whose every row has its 64 rows of history
TINY = Architecture("small", *OBSERVATION_SHAPE, 10, 8, 2, 1, 16, 6, (12, 12))
MARKET = np.setdiff1d(np.arange(len(FEATURES)), OWN_COLUMNS)


def weights_of(seed):
    torch.manual_seed(seed)
    state = ActorNetwork(TINY).state_dict()
    return {name: tensor.numpy().copy() for name, tensor in state.items()}


def canary_of(weights):
    network = ActorNetwork(TINY)
    network.load_state_dict({name: torch.from_numpy(one) for name, one in weights.items()})
    seen = np.random.default_rng(1).normal(size=(8, *OBSERVATION_SHAPE)).astype("f4")
    return Canary(seen, network.eval().act(seen))


@pytest.fixture(scope="module")
def dataset(market_file):
    return open_dataset(f"file:{market_file}", limit=ROWS)


@pytest.fixture(scope="module")
def ticks(dataset):
    return list(dataset)


@pytest.fixture
def save(make_settings, clock):
    """Save a tiny actor of random weights, trained with the options that are given."""

    def save(name="actor", seed=1, **options):
        weights = weights_of(seed)
        origin = Origin(
            kind="td3",
            algorithm="TD3",
            observation_schema_hash=observation_schema_hash(),
            architecture=msgspec.to_builtins(TINY),
            settings={"options": make_settings(options=options).options.model_dump(mode="json")},
            seeds={"training": seed},
        )
        folder = make_settings().models_folder
        return save_artefact(folder, name, weights, canary_of(weights), origin, clock)

    return save


@pytest.fixture
def make(make_settings, clock, ticks):
    """Return a policy that is not loaded, on the symbol of the dataset."""

    def make(model="actor", segment=None, **sections):
        return PolicyStrategy(
            "policy",
            (ticks[0].symbol,),
            "0123456789abcdef",
            StrategySettings(model=model, segment=segment),
            make_settings(**sections),
            clock,
        )

    return make


def seen_by(policy, ticks, account=None):
    """Show ticks to a policy as the host does, with the contracts' quotes; return its answers."""
    account = account or ImmediateAccount()
    chain = ChainQuotes(policy._options)
    answers = []
    for tick in ticks:
        for one in (tick, *chain.quotes(tick)):
            account.mark(one)
        features = policy.features(tick)
        answers.append(None if features is None else policy.signal(tick, features, account))
    return answers


# --- what it sees


def test_its_window_is_the_observation_of_the_environment(save, make, dataset, ticks):
    """The market's columns are the same to the bit; all cash, so are the account's."""
    save()
    policy = make()
    policy.load()
    chains = DatasetChains(dataset, policy._options)
    environment = TradingEnvironment(chains, policy._options)
    seen_by(policy, ticks[:FIRST])
    for row in range(FIRST, ROWS - 1, 5):
        seen_by(policy, ticks[row : row + 1])
        observed, _ = environment.reset(options={"start": row})
        assert np.array_equal(policy._window[:, MARKET], observed[:, MARKET]), row
        if row == FIRST:
            own = OWN_COLUMNS[:-1]  # without the progress: the policy has taken a step by now
            assert np.array_equal(policy._window[:, own], observed[:, own])
        seen_by(policy, ticks[row + 1 : row + 5])


def test_it_says_nothing_before_its_window_is_full(save, make, ticks):
    save()
    policy = make()
    policy.load()
    answers = seen_by(policy, ticks)
    assert [one is None for one in answers].index(False) == FIRST
    assert all(one is not None for one in answers[FIRST:])


def test_the_action_names_the_positions_of_the_ten_contracts(save, make, ticks):
    save()
    policy = make()
    policy.load()
    wanted = seen_by(policy, ticks)[FIRST]
    chain = ChainQuotes(policy._options)
    for tick in ticks[: FIRST + 1]:
        chain.quotes(tick)
    assert {one.symbol for one in wanted} <= set(chain.symbols)
    assert wanted
    assert all(abs(one.target) <= policy._options.max_contracts for one in wanted)


def test_what_is_held_already_is_not_wanted_again(save, make, ticks):
    save()
    policy = make()
    policy.load()
    account = ImmediateAccount()
    wanted = seen_by(policy, ticks[: FIRST + 1], account)[-1]
    for intent in wanted:
        account.fill(intent)
    line = policy._window[-1].copy()
    again = policy.signal(ticks[FIRST], {}, account)
    targets = {one.symbol: one.target for one in wanted}
    if not isinstance(again, Hold):
        assert all(targets.get(one.symbol, 0) != one.target for one in again)
    held = policy._window[-1, 1:11] * policy._options.max_contracts
    assert sorted(held.round().tolist()) == sorted(
        [float(one.target) for one in wanted] + [0.0] * (10 - len(wanted))
    )
    assert line[0] == 1.0  # all cash before


def test_the_features_on_record_are_named_as_in_the_observation(save, make, ticks):
    save()
    policy = make()
    policy.load()
    for tick in ticks:
        features = policy.features(tick)
    assert tuple(features) == SHOWN
    names = [feature.name for feature in FEATURES]
    assert [features[name] for name in SHOWN] == [
        float(policy._window[-1, names.index(name)]) for name in SHOWN
    ]


def test_ticks_of_other_symbols_are_none_of_its_own(make, ticks):
    assert make().wants(ticks[0].symbol)
    assert not make().wants(f"{ticks[0].symbol}-20010119-C-100")


# --- its weights


def test_its_stamp_is_that_of_the_artefact(save, make):
    passport = save().passport
    policy = make("strategies/models/actor")
    policy.load()
    assert policy.model.name == "actor"
    assert policy.model.hash == passport.weights_hash
    assert policy.model.feature_schema_hash == observation_schema_hash()
    assert policy.model.generation is None


def test_it_acts_on_the_newest_weights_of_its_segment(save, make, make_settings, clock, ticks):
    save(seed=1)
    with publisher(make_settings(), "live", clock) as published:
        weights = weights_of(2)
        published.publish(weights, *canary_of(weights), 100)
        policy = make(segment="live")
        policy.load()
        seen_by(policy, ticks[: FIRST + 1])
        assert policy.model.generation == 1
        first = policy._actor.act(policy._window[None])
        weights = weights_of(3)
        published.publish(weights, *canary_of(weights), 200)
        seen_by(policy, ticks[FIRST + 1 : FIRST + 2])
        assert policy.model.generation == 2
        assert not np.array_equal(policy._actor.act(policy._window[None]), first)


@pytest.mark.parametrize(
    ("when_expired", "expired"),
    [pytest.param("flat", False, id="flat"), pytest.param("hold", True, id="hold")],
)
def test_expired_weights_lead_to_flat_or_to_signals_that_risk_refuses(
    save, make, make_settings, clock, ticks, shm_folder, when_expired, expired
):
    save()
    shm = {"directory": shm_folder, "max_age_s": 60.0, "when_expired": when_expired}
    with publisher(make_settings(shm=shm), "live", clock) as published:
        weights = weights_of(2)
        published.publish(weights, *canary_of(weights), 100)
        policy = make(segment="live", shm=shm)
        policy.load()
        account = ImmediateAccount()
        wanted = seen_by(policy, ticks[: FIRST + 1], account)[-1]
        assert not policy.policy_expired
        for intent in wanted:
            account.fill(intent)
        clock.advance(61)
        answer = policy.signal(ticks[FIRST], {}, account)
        assert policy.policy_expired is expired
        if when_expired == "flat":
            assert {one.symbol: one.target for one in answer} == {one.symbol: 0 for one in wanted}
            assert "expired" in answer[0].reason
        published.publish(weights, *canary_of(weights), 200)
        policy.signal(ticks[FIRST], {}, account)
        assert not policy.policy_expired


# --- what it refuses


@pytest.mark.provokes("strategy-model-unusable", "model-not-found")
def test_without_its_model_it_is_disabled_and_the_reason_is_said(make_settings, clock):
    settings = make_settings(strategies={"policy_one": {"model": "missing"}})
    folder = settings.home / "configs" / "strategies"
    folder.mkdir(parents=True)
    (folder / "policy_one.toml").write_text('kind = "policy"\nversion = 1\nsymbols = ["SPX"]\n')
    loaded = load_strategies(settings, None, kinds=strategy_kinds(settings, clock), clock=clock)
    assert loaded.by_broker.get("paper", ()) == ()
    assert "model-not-found" in loaded.disabled["paper"]["policy_one"]


@pytest.mark.provokes("strategy-model-unusable")
def test_a_policy_without_a_models_name_is_refused(make):
    with pytest.raises(StrategyModelError) as refused:
        make(model=None).load()
    assert "no model is named" in refused.value.why


@pytest.mark.provokes("strategy-model-unusable")
def test_a_model_of_other_options_is_refused_for_its_actions_mean_other_things(save, make):
    save(max_contracts=5)
    with pytest.raises(StrategyModelError) as refused:
        make().load()
    assert "options.max_contracts was 5, now 10" in refused.value.why


@pytest.mark.provokes("strategy-model-unusable", "model-incompatible")
def test_a_model_of_other_observations_is_refused(save, make, monkeypatch):
    monkeypatch.setitem(globals(), "observation_schema_hash", lambda: "5c" * 32)
    save()
    with pytest.raises(StrategyModelError) as refused:
        make().load()
    assert "model-incompatible" in refused.value.why


@pytest.mark.provokes("strategy-model-unusable", "segment-not-found")
def test_a_segment_that_is_not_there_is_no_reason_to_act_on_old_weights(save, make):
    save()
    with pytest.raises(StrategyModelError) as refused:
        make(segment="nowhere").load()
    assert "segment" in refused.value.why
