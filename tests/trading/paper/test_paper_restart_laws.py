"""A paper broker that is rebuilt from its records is as it was, and fills nothing twice."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alchemiser_cli.errors import OrderExecutionError

CALL = "SPX-20180119-C-2750"
SYMBOLS = ["SPX", CALL]
CLOSE = 6 * 3600

ticks = st.tuples(
    st.just("tick"),
    st.sampled_from(SYMBOLS),
    st.floats(0.1, 60.0) | st.floats(1_800.0, CLOSE),  # seconds since the last one
    st.floats(1.0, 200.0),
    st.sampled_from([0.0, 3.0, 50.0]),
)
orders = st.tuples(
    st.just("order"),
    st.sampled_from(SYMBOLS),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 40),
)
cancels = st.tuples(st.just("cancel"), st.integers(1, 8))
histories = st.lists(ticks | orders | cancels, max_size=40)
SETTINGS = {
    "initial_cash": 20_000.0,
    "latency_s": 5.0,
    "max_fill": 7,
    "reject_rate": 0.1,
    "order_lifetime_s": 4 * 3600.0,
    "slippage": 0.001,
    "commission": 0.65,
}


class Played:
    """A market whose history was played; ``now`` is its time in seconds."""

    def __init__(self, market, history):
        self.here, self.now = market(**SETTINGS), 0.0
        self.shown = []
        for event, *details in history:
            getattr(self, event)(*details)

    def tick(self, symbol, later, price, size):
        self.now += later
        shown = {"bid": price - 0.5, "ask": price + 0.5, "symbol": symbol, "size": size}
        self.shown.append((self.now, price, shown))
        self.here.tick(self.now, price, **shown)

    def order(self, symbol, side, quantity):
        try:
            self.here.submit(side, quantity, at=self.now, symbol=symbol)
        except OrderExecutionError:
            self.here.updates.append(self.here.broker.status_now(self.here.orders[-1].order_id))

    def cancel(self, number):
        update = self.here.broker.cancel_now(f"o-{number}")
        if update is not None:
            self.here.updates.append(update)

    def state(self):
        broker = self.here.broker
        told = [broker.status_now(order.order_id) for order in self.here.orders]
        book = broker.book
        money = (book.cash, book.realised_pnl, book.fees, book.turnover)
        held = {symbol: book.holders(symbol) for symbol in SYMBOLS}
        costs = [book.cost("momentum", symbol) for symbol in SYMBOLS]
        return broker.account_now(), told, money, held, costs

    def restart(self, *, only_trail=False):
        """Rebuild the broker from all updates, or from those that the audit trail keeps."""
        updates = [each for each in self.here.updates if each.closed or not only_trail]
        self.here.broker = self.here.new_broker()
        self.here.broker.restore(self.here.orders, updates, self.here.executions)


@hypothesis_settings(max_examples=60)
@given(history=histories)
def test_a_broker_that_is_rebuilt_is_the_one_that_it_was(market, history):
    played = Played(market, history)
    before = played.state()
    played.restart()
    assert played.state() == before


@hypothesis_settings(max_examples=60)
@given(history=histories, more=st.lists(ticks, max_size=15))
def test_after_a_restart_the_market_does_to_it_what_it_would_have_done(market, history, more):
    stayed, restarted = Played(market, history), Played(market, history)
    restarted.restart()
    for _, *tick in more:
        stayed.tick(*tick)
        restarted.tick(*tick)
    assert restarted.here.executions == stayed.here.executions
    assert restarted.state() == stayed.state()


@hypothesis_settings(max_examples=60)
@given(history=histories)
def test_no_order_trades_twice_when_everything_comes_again(market, history):
    """The same orders and the same ticks, after a restart from the trail alone."""
    played = Played(market, history)
    known = {each.execution_id for each in played.here.executions}
    filled = dict.fromkeys((order.order_id for order in played.here.orders), 0)
    played.restart(only_trail=True)
    for order in played.here.orders:
        played.here.broker.submit_now(order)
    for at, price, shown in played.shown:
        played.here.tick(at, price, **shown)
    ids = [each.execution_id for each in played.here.executions]
    assert len(ids) == len(set(ids))
    assert known <= set(ids)
    for execution in played.here.executions:
        if execution.kind == "fill":
            filled[execution.order_id] += abs(execution.change)
    for order in played.here.orders:
        assert filled[order.order_id] <= order.quantity
    assert played.here.broker.book.position("momentum", "SPX") == sum(
        each.change for each in played.here.executions if each.symbol == "SPX"
    )


@hypothesis_settings(max_examples=60)
@given(history=histories)
def test_books_balance_whatever_happens(market, history):
    played = Played(market, history)
    book = played.here.broker.book
    earned = book.initial_cash + book.realised_pnl + book.unrealised_pnl - book.fees
    scale = max(book.initial_cash, book.turnover)
    assert book.equity == pytest.approx(earned, abs=1e-6 * scale)
    for execution in played.here.executions:
        assert execution.price >= 0.0


def test_an_order_without_an_update_counts_as_accepted(market):
    """The process may have died between handing it over and recording the answer."""
    here = market()
    order = here.order()
    here.broker.restore([order], [], [])
    assert here.broker.account_now().open_orders == ("o-1",)
    assert len(here.tick(1)) == 1


def test_a_record_twice_counts_once(market):
    here = market(max_fill=4)
    here.submit("buy", 10)
    here.tick(1)
    broker = here.new_broker()
    broker.restore(here.orders * 2, here.updates * 2, here.executions * 2)
    assert broker.account_now() == here.broker.account_now()
    assert broker.status_now("o-1") == here.broker.status_now("o-1")


def _restarted(here):
    here.broker = here.new_broker()
    here.broker.restore(here.orders, here.updates, here.executions)
    return here


def test_a_tick_that_filled_fills_no_more_after_a_restart(market):
    """It comes again where the process died before its offset was committed."""
    here = market(max_fill=4)
    here.submit("buy", 10)
    here.tick(1)
    _restarted(here)
    assert here.tick(1) == []
    assert here.tick(2)[0].filled == 8


def test_an_order_keeps_its_latency_over_a_restart(market):
    here = market(latency_s=1.0)
    here.tick(10.0, symbol="NDX")
    here.submit(at=5.0)
    _restarted(here)
    assert here.tick(10.9) == []
    assert len(here.tick(11.0)) == 1


def test_what_is_held_over_a_restart_is_settled_once(market):
    here = market()
    here.filled("buy", 1, symbol=CALL, price=50.0)
    _restarted(here)
    [update] = here.tick(CLOSE, 2800.0)
    assert [each.change for each in update.executions] == [-1]
    assert _restarted(here).tick(CLOSE + 1, 2800.0) == []


def test_an_order_keeps_its_lifetime_over_a_restart(market):
    here = market(order_lifetime_s=60.0)
    here.submit()
    _restarted(here)
    assert [each.state for each in here.tick(60.0, symbol="NDX")] == ["expired"]
