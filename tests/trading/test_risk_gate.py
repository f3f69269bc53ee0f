"""Every signal gets one decision: which limit refuses it, what is resized, what may always pass."""

import datetime as dt
from dataclasses import dataclass, field

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.settings import RiskLimits, RiskSettings, TelemetrySettings
from alchemiser_cli.telemetry import exposition, open_telemetry
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import Execution, OrderUpdate, order_of
from alchemiser_cli.trading.risk import RiskGate
from alchemiser_cli.trading.signals import Origin, Signal

CALL = "SPX-20231215-C-4500"


@dataclass
class Desk:
    """A gate with a real book and a real kill switch; what it tells is kept."""

    gate: RiskGate
    book: Book
    switch: KillSwitch
    clock: ManualClock
    breaker: list = field(default_factory=list)
    states: list = field(default_factory=list)
    stops: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    number: int = 0

    def signal(self, symbol, target, **changes):
        self.number += 1
        values = {
            "signal_id": f"s{self.number}",
            "strategy_id": "one",
            "param_hash": "p",
            "broker": "paper",
            "symbol": symbol,
            "target": target,
            "reason": "test",
            "reference_price": 100.0,
            "tick_time_ns": self.clock.now_ns(),
            "decided_at_ns": self.clock.now_ns(),
            "origin": Origin("ticks", 0, self.number),
        }
        return Signal(**(values | changes))

    def decide(self, symbol, target, **changes):
        return self.gate.decide(self.signal(symbol, target, **changes))

    def price(self, symbol, price):
        self.book.mark(symbol, price, self.clock.now_ns())

    def fill(self, decision, quantity=None, price=100.0, commission=0.0):
        order = order_of(decision, self.clock.now_ns())
        quantity = order.quantity if quantity is None else quantity
        self.number += 1
        execution = Execution(
            execution_id=f"x{self.number}",
            kind="fill",
            order_id=order.order_id,
            strategy_id=order.strategy_id,
            broker="paper",
            symbol=order.symbol,
            change=quantity if order.side == "buy" else -quantity,
            price=price,
            commission=commission,
            at_ns=self.clock.now_ns(),
        )
        self.book.apply(execution)
        self.gate.on_execution(execution)
        return execution

    def trade(self, symbol, target, price=100.0, **changes):
        """Get a signal approved and filled."""
        decision = self.decide(symbol, target, **changes)
        assert decision.approved, decision.reason
        self.fill(decision, price=price)
        return decision

    def end(self, decision, filled=0, state="cancelled"):
        order = order_of(decision, 0)
        self.gate.on_update(
            OrderUpdate(order_id=order.order_id, state=state, filled=filled, at_ns=0)
        )


@pytest.fixture
def make(tmp_path):
    def made(telemetry=None, *, halt_on_drawdown=True, **limits):
        clock = ManualClock()
        switch = KillSwitch(tmp_path, tmp_path / "run" / "kill_switch.json", clock)
        book = Book("paper", 100_000.0, 100)
        desk = Desk(None, book, switch, clock)
        more = {} if telemetry is None else {"telemetry": telemetry}
        desk.gate = RiskGate(
            RiskSettings(**limits),
            100,
            book,
            switch,
            None,
            clock,
            circuit_open=lambda: bool(desk.breaker),
            halt_on_drawdown=halt_on_drawdown,
            on_state=desk.states.append,
            on_kill_switch=desk.stops.append,
            on_failure=desk.failures.append,
            **more,
        )
        for symbol in ("A", "B", "C"):
            desk.price(symbol, 100.0)
        return desk

    return made


def reading(decision, name):
    return next(one for one in decision.limits if one.name == name)


def test_a_signal_within_every_limit_is_approved_with_every_reading(make):
    decision = make(cool_down_s=1).decide("A", 10)

    assert (decision.approved, decision.reason) == (True, "approved")
    assert (decision.side, decision.quantity) == ("buy", 10)
    assert [one.name for one in decision.limits] == [
        "kill_switch",
        "trading_state",
        "daily_loss_from_start",
        "daily_loss_from_peak",
        "trade_loss",
        "positions",
        "change",
        "cool_down_s",
        "circuit_breaker",
        "quantity",
        "notional",
        "leverage",
        "price",
        "data_age_s",
    ]
    assert all(one.passed for one in decision.limits)
    assert reading(decision, "notional").value == pytest.approx(0.01)
    assert reading(decision, "trade_loss").value == pytest.approx(10 * 100 * 0.05 / 100_000)


