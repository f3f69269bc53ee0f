"""The host: signals of what strategies want, and no strategy that takes another down."""

import math
import time

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.telemetry import exposition, open_telemetry
from alchemiser_cli.testing.strategies import ImmediateAccount
from alchemiser_cli.trading.signals import Hold, Intent, ModelStamp, Origin, signal_id
from alchemiser_cli.trading.strategies import StrategyHost

STAMP = ModelStamp(name="m", version="1", hash="00", feature_schema_hash="11")


class Scripted:
    """A strategy that answers what it is given: a value, or what a function of the tick returns."""

    param_hash, policy_expired = "0123456789abcdef", False

    def __init__(self, answer, name="scripted", features=None, model=None):
        self.strategy_id, self.model = name, model
        self.answer = answer
        self.given_features = {"price": 1.0} if features is None else features
        self.seen = []

    def wants(self, symbol):
        return symbol.startswith("SPX")

    def load(self):
        pass

    def features(self, tick):
        self.seen.append(tick.sequence)
        return self.given_features

    def signal(self, tick, features, account):
        return self.answer(tick) if callable(self.answer) else self.answer


def tick_at(second, symbol="SPX", price=100.0):
    return Tick(
        symbol=symbol,
        venue="test",
        kind="trade",
        sequence=second,
        event_time_ns=second * NS_PER_SECOND,
        price=price,
    )


def long(target=3, **more):
    return (Intent(symbol="SPX", target=target, reason="opens long", **more),)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def account():
    return ImmediateAccount()


@pytest.fixture
def hosted(clock):
    """A host of strategies, with what it told of failures and of those it disabled."""

    def hosted(*strategies, **settings):
        failures, disabled = [], []
        host = StrategyHost(
            strategies,
            TradingSettings(**settings),
            clock,
            broker="paper",
            on_failure=failures.append,
            on_disabled=lambda strategy, reason: disabled.append((strategy, reason)),
        )
        return host, failures, disabled

    return hosted


def test_a_signal_carries_all_that_explains_it(hosted, account, clock):
    host, _, _ = hosted(Scripted(long(confidence=0.7, stop_price=90.0), model=STAMP))
    origin = Origin("market.ticks", 2, 41)
    (made,) = host.on_tick(tick_at(5), origin, account)
    assert made.signal_id == signal_id("scripted", "0123456789abcdef", "SPX", origin)
    assert (made.target, made.reference_price, made.tick_time_ns) == (3, 100.0, 5 * NS_PER_SECOND)
    assert (made.confidence, made.stop_price, made.model) == (0.7, 90.0, STAMP)
    assert (made.broker, made.origin, made.features) == ("paper", origin, {"price": 1.0})
    assert made.decided_at_ns == clock.now_ns()


def test_an_expired_policy_says_so_in_its_signals(hosted, account):
    strategy = Scripted(long(0 + 1))
    strategy.policy_expired = True
    host, _, _ = hosted(strategy)
    assert host.on_tick(tick_at(1), Origin("t", 0, 1), account)[0].policy_expired


def test_ticks_that_are_not_newer_are_shown_to_nobody(hosted, account):
    strategy = Scripted(Hold("nothing"))
    host, _, _ = hosted(strategy)
    for second in (5, 5, 4, 6):
        host.on_tick(tick_at(second), Origin("t", 0, second), account)
    assert strategy.seen == [5, 6]


def test_a_warm_tick_is_taken_in_and_asks_for_nothing(hosted, account):
    strategy = Scripted(long())
    host, _, _ = hosted(strategy)
    host.warm(tick_at(1))
    assert strategy.seen == [1]
    assert host.held == {}
    assert host.on_tick(tick_at(1), Origin("t", 0, 1), account) == []  # it was shown already


def test_a_symbol_that_a_strategy_does_not_want_is_not_shown(hosted, account):
    strategy = Scripted(long())
    host, _, _ = hosted(strategy)
    assert host.on_tick(tick_at(1, "NDX"), Origin("t", 0, 1), account) == []
    assert strategy.seen == []


def test_what_is_there_already_is_a_hold(hosted, account):
    host, _, _ = hosted(Scripted(long()))
    account.mark(tick_at(1))
    (made,) = host.on_tick(tick_at(1), Origin("t", 0, 1), account)
    assert host.on_tick(tick_at(2), Origin("t", 0, 2), account)[0].target == 3  # not filled yet
    account.fill(made)
    assert host.on_tick(tick_at(3), Origin("t", 0, 3), account) == []
    assert host.held["scripted", "SPX"].reason == "unchanged"


def test_a_hold_is_told_when_it_is_new_and_then_now_and_again(hosted, account, clock):
    strategy = Scripted(lambda tick: Hold("flat" if tick.sequence != 4 else "waits"))
    host, _, _ = hosted(strategy, hold_report_s=100.0)
    told = []
    for second in range(1, 8):
        clock.advance(40)
        host.on_tick(tick_at(second), Origin("t", 0, second), account)
        told += [(second, one.reason, one.ticks) for one in host.take_holds()]
    assert told == [(1, "flat", 1), (4, "waits", 1), (5, "flat", 1)]
    clock.advance(100)
    host.on_tick(tick_at(8), Origin("t", 0, 8), account)
    assert [one.ticks for one in host.take_holds()] == [4]


