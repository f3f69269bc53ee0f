"""The built-in rules, on paths of prices that say what must come of them."""

import itertools
import math
import random

import pytest

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.market import open_dataset
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.testing.strategies import (
    ImmediateAccount,
    StrategyContractError,
    check_strategy,
)
from alchemiser_cli.trading.signals import Hold, Intent
from alchemiser_cli.trading.strategies import BUILT_IN_KINDS, StrategyDefinition, find_definition

DAY_NS = 86_400 * NS_PER_SECOND


def ticks_of(prices, symbol="SPX"):
    return [
        Tick(
            symbol=symbol,
            venue="test",
            kind="bar",
            sequence=at + 1,
            event_time_ns=at * DAY_NS,
            price=float(price),
        )
        for at, price in enumerate(prices)
    ]


def make(kind, symbols=("SPX",), **parameters):
    definition = StrategyDefinition(
        name=kind, kind=kind, version=1, symbols=symbols, parameters=parameters
    )
    return BUILT_IN_KINDS[kind](definition, StrategySettings(), Settings())


def wanted(strategy, ticks):
    """The target after each tick, with every target filled at once; None while it warms up."""
    account, targets = ImmediateAccount(), []
    for tick in ticks:
        account.mark(tick)
        features = strategy.features(tick)
        if features is None:
            targets.append(None)
            continue
        answer = strategy.signal(tick, features, account)
        if not isinstance(answer, Hold):
            account.fill(answer[0])
        targets.append(account.position("", tick.symbol))
    return targets


QUICK = {
    "momentum": {"lookback": 5, "volatility_rows": 4},
    "mean_reversion": {"window": 5},
    "breakout": {"entry_rows": 5, "exit_rows": 3},
}


@pytest.mark.parametrize("kind", list(BUILT_IN_KINDS))
def test_a_built_in_strategy_keeps_its_contract_on_real_data(kind):
    definition = find_definition(kind, None)
    ticks = list(open_dataset("sp500", limit=1_200))
    check_strategy(lambda: BUILT_IN_KINDS[kind](definition, StrategySettings(), Settings()), ticks)


@pytest.mark.parametrize("kind", list(BUILT_IN_KINDS))
def test_a_strategy_trades_both_sides_of_a_random_walk(kind):
    chance = random.Random(4)  # noqa: S311  a seed, not a secret
    prices = [
        100 * math.exp(x) for x in itertools.accumulate(chance.gauss(0, 0.01) for _ in range(400))
    ]
    targets = {target for target in wanted(make(kind, **QUICK[kind]), ticks_of(prices)) if target}
    assert min(targets) < 0 < max(targets)
    only_long = wanted(make(kind, allow_short=False, **QUICK[kind]), ticks_of(prices))
    assert min(target for target in only_long if target is not None) == 0


def test_momentum_holds_what_rises_and_less_of_what_is_wild():
    calm = wanted(make("momentum", **QUICK["momentum"]), ticks_of([100, 101, 102, 103, 104, 105]))
    assert calm[:5] == [None] * 5
    assert calm[5] == math.floor(0.2 * 1_000_000 / 105)
    wild_prices = [100, 120, 101, 121, 102, 130]
    wild = wanted(make("momentum", **QUICK["momentum"]), ticks_of(wild_prices))
    assert 0 < wild[5] < calm[5] / 4


def test_momentum_turns_with_the_trend():
    prices = [100, 101, 102, 103, 104, 105, 104, 100, 95, 90, 85]
    targets = wanted(make("momentum", **QUICK["momentum"]), ticks_of(prices))
    assert targets[5] > 0 > targets[-1]


def test_momentum_keeps_a_position_that_is_nearly_right():
    prices = [100 + at * 0.1 for at in range(40)]
    targets = wanted(make("momentum", rebalance=0.25, **QUICK["momentum"]), ticks_of(prices))
    assert len({target for target in targets if target}) == 1


def test_mean_reversion_trades_against_a_move_until_the_price_is_back():
    prices = [100, 101, 100, 101, 100, 95, 96, 98, 100, 101]
    targets = wanted(make("mean_reversion", **QUICK["mean_reversion"]), ticks_of(prices))
    assert targets[4] == 0
    assert targets[5] > 0  # far below its mean
    assert targets[-1] == 0


def test_mean_reversion_gives_up_at_the_stop_and_opens_nothing_there():
    chosen = {"window": 30, "entry": 1.5, "exit": 0.25, "stop": 3.0}
    prices = [100 + (at % 2) for at in range(30)] + [98.9, 80]
    targets = wanted(make("mean_reversion", **chosen), ticks_of(prices))
    assert targets[30] > 0
    assert targets[31] == 0


def test_breakout_follows_a_new_high_until_the_shorter_channel_is_left():
    prices = [100, 101, 100, 101, 100, 102, 103, 104, 102.5, 99]
    targets = wanted(make("breakout", **QUICK["breakout"]), ticks_of(prices))
    assert targets[5] > 0
    assert targets[8] == targets[5]  # above the lows of the last three rows
    assert targets[9] < 0  # below all lows of the last five