def test_a_signal_that_comes_again_gets_the_same_decision_and_counts_once(make):
    desk = make()
    signal = desk.signal("A", 10)

    assert desk.gate.decide(signal) is desk.gate.decide(signal)
    assert desk.gate.working == (f"o-{signal.signal_id}",)


def test_an_earlier_limit_speaks_before_a_later_one(make):
    """A signal that breaks all of them is refused in the issue's order, one removed at a time."""
    desk = make(max_positions=1, cool_down_s=3600, max_trade_loss=0.001, max_quantity=1)
    desk.trade("A", 1)
    desk.switch.set("stop", "me")
    desk.gate.change_state("halted", "by hand")

    def refused(symbol="unknown", **changes):
        return desk.decide(symbol, -1, policy_expired=True, tick_time_ns=1, **changes).reason

    assert refused() == "kill_switch_active"
    desk.switch.clear("test", "me")
    assert refused() == "trading_halted"
    desk.gate.change_state("reduce_only", "by hand")
    assert refused() == "reduce_only"
    desk.gate.change_state("active", "by hand")
    day = desk.gate.day
    desk.gate.restore_day(day.day, 200_000.0)
    assert refused() == "daily_loss_limit_exceeded"
    desk.switch.clear("test", "me")
    desk.gate.change_state("active", "by hand")
    desk.gate.restore_day(day.day, day.start_equity)
    assert refused("B", stop_price=1_000.0) == "per_trade_loss_limit_exceeded"
    assert refused() == "max_position_limit_reached"
    assert desk.decide("A", 1, policy_expired=True, tick_time_ns=1).reason == "duplicate_position"
    assert desk.decide("A", 2, tick_time_ns=1).reason == "cool_down_active"
    desk.clock.advance(3600)
    desk.breaker.append("open")
    assert desk.decide("A", 2, tick_time_ns=1).reason == "circuit_breaker_open"
    desk.breaker.clear()
    assert desk.decide("A", 2, tick_time_ns=1).reason == "notional_limit_exceeded"
    assert desk.decide("A", 0, tick_time_ns=1).reason == "stale_market_data"


def test_the_kill_switch_lets_nothing_pass_but_flattening(make):
    desk = make()
    desk.trade("A", 10)
    desk.switch.set("stop", "me")

    assert desk.decide("A", 0).reason == "kill_switch_active"
    decision = desk.gate.approve_flatten("one", "A", Origin("operator", 0, 1))
    assert (decision.approved, decision.reason) == (True, "flatten")
    assert (decision.side, decision.quantity) == ("sell", 10)


def test_flattening_is_decided_once_for_a_request_and_leaves_out_what_already_closes(make):
    desk = make()
    desk.trade("A", 10)
    desk.decide("A", 4)  # sells six

    first = desk.gate.approve_flatten("one", "A", Origin("operator", 0, 1))
    again = desk.gate.approve_flatten("one", "A", Origin("operator", 0, 1))
    later = desk.gate.approve_flatten("one", "A", Origin("operator", 0, 2))

    assert first.quantity == 4
    assert again is first
    assert (later.approved, later.reason) == (False, "duplicate_position")


@pytest.mark.parametrize(
    ("held", "target", "outcome"),
    [
        (10, 4, ("approved", 6)),
        (10, 0, ("approved", 10)),
        (10, -5, ("resized", 10)),  # to zero, and not through it
        (10, 11, ("reduce_only", 0)),
        (-10, -4, ("approved", 6)),
        (-10, 5, ("resized", 10)),
        (-10, -11, ("reduce_only", 0)),
    ],
)
def test_in_the_reduced_state_only_what_reduces_passes(make, held, target, outcome):
    desk = make()
    desk.trade("A", held)
    desk.gate.change_state("reduce_only", "by hand")

    decision = desk.decide("A", target)

    assert (decision.reason, decision.quantity) == outcome


def test_a_reduction_that_works_already_is_no_room_for_another(make):
    """Two orders that close ten must not come to a short position."""
    desk = make()
    desk.trade("A", 10)
    desk.gate.change_state("reduce_only", "by hand")

    assert desk.decide("A", 0).quantity == 10
    assert desk.decide("A", -3).reason == "reduce_only"


def test_closing_one_of_two_opposite_positions_is_no_reduction_of_the_account(make):
    desk = make()
    desk.trade("A", 10)
    desk.trade("A", -10, strategy_id="two")
    desk.gate.change_state("reduce_only", "by hand")

    assert desk.decide("A", 0).reason == "reduce_only"


