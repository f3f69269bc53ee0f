"""At expiry contracts are settled in cash at the underlying's price, and their orders end."""

import pytest

HOUR = 3600.0
CLOSE = 6 * HOUR
CALL, PUT = "SPX-20180119-C-2750", "SPX-20180119-P-2750"


def test_a_call_pays_what_the_underlying_is_above_its_strike(market):
    here = market()
    here.filled("buy", 3, symbol=CALL, price=50.0)
    [update] = here.tick(CLOSE, 2810.0)
    [settlement] = update.executions
    assert (update.order_id, update.state) == ("", "filled")
    assert settlement.execution_id == f"s-momentum-{CALL}"
    assert (settlement.kind, settlement.order_id) == ("settlement", "")
    assert (settlement.change, settlement.price, settlement.commission) == (-3, 60.0, 0.0)
    assert here.broker.account_now().positions == {}
    assert here.broker.account_now().cash == pytest.approx(1_000_000 + 3 * 10 * 100)


def test_a_short_put_costs_what_the_underlying_is_below_its_strike(market):
    here = market()
    here.filled("sell", 2, symbol=PUT, price=50.0)
    [update] = here.tick(CLOSE, 2690.0)
    assert [(each.change, each.price) for each in update.executions] == [(2, 60.0)]
    assert here.broker.account_now().cash == pytest.approx(1_000_000 - 2 * 10 * 100)


def test_a_contract_out_of_the_money_is_worth_nothing(market):
    here = market()
    here.filled("buy", 1, symbol=CALL, price=50.0)
    [update] = here.tick(CLOSE, 2700.0)
    assert update.executions[0].price == 0.0
    assert here.broker.book.realised_pnl == pytest.approx(-5_000.0)


def test_settlement_waits_for_a_sound_price_of_the_underlying(market):
    here = market()
    here.filled("buy", 1, symbol=CALL, price=50.0)
    assert here.tick(CLOSE, symbol="NDX") == []
    assert here.tick(CLOSE, 0.0) == []
    assert here.tick(CLOSE - 1, 2800.0) == []
    [update] = here.tick(3 * 24 * HOUR, 2800.0)
    assert update.executions[0].price == 50.0


def test_settlement_does_not_ask_whether_the_market_is_open(market):
    here = market()
    here.filled("buy", 1, symbol=CALL, price=50.0)
    assert len(here.tick(CLOSE + 1, 2800.0)) == 1


def test_every_strategy_that_holds_it_is_settled_once(market):
    here = market()
    here.filled("buy", 2, symbol=CALL, price=50.0)
    other = here.order("sell", 5, symbol=CALL, price=50.0, at=2.0)
    here.broker.submit_now(type(other)(**{**_fields(other), "strategy_id": "breakout"}))
    here.tick(3, 50.0, 50.0, 50.0, symbol=CALL)
    [update] = here.tick(CLOSE, 2800.0)
    assert [(each.strategy_id, each.change) for each in update.executions] == [
        ("breakout", 5),
        ("momentum", -2),
    ]
    assert here.tick(CLOSE + 60, 2800.0) == []


def test_open_orders_of_an_expired_contract_expire(market):
    here = market()
    here.submit("buy", 1, symbol=CALL, price=50.0)
    [update] = here.tick(CLOSE, 2800.0)
    assert (update.order_id, update.state, update.reason) == (
        "o-1",
        "expired",
        "the contract expired",
    )
    assert here.broker.account_now().open_orders == ()


def test_a_quote_of_an_expired_contract_fills_nothing(market):
    here = market()
    here.submit("buy", 1, symbol=CALL, price=50.0)
    assert here.tick(CLOSE, 50.0, 50.0, 50.0, symbol=CALL) == []
    assert here.broker.account_now().open_orders == ("o-1",)


def _fields(order):
    return {name: getattr(order, name) for name in order.__struct_fields__}
