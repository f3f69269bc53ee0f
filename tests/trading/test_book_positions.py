"""The book: average cost, realised profit, fees, marks, and executions that count once."""

import math

import msgspec
import pytest

from alchemiser_cli.errors import PositionValidationError
from alchemiser_cli.trading.account import AccountView
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.orders import Execution

CALL = "SPX-20180119-C-2750"


class Account:
    """A book with 1,000 in cash, and the executions that it is told of, by number."""

    def __init__(self):
        self.book = Book("paper", 1_000.0, 100)
        self.count = 0

    def trade(self, change, price, *, symbol="SPX", strategy="momentum", **more):
        self.count += 1
        execution = Execution(
            execution_id=more.pop("name", f"e-{self.count}"),
            kind="fill",
            order_id="o-1",
            strategy_id=strategy,
            broker=more.pop("broker", "paper"),
            symbol=symbol,
            change=change,
            price=price,
            commission=more.pop("commission", 0.0),
            at_ns=self.count,
        )
        return self.book.apply(execution)


@pytest.fixture
def account():
    return Account()


def test_a_purchase_turns_cash_into_a_position(account):
    account.trade(4, 50.0, commission=1.0)
    book = account.book
    assert (book.cash, book.market_value, book.equity, book.fees) == (799.0, 200.0, 999.0, 1.0)
    assert book.position("momentum", "SPX") == 4
    assert book.cost("momentum", "SPX") == 200.0


def test_what_is_bought_at_two_prices_costs_their_average(account):
    account.trade(1, 40.0)
    account.trade(3, 60.0)
    [row] = account.book.snapshot().positions
    assert (row.quantity, row.average_price) == (4, 55.0)
    assert account.book.realised_pnl == 0.0


def test_a_sale_realises_price_less_average_cost_and_keeps_the_average(account):
    account.trade(4, 55.0)
    account.trade(-1, 65.0)
    [row] = account.book.snapshot().positions
    assert account.book.realised_pnl == 10.0
    assert (row.quantity, row.average_price) == (3, 55.0)


def test_a_short_gains_when_it_is_bought_back_for_less(account):
    account.trade(-4, 55.0)
    assert account.book.cash == 1_220.0
    account.trade(4, 45.0)
    assert (account.book.realised_pnl, account.book.cash) == (40.0, 1_040.0)
    assert account.book.snapshot().positions == []


@pytest.mark.parametrize(("first", "second", "profit"), [(4, -10, 20.0), (-4, 10, -20.0)])
def test_a_position_that_turns_round_is_closed_and_opened_anew(account, first, second, profit):
    account.trade(first, 50.0)
    account.trade(second, 55.0)
    [row] = account.book.snapshot().positions
    assert account.book.realised_pnl == pytest.approx(profit)
    assert (row.quantity, row.average_price) == (first + second, 55.0)


def test_a_contract_counts_with_its_multiplier(account):
    account.trade(2, 3.0, symbol=CALL)
    account.book.mark(CALL, 4.0, 1)
    assert account.book.market_value == 800.0
    assert account.book.unrealised_pnl == 200.0
    account.trade(-2, 5.0, symbol=CALL)
    assert account.book.realised_pnl == 400.0
    assert account.book.turnover == 1_600.0


def test_strategies_keep_their_positions_apart_and_the_account_nets_them(account):
    account.trade(5, 10.0, strategy="momentum")
    account.trade(-5, 10.0, strategy="breakout")
    account.trade(2, 10.0, strategy="breakout", symbol="NDX")
    book = account.book
    assert book.positions("momentum") == {"SPX": 5}
    assert book.positions("breakout") == {"SPX": -5, "NDX": 2}
    assert book.positions() == {"NDX": 2}
    assert book.holders("SPX") == {"momentum": 5, "breakout": -5}
    assert (book.net("SPX"), book.net("NDX"), book.net("DAX")) == (0, 2, 0)
    assert book.holders("DAX") == {}


def test_profit_is_known_by_strategy(account):
    account.trade(1, 10.0, strategy="momentum")
    account.trade(-1, 15.0, strategy="momentum")
    account.trade(-1, 15.0, strategy="breakout")
    assert account.book.realised_of("momentum") == 5.0
    assert account.book.realised_of("breakout") == account.book.realised_of("nobody") == 0.0