@pytest.mark.parametrize(
    ("prices", "name"),
    [((96.9,), "daily_loss_from_start"), ((110.0, 104.0), "daily_loss_from_peak")],
)
def test_a_daily_loss_halts_trading_and_sets_the_kill_switch(make, prices, name):
    desk = make(max_notional=2)
    desk.trade("A", 990, stop_price=99.0)
    for price in prices:
        desk.price("A", price)
        decision = desk.decide("A", 0)
        desk.end(decision) if decision.approved else None

    assert decision.reason == "daily_loss_limit_exceeded"
    assert decision.limits[-1].name == name
    assert decision.limits[-1].value > decision.limits[-1].threshold
    assert desk.gate.trading_state == "halted"
    assert [(one.state, one.reason) for one in desk.states] == [("halted", name)]
    assert desk.switch.active
    assert desk.switch.state().by == "risk"
    assert desk.stops == [desk.switch.state().reason]


def test_a_loss_is_seen_without_a_signal(make):
    desk = make(max_notional=2, halt_on_drawdown=False)
    desk.trade("A", 990, stop_price=99.0)
    desk.price("A", 90.0)

    desk.gate.review()

    assert desk.gate.trading_state == "halted"
    assert not desk.switch.active
    assert desk.decide("A", 0).reason == "trading_halted"


def test_a_new_day_counts_its_losses_anew_but_only_an_operator_resumes(make):
    desk = make(max_notional=2, halt_on_drawdown=False)
    desk.trade("A", 990, stop_price=99.0)
    desk.price("A", 90.0)
    desk.gate.review()
    desk.clock.advance(86_400)
    desk.price("A", 90.0)

    assert desk.decide("A", 0).reason == "trading_halted"
    assert desk.gate.change_state("active", "looked into it")
    assert not desk.gate.change_state("active", "looked into it")
    assert desk.decide("A", 0).approved


def test_a_kill_switch_that_cannot_be_written_halts_all_the_same(make, monkeypatch):
    desk = make(max_notional=2)
    desk.trade("A", 990, stop_price=99.0)
    desk.price("A", 90.0)

    def no_room(_file, _record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alchemiser_cli.trading.kill_switch.switch.write_record", no_room)

    assert desk.decide("A", 0).reason == "daily_loss_limit_exceeded"
    assert [error.code for error in desk.failures] == ["kill-switch-unreadable"]
    assert desk.switch.active


def test_a_day_goes_on_after_a_restart(make):
    desk = make()
    today = dt.datetime.fromtimestamp(desk.clock.now_ns() / 1e9, dt.UTC).date().isoformat()
    desk.gate.restore_day(today, 104_000.0)

    decision = desk.decide("A", 1)

    assert reading(decision, "daily_loss_from_start").value == pytest.approx(4 / 104)
    assert desk.gate.day.start_equity == 104_000.0


def test_a_trip_of_the_breaker_reduces_until_it_closes(make):
    desk = make()
    desk.trade("A", 10)
    desk.breaker.append("open")

    assert desk.decide("A", 11).reason == "circuit_breaker_open"
    assert desk.gate.trading_state == "reduce_only"
    assert desk.decide("A", 11).reason == "reduce_only"
    assert desk.decide("A", 0).reason == "circuit_breaker_open"
    desk.breaker.clear()
    assert desk.decide("A", 11).approved
    assert [one.state for one in desk.states] == ["reduce_only", "active"]


def test_what_an_operator_reduced_no_breaker_lifts(make):
    desk = make()
    desk.breaker.append("open")
    desk.gate.review()
    desk.gate.change_state("reduce_only", "by hand")
    desk.breaker.clear()
    desk.gate.review()

    assert desk.gate.trading_state == "reduce_only"


@pytest.mark.parametrize(
    ("target", "stop", "loss"),
    [(100, None, 500.0), (-100, None, 500.0), (100, 97.0, 300.0), (-100, float("nan"), 500.0)],
)
def test_the_loss_of_a_trade_is_to_its_stop_or_the_adverse_move(make, target, stop, loss):
    decision = make().decide("A", target, stop_price=stop)

    assert reading(decision, "trade_loss").value == pytest.approx(loss / 100_000)


@pytest.mark.parametrize(
    ("target", "loss", "notional"),
    [(2, 2 * 100 * 20.0, 2 * 100 * 20.0), (-2, 2 * 100 * 4400 * 0.05, 2 * 100 * 4400.0)],
)
def test_an_option_risks_its_premium_long_and_its_underlying_short(make, target, loss, notional):
    desk = make(max_notional=20, max_leverage=20, max_trade_loss=1)
    desk.price("SPX", 4400.0)
    desk.price(CALL, 20.0)

    decision = desk.decide(CALL, target)

    assert reading(decision, "trade_loss").value == pytest.approx(loss / 100_000)
    assert reading(decision, "notional").value == pytest.approx(notional / 100_000)


def test_a_short_option_whose_underlying_has_no_price_counts_with_its_strike(make):
    desk = make(max_notional=20, max_leverage=20, max_trade_loss=1)
    desk.price(CALL, 20.0)

    assert reading(desk.decide(CALL, -1), "notional").value == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("limits", "name", "quantity"),
    [
        ({"max_quantity": 70}, "quantity", 70),
        ({"max_notional": 0.0305}, "notional", 30),
        ({"max_leverage": 0.0509}, "leverage", 50),
    ],
)
def test_what_is_too_large_is_cut_to_whole_units_that_fit(make, limits, name, quantity):
    desk = make(**limits)

    decision = desk.decide("A", 100)

    assert (decision.reason, decision.quantity) == ("resized", quantity)
    value = reading(decision, name)
    assert value.value > value.threshold
    assert value.passed
    assert desk.decide("A", 100).reason == "notional_limit_exceeded"
    assert desk.decide("A", -100).quantity <= 2 * quantity


