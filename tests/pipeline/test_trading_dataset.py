"""Trading on the past: the whole chain with an account, a trail and a kill switch of its own."""

import itertools
from collections import Counter

import msgspec
import pytest

from alchemiser_cli.errors import StrategyNotFoundError
from alchemiser_cli.trading.audit import read_trail, verify_trail
from alchemiser_cli.trading.desk import fold_trail
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.runs import load_run


@pytest.fixture
def home(make_settings):
    return make_settings().home


def test_the_result_says_what_the_trail_says(past, quick, home):
    result = past()
    trail = home / "audit" / "r1"
    events = Counter(record.event for record in read_trail(trail))
    assert (result.ticks, result.signals) == (120, events["SIGNAL"])
    assert result.signals == result.approved + sum(result.denied.values()) > 0
    assert (result.orders, result.fills) == (events["ORDER_SUBMITTED"], events["EXECUTED"])
    assert result.by_strategy == {"quick": result.signals}
    verified = verify_trail(trail)
    assert (verified.ok, verified.head.hash) == (True, result.audit_head)


def test_the_books_balance_and_the_curve_ends_at_the_equity(past, quick):
    account = past().account
    balance = account.initial_cash + account.realised_pnl + account.unrealised_pnl - account.fees
    assert account.equity == pytest.approx(balance)
    result = past("r2")
    assert result.equity_curve[-1].equity == result.account.equity
    assert len(result.equity_curve) == 120


def test_the_record_says_with_what_the_run_was_fed(past, quick, make_settings, market_file):
    result = past()
    record = load_run(make_settings().trading_folder, "r1")
    assert (record.fed.dataset, record.fed.limit) == (f"file:{market_file}", 120)
    assert (record.ticks, record.signals) == (120, result.signals)
    assert list(record.strategies) == ["quick"]
    assert record.ended_at
    assert "signing" not in record.sections


def test_the_same_past_gives_the_same_run_to_the_bit(past, quick, home):
    first, second = past("r1"), past("r2")
    assert first.account == second.account
    assert first.equity_curve == second.equity_curve
    one, other = (fold_trail(home / "audit" / name) for name in ("r1", "r2"))
    assert one.signals == other.signals
    assert one.decisions == other.decisions
    assert one.executions == other.executions


def test_nothing_that_trades_live_is_touched(past, quick, home, shm_folder):
    past()
    assert {one.name for one in home.iterdir()} == {"audit", "trading", "configs"}
    assert list(shm_folder.iterdir()) == []


def test_a_day_that_loses_too_much_stops_and_the_next_one_trades_again(past, quick, home):
    result = past(limit=200, risk={"max_trade_loss": 0.5, "max_daily_loss": 0.003})
    assert {"kill_switch_active", "daily_loss_limit_exceeded"} & set(result.denied)
    records = list(read_trail(home / "audit" / "r1"))
    stops = [one.at_ns for one in records if one.event == "KILL_SWITCH_SET"]
    assert stops
    assert any(one.at_ns > stops[0] for one in records if one.event == "TRADE_APPROVED")
    states = [one for one in records if one.event == "TRADING_STATE"]
    assert "a new day of the replay" in {one.reason for one in states}


def test_what_is_held_is_on_record_as_it_begins_and_then_once_a_month(past, quick, home):
    """An hourly report would be a line for each of the daily bars."""
    past(names=("quick",), trading={"hold_report_s": 1.0})
    held = [one for one in read_trail(home / "audit" / "r1") if one.event == "HELD"]
    assert held[0].reason == "has too little history"
    assert len(held) < 60
    told = [msgspec.json.decode(one.detail) for one in held]
    again = [
        later["at_ns"] - sooner["at_ns"]
        for sooner, later in itertools.pairwise(told)
        if sooner["since_ns"] == later["since_ns"]
    ]
    assert again
    assert min(again) >= 20 * 86_400 * 10**9


def test_contracts_are_traded_and_settled_and_their_warming_up_is_told_once(past, quick, home):
    quick(
        symbols=("market-*",), lookback=5, volatility_rows=5, allocation=0.02, allow_short="false"
    )
    settings = {"risk": {"max_trade_loss": 0.9, "max_notional": 5.0, "max_leverage": 9.0}}
    result = past(limit=90, **settings)
    trail = home / "audit" / "r1"
    executions = fold_trail(trail).executions
    assert {one.kind for one in executions} == {"fill", "settlement"}
    assert all("-" in one.symbol for one in executions)
    last_ns = result.equity_curve[-1].at_ns
    for row in result.account.positions:
        assert instrument_of(row.symbol, 100).expiry_ns > last_ns
    warming = Counter(
        one.symbol for one in read_trail(trail) if one.reason == "has too little history"
    )
    assert set(warming.values()) == {1}


def test_progress_is_told_and_a_stop_ends_the_run_with_what_it_did(past, quick):
    seen = []
    stop = iter([False, True])
    result = past(
        limit=200, run={"on_progress": lambda *one: seen.append(one), "stop": lambda: next(stop)}
    )
    assert seen == [(0, 200), (64, 200)]
    assert result.ticks == 64


@pytest.mark.provokes("strategy-not-found")
def test_a_strategy_that_is_not_there_names_those_that_are(past):
    with pytest.raises(StrategyNotFoundError) as refused:
        past(names=("momentun",))
    assert "momentum" in refused.value.next_step
