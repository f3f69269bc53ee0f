"""What the paper broker refuses, and that a refused order never trades, whenever it comes again."""

import math

import pytest

from alchemiser_cli.errors import InsufficientFundsError, MarketClosedError, OrderRejectedError

HOUR = 3600.0
CALL = "SPX-20180119-C-2750"


@pytest.mark.provokes("market-closed")
@pytest.mark.parametrize("hours_later", [7, 24, -1])
def test_an_order_outside_the_sessions_is_refused(market, hours_later):
    here = market()
    here.clock.jump(hours_later * HOUR)
    with pytest.raises(MarketClosedError, match="XNYS is closed") as caught:
        here.submit()
    assert caught.value.context["order_id"] == "o-1"
    assert here.broker.status_now("o-1").state == "rejected"


@pytest.mark.provokes("insufficient-funds")
def test_a_purchase_for_more_than_there_is_is_refused(market):
    here = market(initial_cash=1_000.0)
    with pytest.raises(InsufficientFundsError, match=r"needs 1,100\.00, and 1,000\.00 are free"):
        here.submit("buy", 11)
    assert here.submit("buy", 10).state == "accepted"


@pytest.mark.provokes("insufficient-funds")
def test_orders_that_wait_hold_their_funds(market):
    here = market(initial_cash=1_000.0)
    here.submit("buy", 6)
    with pytest.raises(InsufficientFundsError):
        here.submit("buy", 5)
    here.submit("sell", 10)
    with pytest.raises(InsufficientFundsError):
        here.submit("sell", 1)
    here.broker.cancel_now("o-1")
    assert here.submit("buy", 5).state == "accepted"


@pytest.mark.provokes("insufficient-funds")
def test_shorts_may_be_worth_the_equity_at_most(market):
    here = market(initial_cash=1_000.0)
    here.filled("sell", 6)
    with pytest.raises(InsufficientFundsError):
        here.submit("sell", 5, at=2.0)
    assert here.submit("sell", 4, at=2.0).state == "accepted"


@pytest.mark.provokes("insufficient-funds")
def test_cash_from_shorts_buys_nothing(market):
    here = market(initial_cash=1_000.0)
    here.filled("sell", 10)
    assert here.broker.book.cash == 2_000.0
    with pytest.raises(InsufficientFundsError):
        here.submit("buy", 11, at=2.0, symbol="NDX")


def test_what_makes_a_position_smaller_always_passes(market):
    """Also where the account has lost nearly everything."""
    here = market(initial_cash=1_000.0)
    here.filled("buy", 10)
    here.tick(5.0, 1.0)
    assert here.submit("sell", 10, at=5.0, price=1_000.0).state == "accepted"


@pytest.mark.provokes("insufficient-funds")
def test_only_what_is_held_can_be_given_back_once(market):
    here = market(initial_cash=1_000.0)
    here.filled("buy", 10)
    here.submit("sell", 10, at=2.0)
    with pytest.raises(InsufficientFundsError):
        here.submit("sell", 10, at=2.0, price=101.0)


@pytest.mark.provokes("order-rejected")
@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"quantity": 0}, "quantity is 0"),
        ({"price": math.nan}, "reference price is nan"),
        ({"symbol": CALL, "at": 6 * HOUR}, "expired at 2018-01-19T21:00:00"),
    ],
    ids=["size", "price", "expired"],
)
def test_an_order_that_cannot_be_executed_is_rejected(market, order, why):
    here = market()
    with pytest.raises(OrderRejectedError, match=why):
        here.submit(**order)
    assert here.broker.status_now("o-1").state == "rejected"


@pytest.mark.provokes("order-rejected")
def test_a_contract_is_expired_as_soon_as_the_market_is_beyond(market):
    here = market()
    here.tick(6 * HOUR)
    with pytest.raises(OrderRejectedError, match="expired"):
        here.submit(symbol=CALL)


@pytest.mark.provokes("order-rejected")
def test_an_order_for_another_broker_is_rejected(market):
    here = market()
    order = here.order()
    here.broker._name = "alpaca"
    with pytest.raises(OrderRejectedError, match="for the broker paper, and this is alpaca"):
        here.broker.submit_now(order)


def _rejected(here, count=400):
    names = set()
    for number in range(count):
        try:
            here.submit("buy", 1, name=f"o-{number}")
        except OrderRejectedError:
            names.add(f"o-{number}")
    return names


@pytest.mark.provokes("order-rejected")
def test_a_rehearsal_rejects_its_share_and_a_replay_the_same_ones(market):
    first = _rejected(market(reject_rate=0.2, seed=7))
    assert 50 < len(first) < 110
    assert _rejected(market(reject_rate=0.2, seed=7)) == first
    assert _rejected(market(reject_rate=0.2, seed=8)) != first
    assert _rejected(market(reject_rate=0.0, seed=7)) == set()


@pytest.mark.provokes("market-closed")
def test_a_refused_order_stays_refused_when_it_comes_again(market):
    here = market()
    here.clock.jump(-1 * HOUR)
    order = here.order()
    with pytest.raises(MarketClosedError):
        here.broker.submit_now(order)
    here.clock.jump(1 * HOUR)
    assert here.broker.submit_now(order).state == "rejected"
    assert here.tick(1) == []


def test_the_same_order_again_answers_with_its_state_and_never_trades_again(market):
    here = market()
    order = here.order()
    assert here.broker.submit_now(order).state == "accepted"
    assert here.broker.submit_now(order).state == "accepted"
    here.tick(1)
    again = here.broker.submit_now(order)
    assert (again.state, again.filled, again.executions) == ("filled", 10, ())
    assert here.tick(2) == []
    assert here.broker.account_now().positions == {"SPX": 10}