def test_working_orders_count_as_filled_until_they_end(make):
    desk = make(max_quantity=10)
    decision = desk.decide("A", 10)

    assert desk.decide("A", 10).reason == "duplicate_position"
    assert desk.decide("A", 12).reason == "notional_limit_exceeded"
    desk.fill(decision, 4)
    assert desk.decide("A", 10).reason == "duplicate_position"
    desk.end(decision, filled=4)
    assert desk.gate.working == ()
    assert desk.decide("A", 10).quantity == 6


def test_an_end_that_is_told_before_its_last_fill_forgets_nothing(make):
    desk = make(max_quantity=10)
    decision = desk.decide("A", 10)
    desk.end(decision, filled=10, state="filled")

    assert desk.decide("A", 12).reason == "notional_limit_exceeded"
    desk.fill(decision)
    assert desk.gate.working == ()


def test_an_execution_counts_once(make):
    desk = make()
    decision = desk.decide("A", 10)
    execution = desk.fill(decision, 4)
    desk.gate.on_execution(execution)

    assert desk.decide("A", 10).reason == "duplicate_position"


def test_as_many_positions_as_may_be(make):
    desk = make(max_positions=2)
    desk.trade("A", 1)
    waiting = desk.decide("B", 1)

    refused = desk.decide("C", 1)
    assert refused.reason == "max_position_limit_reached"
    assert (refused.limits[-1].value, refused.limits[-1].threshold) == (3, 2)
    assert desk.decide("A", 2).approved
    desk.end(waiting)
    assert desk.decide("C", 1).approved


def test_the_limits_of_a_strategy_and_of_a_symbol_replace_the_base_ones(make):
    desk = make(
        by_strategy={"two": RiskLimits(max_positions=1, max_quantity=3)},
        by_symbol={"A": RiskLimits(max_quantity=2, cool_down_s=5)},
    )

    assert desk.decide("B", 9).quantity == 9
    assert desk.decide("A", 9).quantity == 2
    assert desk.decide("C", 9, strategy_id="two").quantity == 3
    assert desk.decide("B", 9, strategy_id="two").limits[-1].name == "positions_of_strategy"


def test_an_option_has_its_underlyings_limits_unless_it_has_its_own(make):
    desk = make(
        max_notional=20,
        max_leverage=20,
        max_trade_loss=1,
        by_symbol={"SPX": RiskLimits(max_quantity=2), CALL: RiskLimits(max_quantity=1)},
    )
    desk.price("SPX", 4400.0)
    for symbol in (CALL, "SPX-20231215-P-4000"):
        desk.price(symbol, 20.0)

    assert desk.decide(CALL, 9).quantity == 1
    assert desk.decide("SPX-20231215-P-4000", 9).quantity == 2


def test_the_cool_down_spares_reductions(make):
    desk = make(cool_down_s=60)
    desk.trade("A", 10)
    desk.clock.advance(59)
    desk.price("A", 100.0)

    assert desk.decide("A", 11).reason == "cool_down_active"
    assert desk.decide("A", 4).approved
    desk.clock.advance(60)
    desk.price("A", 100.0)
    assert desk.decide("A", 5).approved