def test_longs_and_shorts_are_exposed_apart(account):
    account.trade(5, 10.0)
    account.trade(-3, 20.0, symbol="NDX")
    assert account.book.exposure(long=True) == 50.0
    assert account.book.exposure(long=False) == 60.0


def test_a_mark_values_the_position_and_the_peak_stays(account):
    account.trade(4, 50.0)
    account.book.mark("SPX", 60.0, 1)
    account.book.mark("SPX", 40.0, 2)
    book = account.book
    assert (book.equity, book.unrealised_pnl, book.peak_equity) == (960.0, -40.0, 1_040.0)
    assert (book.price("SPX"), book.price_time_ns("SPX")) == (40.0, 2)


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, -0.01])
def test_a_price_that_cannot_be_changes_nothing(account, price):
    account.trade(4, 50.0)
    account.book.mark("SPX", price, 5)
    assert account.book.equity == 1_000.0
    assert account.book.price("SPX") is None


def test_an_older_price_changes_nothing(account):
    account.book.mark("SPX", 60.0, 5)
    account.book.mark("SPX", 40.0, 4)
    assert account.book.price("SPX") == 60.0


def test_an_execution_is_no_price_of_the_market(account):
    """It values the position until the market speaks, but nobody may take it for fresh data."""
    account.trade(4, 50.0)
    assert account.book.market_value == 200.0
    assert (account.book.price("SPX"), account.book.price_time_ns("SPX")) == (None, None)
    assert (account.book.price("DAX"), account.book.price_time_ns("DAX")) == (None, None)


def test_an_option_may_become_worthless(account):
    account.trade(1, 3.0, symbol=CALL)
    account.book.mark(CALL, 0.0, 1)
    assert account.book.market_value == 0.0


def test_an_execution_counts_once(account):
    assert account.trade(4, 50.0, name="e")
    assert not account.trade(4, 50.0, name="e")
    assert account.book.position("momentum", "SPX") == 4


@pytest.mark.provokes("position-mismatch")
@pytest.mark.parametrize(
    ("execution", "why"),
    [
        ({"change": 0}, "changes the position by 0"),
        ({"price": math.nan}, "its price is nan"),
        ({"price": math.inf}, "its price is inf"),
        ({"price": -1.0}, "its price is -1.0"),
        ({"commission": math.nan}, "its commission is nan"),
        ({"broker": "alpaca"}, "of the broker alpaca, not of paper"),
        ({"change": 2**60}, "changes the position by 1152921504606846976"),
        ({"price": 1e308}, "beyond all numbers"),
    ],
)
def test_an_execution_that_cannot_be_is_refused_and_nothing_is_booked(account, execution, why):
    before = account.book.snapshot()
    with pytest.raises(PositionValidationError, match=why) as caught:
        account.trade(**{"change": 4, "price": 50.0, "name": "e", "symbol": CALL, **execution})
    assert caught.value.context["execution_id"] == "e"
    assert account.book.snapshot() == before
    assert account.trade(4, 50.0, name="e"), "what was refused may come again, corrected"


def test_a_snapshot_has_every_figure_and_survives_json(account):
    account.trade(4, 50.0, commission=1.0)
    account.trade(2, 3.0, symbol=CALL, strategy="breakout")
    account.book.mark("SPX", 60.0, 70)
    snapshot = account.book.snapshot()
    assert msgspec.to_builtins(snapshot) == {
        "broker": "paper",
        "at_ns": 70,
        "cash": 199.0,
        "equity": 1_039.0,
        "initial_cash": 1_000.0,
        "realised_pnl": 0.0,
        "unrealised_pnl": 40.0,
        "fees": 1.0,
        "peak_equity": 1_039.0,
        "positions": [
            {
                "strategy_id": "breakout",
                "symbol": CALL,
                "quantity": 2,
                "average_price": 3.0,
                "price": 3.0,
                "market_value": 600.0,
                "unrealised_pnl": 0.0,
            },
            {
                "strategy_id": "momentum",
                "symbol": "SPX",
                "quantity": 4,
                "average_price": 50.0,
                "price": 60.0,
                "market_value": 240.0,
                "unrealised_pnl": 40.0,
            },
        ],
    }
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=type(snapshot)) == snapshot


def test_the_book_is_what_strategies_and_the_gate_see(account):
    view: AccountView = account.book
    assert (view.initial_cash, view.cash, view.equity, view.peak_equity) == (1_000.0,) * 4
    assert view.positions("momentum") == {}
    assert view.cost("momentum", "SPX") == 0.0