@pytest.mark.parametrize("kind", list(BUILT_IN_KINDS))
def test_a_stop_lies_on_the_losing_side(kind):
    chance = random.Random(5)  # noqa: S311  as above
    prices = [
        100 * math.exp(x) for x in itertools.accumulate(chance.gauss(0, 0.01) for _ in range(300))
    ]
    strategy, account, stops = make(kind, **QUICK[kind]), ImmediateAccount(), 0
    for tick in ticks_of(prices):
        account.mark(tick)
        features = strategy.features(tick)
        answer = Hold("") if features is None else strategy.signal(tick, features, account)
        if not isinstance(answer, Hold) and answer[0].stop_price is not None:
            stops += 1
            assert (tick.price - answer[0].stop_price) * answer[0].target > 0
            account.fill(answer[0])
    assert stops


def test_the_multiplier_of_a_contract_counts():
    symbol = "SPX-20180119-C-2750"
    ticks = ticks_of([10, 11, 12, 13, 14, 20], symbol)
    strategy = make("momentum", symbols=("SPX-*",), target_volatility=1e5, **QUICK["momentum"])
    assert strategy.wants(symbol)
    assert not strategy.wants("SPX")
    assert wanted(strategy, ticks)[-1] == 200_000 // (20 * 100)


def test_a_fixed_quantity_is_traded_whatever_the_price():
    targets = wanted(make("momentum", quantity=7, **QUICK["momentum"]), ticks_of(range(100, 110)))
    assert set(targets[5:]) == {7}


def test_a_position_that_others_closed_is_not_opened_again_at_once():
    strategy, account = make("mean_reversion", **QUICK["mean_reversion"]), ImmediateAccount()
    for tick in ticks_of([100, 101, 100, 101, 100, 95]):
        account.mark(tick)
        features = strategy.features(tick)
    account.fill(strategy.signal(tick, features, account)[0])
    held, later = ticks_of([95] * 6 + [96, 97])[6:]
    account.mark(held)
    assert strategy.signal(held, strategy.features(held), account) == Hold("holds what it wants")
    account.mark(later)
    account.fill(Intent(symbol="SPX", target=0, reason="an operator flattens"))
    features = strategy.features(later)
    assert -1.5 < features["z_score"] < -0.25  # it would have been held, and is not opened
    assert strategy.signal(later, features, account) == Hold("sees no trade")


def test_after_a_restart_the_position_of_the_account_is_its_own():
    prices = [100 + at * 0.1 for at in range(40)]
    ticks = ticks_of(prices)
    before, account = make("momentum", **QUICK["momentum"]), ImmediateAccount()
    after = make("momentum", **QUICK["momentum"])
    for tick in ticks[:-1]:
        account.mark(tick)
        features = before.features(tick)
        after.features(tick)  # it is warmed up
        answer = Hold("") if features is None else before.signal(tick, features, account)
        if not isinstance(answer, Hold):
            account.fill(answer[0])
    assert after.signal(ticks[-1], after.features(ticks[-1]), account) == Hold(
        "holds what it wants"
    )


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_price_is_not_taken_in(price):
    strategy = make("breakout", **QUICK["breakout"])
    for tick in ticks_of([100, 101, 100, 101, 100]):
        strategy.features(tick)
    assert strategy.features(ticks_of([price])[0]) is None
    assert strategy.features(ticks_of([101])[0])["place"] == 1.0


def test_the_symbols_that_were_seen_longest_ago_are_forgotten():
    strategy = make("breakout", symbols=("S*",), max_symbols=3, entry_rows=2, exit_rows=2)
    for at in range(10):
        for tick in ticks_of([100, 101], f"S{at}"):
            strategy.features(tick)
    assert len(strategy._seats) == 3
    assert strategy.features(ticks_of([100], "S9")[0]) is not None
    assert strategy.features(ticks_of([100], "S0")[0]) is None


class _Fickle:
    """Breaks one sentence of the contract, as it is told."""

    strategy_id, param_hash, model, policy_expired = "fickle", "0" * 16, None, False
    made = 0

    def __init__(self, broken):
        self.broken = broken
        _Fickle.made += 1
        self.number = _Fickle.made

    def wants(self, symbol):
        return self.broken != "wants"

    def load(self):
        pass

    def features(self, tick):
        return {"price": float(self.number) if self.broken == "chance" else math.nan}

    def signal(self, tick, features, account):
        return Hold("nothing")


@pytest.mark.parametrize(
    ("broken", "said"), [("wants", "none of the ticks"), ("chance", "differ"), ("nan", "is nan")]
)
def test_a_strategy_that_breaks_the_contract_is_told_how(broken, said):
    with pytest.raises(StrategyContractError, match=said):
        check_strategy(lambda: _Fickle(broken), ticks_of([100]))