@pytest.mark.parametrize("price", [None, float("nan"), -1.0])
def test_a_symbol_without_a_price_is_refused_and_nothing_is_guessed(make, price):
    desk = make()
    if price is not None:
        desk.price("Z", price)

    decision = desk.decide("Z", 1)

    assert decision.reason == "unknown_symbol"
    unread = [one.name for one in decision.limits if one.value is None]
    assert unread == ["trade_loss", "notional", "leverage", "price"]


def test_a_position_without_a_price_leaves_only_reductions(make):
    """Its share of the leverage is not known, so nothing may be added to it."""
    desk = make()
    desk.trade("A", 10)
    execution = desk.fill(desk.decide("B", 1))
    settled = Execution(
        execution_id="z", kind="fill", order_id="", strategy_id="one", broker="paper",
        symbol="Z", change=5, price=1.0, commission=0.0, at_ns=execution.at_ns,
    )  # fmt: skip
    desk.book.apply(settled)

    assert desk.decide("A", 11).reason == "notional_limit_exceeded"
    assert desk.decide("A", 0).approved


def test_an_old_price_or_an_old_tick_is_stale(make):
    desk = make(max_data_age_s=10)
    desk.clock.advance(11)

    assert desk.decide("A", 1).reason == "stale_market_data"
    desk.price("A", 100.0)
    old = desk.clock.now_ns() - 11 * NS_PER_SECOND
    assert desk.decide("A", 1, tick_time_ns=old).limits[-1].name == "data_age_s"


def test_a_signal_that_comes_after_a_newer_one_is_late(make):
    desk = make()
    now_ns = desk.clock.now_ns()
    desk.decide("A", 1, tick_time_ns=now_ns)

    late = desk.decide("A", 5, tick_time_ns=now_ns - 1)

    assert (late.reason, late.limits[-1].name) == ("stale_market_data", "signal_behind_s")
    assert desk.decide("B", 5, tick_time_ns=now_ns - 1).approved


def test_expired_weights_may_only_reduce(make):
    desk = make()
    desk.trade("A", 10)

    assert desk.decide("A", 11, policy_expired=True).reason == "policy_expired"
    assert desk.decide("A", 0, policy_expired=True).approved


def test_a_restart_brings_back_decisions_and_what_works(make, tmp_path):
    before = make(max_quantity=10, cool_down_s=60)
    signal = before.signal("A", 10)
    decision = before.gate.decide(signal)
    after = make(max_quantity=10, cool_down_s=60)

    after.gate.restore(decision)
    after.gate.restore_state("reduce_only")

    assert after.gate.decide(signal) is decision
    assert after.gate.working == before.gate.working
    assert after.gate.trading_state == "reduce_only"


def test_limits_tell_where_the_account_stands(make):
    desk = make()
    desk.trade("A", 100)

    found = {one.name: (one.value, one.threshold) for one in desk.gate.limits()}

    assert found["leverage"] == (pytest.approx(0.1), 2.0)
    assert found["positions"] == (1, 20)
    assert set(found) == {
        "kill_switch",
        "trading_state",
        "daily_loss_from_start",
        "daily_loss_from_peak",
        "positions",
        "circuit_breaker",
        "leverage",
    }


def test_an_unknown_state_is_refused(make):
    with pytest.raises(ValueError, match="no state"):
        make().gate.change_state("paused", "typo")


def test_decisions_and_trades_are_measured(make):
    telemetry = open_telemetry(TelemetrySettings())
    desk = make(telemetry)
    desk.trade("A", 10, confidence=0.75)
    desk.price("A", 110.0)
    desk.trade("A", 0, price=110.0)
    desk.decide("A", 0)
    desk.gate.review()

    shown = exposition(telemetry.registry).decode()

    assert 'trade_approvals_total{broker="paper"} 2.0' in shown
    assert 'trade_rejects_total{broker="paper",reason="duplicate_position"} 1.0' in shown
    assert "killswitch_state 0.0" in shown
    assert 'daily_pnl{broker="paper"} 100.0' in shown
    assert 'max_daily_loss{broker="paper"} 3000.0' in shown
    assert 'hit_ratio_rolling{broker="paper"} 1.0' in shown
    assert 'slippage_realized_vs_predicted{broker="paper"} -0.05' in shown
    assert 'pwin_calibration_ece{broker="paper"} 0.25' in shown


def test_refusals_are_logged_once_for_a_reason(make, logs):
    desk = make()
    desk.trade("A", 10)
    desk.decide("A", 10)
    desk.decide("A", 10)

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("TRADE_REJECTED", "duplicate_position")
    ]
