"""Laws of the book: nothing is made from nothing, and it agrees with one that adds all up."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.book import book as module
from alchemiser_cli.trading.orders import Execution

INITIAL = 1_000_000.0
MULTIPLIER = 100
SYMBOLS = ["SPX", "NDX", "SPX-20300118-C-2750", "SPX-20300118-P-2750"]
STRATEGIES = ["momentum", "breakout"]

prices = st.floats(0.0, 1e6, allow_subnormal=False)
executions = st.tuples(
    st.just("trade"),
    st.sampled_from(SYMBOLS),
    prices,
    st.sampled_from(STRATEGIES),
    st.integers(-1_000, 1_000).filter(bool),
    st.floats(0.0, 100.0),
)
marks = st.tuples(st.just("mark"), st.sampled_from(SYMBOLS), prices)
histories = st.lists(executions | marks, max_size=60)


def _multiplier(symbol):
    return MULTIPLIER if "-" in symbol else 1


class Naive:
    """The same account in fractions: it keeps every execution and adds them up."""

    def __init__(self):
        self.trades, self.prices = [], {}

    def cash(self):
        paid = sum(
            Fraction(change) * Fraction(price) * _multiplier(symbol) + Fraction(fee)
            for symbol, price, _, change, fee in self.trades
        )
        return Fraction(INITIAL) - paid

    def quantity(self, strategy, symbol):
        return sum(each[3] for each in self.trades if each[0] == symbol and each[2] == strategy)

    def value(self):
        return sum(
            self.quantity(strategy, symbol) * Fraction(price) * _multiplier(symbol)
            for strategy in STRATEGIES
            for symbol, price in self.prices.items()
        )


def _play(history):
    """Yield the book and the naive account after each event."""
    book, naive, seen = Book("paper", INITIAL, MULTIPLIER), Naive(), set()
    for number, (event, symbol, price, *trade) in enumerate(history):
        if event == "mark":
            book.mark(symbol, price, number)
            naive.prices[symbol] = price
            seen.add(symbol)
        else:
            strategy, change, fee = trade
            book.apply(_execution(number, symbol, price, strategy, change, fee))
            naive.trades.append((symbol, price, strategy, change, fee))
            if symbol not in seen:
                naive.prices[symbol] = price
        yield book, naive


def _execution(number, symbol, price, strategy, change, fee):
    return Execution(
        execution_id=f"e-{number}",
        kind="fill",
        order_id="o",
        strategy_id=strategy,
        broker="paper",
        symbol=symbol,
        change=change,
        price=price,
        commission=fee,
        at_ns=number,
    )


@given(histories)
def test_cash_and_positions_are_the_initial_cash_and_the_profit(history):
    """To a millionth of what was traded or held, from the first event to the last one."""
    largest = INITIAL
    for book, _ in _play(history):
        largest = max(largest, book.turnover, abs(book.market_value))
        earned = book.initial_cash + book.realised_pnl + book.unrealised_pnl - book.fees
        assert abs(book.cash + book.market_value - earned) <= 1e-6 * largest


@given(histories)
def test_cash_quantities_and_value_are_those_of_all_executions_added_up(history):
    for book, naive in _play(history):
        scale = max(INITIAL, book.turnover, abs(book.market_value))
        assert abs(Fraction(book.cash) - naive.cash()) <= 1e-9 * scale
        assert abs(Fraction(book.market_value) - naive.value()) <= 1e-9 * scale
        for symbol in SYMBOLS:
            held = {name: naive.quantity(name, symbol) for name in STRATEGIES}
            assert book.holders(symbol) == {name: each for name, each in held.items() if each}
            assert book.net(symbol) == sum(held.values())


@given(histories)
def test_the_peak_is_the_largest_equity_that_ever_was(history):
    peak = INITIAL
    for book, _ in _play(history):
        peak = max(peak, book.equity)
        assert book.peak_equity == pytest.approx(peak, rel=1e-12)
        assert book.peak_equity >= book.equity


@given(histories)
def test_rows_add_up_to_the_account(history):
    for book, _ in _play(history):
        snapshot = book.snapshot()
        value = math.fsum(row.market_value for row in snapshot.positions)
        profit = math.fsum(row.unrealised_pnl for row in snapshot.positions)
        scale = max(
            INITIAL, book.turnover, math.fsum(abs(r.market_value) for r in snapshot.positions)
        )
        assert abs(snapshot.equity - snapshot.cash - value) <= 1e-9 * scale
        assert abs(snapshot.unrealised_pnl - profit) <= 1e-9 * scale


@given(histories)
def test_a_history_that_is_told_twice_changes_nothing(history):
    trades = [each for each in history if each[0] == "trade"]
    once = Book("paper", INITIAL, MULTIPLIER)
    twice = Book("paper", INITIAL, MULTIPLIER)
    for number, (_, *trade) in enumerate(trades):
        execution = _execution(number, *trade)
        assert once.apply(execution)
        assert twice.apply(execution)
        assert not twice.apply(execution)
    assert once.snapshot() == twice.snapshot()


@given(st.lists(prices, min_size=1, max_size=200), st.sampled_from([1, 7, module.RESUM_AFTER]))
def test_marks_leave_no_trace_of_the_prices_between(path, often):
    """Large and small prices in turn lose no digits that anybody would miss."""
    book = Book("paper", INITIAL, MULTIPLIER)
    for number, symbol in enumerate(SYMBOLS):
        book.apply(_execution(number, symbol, 10.0, "momentum", 1, 0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RESUM_AFTER", often)
        for number, price in enumerate(path):
            book.mark(SYMBOLS[number % len(SYMBOLS)], price, number)
    exact = book.snapshot()
    book._sum_up()
    assert book.equity == pytest.approx(exact.equity, rel=1e-12)
