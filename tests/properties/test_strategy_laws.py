"""Laws of the moving statistics, of calibration and of strategies under any prices."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings, TradingSettings
from alchemiser_cli.testing.strategies import ImmediateAccount, check_strategy
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import BUILT_IN_KINDS, StrategyDefinition, StrategyHost
from alchemiser_cli.trading.strategies.calibration import forecast
from alchemiser_cli.trading.strategies.holds import HoldLog
from alchemiser_cli.trading.strategies.trades import TradeHistory
from alchemiser_cli.trading.strategies.walk_forward import folds_of
from alchemiser_cli.trading.strategies.windows import MovingExtreme, MovingMoments

QUICK = {
    "momentum": {"lookback": 3, "volatility_rows": 3},
    "mean_reversion": {"window": 3, "entry": 1.0},
    "breakout": {"entry_rows": 3, "exit_rows": 2},
}
PRICES = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=60)


def ticks_of(prices):
    return [
        Tick(
            symbol="SPX",
            venue="test",
            kind="trade",
            sequence=at + 1,
            event_time_ns=(at + 1) * NS_PER_SECOND,
            price=price,
        )
        for at, price in enumerate(prices)
    ]


def make(kind):
    definition = StrategyDefinition(
        name=kind, kind=kind, version=1, symbols=("SPX",), parameters=QUICK[kind]
    )
    return BUILT_IN_KINDS[kind](definition, StrategySettings(), Settings())


@given(st.integers(2, 20), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_moving_moments_are_those_of_the_window(size, values):
    moments = MovingMoments(size)
    for at, value in enumerate(values):
        moments.push(value)
        window = values[max(0, at + 1 - size) : at + 1]
        largest = max(map(abs, values[max(0, at + 1 - 2 * size) : at + 1]), default=0.0)
        assert moments.full == (len(window) == size)
        assert math.isclose(moments.mean, statistics.fmean(window), abs_tol=1e-9 * largest + 1e-300)
        expected = statistics.pstdev(window)
        assert math.isclose(moments.deviation, expected, rel_tol=1e-6, abs_tol=1e-6 * largest)


@given(st.integers(1, 20), st.lists(st.floats(allow_nan=False), min_size=1, max_size=200))
def test_the_moving_extreme_is_that_of_the_window(size, values):
    extreme = MovingExtreme(size)
    for at, value in enumerate(values):
        extreme.push(value)
        assert extreme.value == max(values[max(0, at + 1 - size) : at + 1])
        assert len(extreme._best) <= size


@pytest.mark.parametrize("kind", list(BUILT_IN_KINDS))
@settings(max_examples=40)
@given(prices=PRICES)
def test_whatever_the_prices_a_strategy_keeps_its_contract(kind, prices):
    check_strategy(lambda: make(kind), ticks_of(prices))


@settings(max_examples=40)
@given(PRICES, st.lists(st.integers(0, 59), max_size=30))
def test_ticks_that_come_again_or_late_change_nothing(prices, again):
    """The same signals, with the same ids, come of ticks that are given once or several times."""
    ticks = ticks_of(prices)
    played = list(ticks)
    for at in again:
        played.insert(min(at + 1, len(played)), played[min(at, len(played) - 1)])

    def signals(given_ticks):
        host = StrategyHost(
            [make("mean_reversion")], TradingSettings(), ManualClock(), broker="paper"
        )
        account, made = ImmediateAccount(), []
        for tick in given_ticks:
            account.mark(tick)
            for one in host.on_tick(tick, Origin("t", 0, tick.sequence), account):
                account.fill(one)
                made.append((one.signal_id, one.target))
        return made

    assert signals(played) == signals(ticks)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=100))
def test_scores_of_probabilities_lie_within_their_bounds(pairs):
    scored = forecast([p for p, _ in pairs], [won for _, won in pairs])
    assert 0.0 <= scored.brier <= 1.0
    assert 0.0 <= scored.calibration_error <= 1.0 + 1e-12
    assert 0.0 <= scored.log_loss <= 35.0
    assert scored.roc_auc is None or 0.0 <= scored.roc_auc <= 1.0
    sure = forecast([float(won) for _, won in pairs], [won for _, won in pairs])
    assert (sure.brier, sure.calibration_error) == (0.0, 0.0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80), st.integers(1, 20), st.integers(1, 6))
def test_no_trade_of_a_training_ends_within_its_test(steps, horizon, folds):
    entered = [sum(steps[: at + 1]) for at in range(len(steps))]
    ended = [at + horizon for at in entered]
    history = TradeHistory(
        inputs=[[0.0]] * len(steps),
        won=[True] * len(steps),
        entered_ns=entered,
        ended_ns=ended,
    )
    tested = []
    for fold in folds_of(history, folds):
        start, end = fold.tested
        tested += range(start, end)
        if start < end:
            assert all(ended[at] < entered[start] for at in fold.trained)
            assert len(fold.trained) + fold.purged == start
    assert tested == list(range(len(steps) // (folds + 1), len(steps)))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=60))
def test_a_hold_is_told_when_its_reason_is_new_or_its_time_is_up(notes):
    log, now, told, last = HoldLog("paper", 10.0), 0, [], None
    expected = []
    for reason, seconds in notes:
        now += seconds * NS_PER_SECOND
        log.note("s", "0" * 16, "SPX", reason, Origin("t", 0, 0), now)
        if last is None or last[0] != reason or now - last[1] >= 10 * NS_PER_SECOND:
            expected.append((reason, now))
            last = (reason, now)
        told += [(one.reason, one.at_ns) for one in log.take_due()]
    assert told == expected
