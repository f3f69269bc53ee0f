"""Reconciliation: what our books and the broker's do not agree on is told before any trade."""

import pytest

from alchemiser_cli.errors import PositionValidationError
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.broker import BrokerAccountState
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.reconcile import Difference, reconcile


@pytest.fixture
def book():
    """Ten of SPX for the account: twelve of one strategy, two short of another."""
    book = Book("alpaca", 1_000.0, 100)
    for strategy, change in (("momentum", 12), ("breakout", -2)):
        book.apply(
            Execution(
                execution_id=strategy,
                kind="fill",
                order_id="o",
                strategy_id=strategy,
                broker="alpaca",
                symbol="SPX",
                change=change,
                price=10.0,
                commission=0.0,
                at_ns=1,
            )
        )
    return book


def test_books_that_agree_let_trading_start(book):
    theirs = BrokerAccountState(cash=900.0, positions={"SPX": 10}, open_orders=("o-1",))
    found = reconcile(theirs, book, ["o-1"])
    assert found.agrees
    assert found.cash_difference == 0.0
    found.require("alpaca")


def test_a_difference_of_cash_alone_is_told_but_refuses_nothing(book):
    found = reconcile(BrokerAccountState(cash=901.5, positions={"SPX": 10}), book, [])
    assert (found.agrees, found.cash_difference) == (True, 1.5)


def test_an_order_that_is_over_at_the_broker_is_to_be_asked_about(book):
    found = reconcile(BrokerAccountState(cash=900.0, positions={"SPX": 10}), book, ["o-1"])
    assert (found.agrees, found.missing_orders) == (True, ("o-1",))


@pytest.mark.provokes("position-mismatch")
def test_every_symbol_that_differs_is_named_with_both_sizes(book):
    found = reconcile(BrokerAccountState(cash=900.0, positions={"NDX": -3}), book, [])
    assert found.differences == (Difference("NDX", 0, -3), Difference("SPX", 10, 0))
    with pytest.raises(PositionValidationError) as caught:
        found.require("alpaca")
    assert caught.value.what == (
        "our books differ from those of the broker alpaca: "
        "NDX: ours 0, theirs -3; SPX: ours 10, theirs 0"
    )
    assert caught.value.context["differences"] == [
        {"symbol": "NDX", "ours": 0, "theirs": -3},
        {"symbol": "SPX", "ours": 10, "theirs": 0},
    ]


@pytest.mark.provokes("position-mismatch")
def test_an_order_that_is_not_ours_refuses(book):
    theirs = BrokerAccountState(cash=900.0, positions={"SPX": 10}, open_orders=("x", "y", "z", "w"))
    with pytest.raises(PositionValidationError, match=r"order w: not ours; .*, and 1 more"):
        reconcile(theirs, book, []).require("alpaca")