def test_too_little_history_is_a_hold_with_that_reason(hosted, account):
    strategy = Scripted(long())
    strategy.given_features = None
    host, _, _ = hosted(strategy)
    host.on_tick(tick_at(1), Origin("t", 0, 1), account)
    assert [one.reason for one in host.take_holds()] == ["has too little history"]


def _raises(_tick):
    raise ZeroDivisionError("at the worst time")


def _exits(_tick):
    raise SystemExit(3)


NONSENSE = [
    None,
    "SPX",
    7,
    ("SPX",),
    long(1.5),
    long(math.nan),
    long(True),
    (*long(), *long(4)),
    long(confidence=1.5),
    long(confidence=math.nan),
    long(stop_price=-1.0),
    (Intent(symbol=5, target=1, reason=""),),
    (Intent(symbol="", target=1, reason=""),),
    Hold(None),
]


@pytest.mark.provokes("strategy-failed")
@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
def test_nonsense_is_a_failure_and_the_others_go_on(hosted, account, answer):
    host, failures, _ = hosted(Scripted(answer, "odd"), Scripted(long(), "even"))
    made = host.on_tick(tick_at(1), Origin("t", 0, 1), account)
    assert [one.strategy_id for one in made] == ["even"]
    assert [error.context["reason"] for error in failures] == ["nonsense"]
    assert failures[0].context["strategy"] == "odd"


@pytest.mark.parametrize(
    "features",
    [{"a": math.nan}, {"a": math.inf}, {"a": "1"}, {"a": True}, {3: 1.0}, {"a": 10**400}, [1.0]],
    ids=repr,
)
def test_features_that_are_no_numbers_are_nonsense(hosted, account, features):
    host, failures, _ = hosted(Scripted(long(), features=features))
    assert host.on_tick(tick_at(1), Origin("t", 0, 1), account) == []
    assert failures[0].context["reason"] == "nonsense"


@pytest.mark.parametrize("answer", [_raises, _exits])
def test_what_a_strategy_raises_is_its_own(hosted, account, answer):
    host, failures, _ = hosted(Scripted(answer, "odd"), Scripted(long(), "even"))
    assert len(host.on_tick(tick_at(1), Origin("t", 0, 1), account)) == 1
    assert failures[0].context["reason"] == "raised"
    assert failures[0].__cause__ is not None
    assert str(failures[0].context["origin"]) == "t/0/1"


def test_a_strategy_that_hangs_is_interrupted_and_the_others_go_on(hosted, account):
    hangs = Scripted(lambda _tick: time.sleep(60), "hangs")  # allow no-bare-sleep: it is ended
    host, failures, _ = hosted(hangs, Scripted(long(), "even"), strategy_timeout_s=0.1)
    with host:
        made = host.on_tick(tick_at(1), Origin("t", 0, 1), account)
    assert [one.strategy_id for one in made] == ["even"]
    assert failures[0].context["reason"] == "hung"


def test_failures_in_a_row_disable_a_strategy_once(hosted, account, logs):
    host, failures, disabled = hosted(Scripted(_raises, "odd"), strategy_failures=3)
    for second in range(1, 6):
        host.on_tick(tick_at(second), Origin("t", 0, second), account)
    assert len(failures) == 3
    assert host.running == ()
    ((strategy, reason),) = disabled
    assert strategy == "odd"
    assert "failures in a row: 3" in reason
    assert [event["strategy"] for event in logs if event["event"] == "strategy_disabled"] == ["odd"]


def test_a_tick_without_a_failure_begins_the_count_anew(hosted, account):
    strategy = Scripted(lambda tick: _raises(tick) if tick.sequence % 3 else Hold("fine"))
    host, failures, disabled = hosted(strategy, strategy_failures=3)
    for second in range(1, 10):
        host.on_tick(tick_at(second), Origin("t", 0, second), account)
    assert len(failures) == 6
    assert disabled == []


def test_a_keyboard_interrupt_is_not_the_strategys(hosted, account):
    def interrupt(_tick):
        raise KeyboardInterrupt

    host, failures, _ = hosted(Scripted(interrupt))
    with pytest.raises(KeyboardInterrupt):
        host.on_tick(tick_at(1), Origin("t", 0, 1), account)
    assert failures == []


def test_what_happens_is_counted(account, clock):
    telemetry = open_telemetry(TelemetrySettings())
    strategies = Scripted(long(), "sound", model=STAMP), Scripted(_raises, "odd")
    settings = TradingSettings(strategy_failures=1)
    host = StrategyHost(strategies, settings, clock, broker="paper", telemetry=telemetry)
    for second in (1, 1):
        host.on_tick(tick_at(second), Origin("t", 0, second), account)
    text = exposition(telemetry.registry).decode()
    for line in (
        'ml_inference_total{strategy_id="sound"} 1.0',
        'ml_inference_latency_seconds_count{strategy="sound"} 1.0',
        'strategy_failures_total{reason="raised",strategy_id="odd"} 1.0',
        'strategy_disabled_total{strategy_id="odd"} 1.0',
        'strategies_loaded{broker="paper"} 1.0',
        'strategy_ticks_skipped_total{broker="paper"} 1.0',
    ):
        assert line in text
