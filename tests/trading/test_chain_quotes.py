"""Quotes of listed contracts: a function of the underlying's ticks, and the environment's chain."""

import msgspec
import numpy as np
import pytest

from alchemiser_cli.market import open_dataset
from alchemiser_cli.market.chains import CONTRACTS, DatasetChains
from alchemiser_cli.settings import OptionsSettings
from alchemiser_cli.trading.chain_quotes import ChainQuotes, MarketView
from alchemiser_cli.trading.instruments import instrument_of


@pytest.fixture(scope="module")
def dataset(market_file):
    return open_dataset(f"file:{market_file}", limit=150)


@pytest.fixture(scope="module")
def ticks(dataset):
    return list(dataset)


@pytest.fixture
def options():
    return OptionsSettings()


def test_a_tick_gives_a_quote_of_each_contract_around_its_mid(ticks, options):
    chain = ChainQuotes(options)
    quotes = chain.quotes(ticks[0])
    assert tuple(one.symbol for one in quotes) == chain.symbols
    assert len(set(chain.symbols)) == CONTRACTS
    for quote in quotes:
        assert quote.kind == "quote"
        assert quote.bid < quote.price < quote.ask
        assert (quote.bid + quote.ask) / 2 == pytest.approx(quote.price)
        assert (quote.event_time_ns, quote.sequence) == (
            ticks[0].event_time_ns,
            ticks[0].sequence,
        )


def test_symbols_say_what_the_contracts_are(ticks, options):
    chain = ChainQuotes(options)
    for tick in ticks:
        chain.quotes(tick)
        listed = [instrument_of(symbol, options.multiplier) for symbol in chain.symbols]
        assert [one.is_call for one in listed] == [True] * 5 + [False] * 5
        assert [one.strike for one in listed] == chain.snapshot.strike.tolist()
        assert {one.underlying for one in listed} == {tick.symbol}
        (expiry_ns,) = {one.expiry_ns for one in listed}
        years = (expiry_ns - tick.event_time_ns) / (365 * 86_400 * 10**9)
        assert years == pytest.approx(chain.snapshot.time_to_expiry)


def test_quotes_are_those_of_the_chains_that_policies_are_trained_on(dataset, ticks, options):
    table = DatasetChains(dataset, options).table()
    chain = ChainQuotes(options)
    for row, tick in enumerate(ticks):
        quotes = chain.quotes(tick)
        assert [one.price for one in quotes] == table.mid[row].tolist()
        half = [(one.ask - one.bid) / 2 for one in quotes]
        assert np.allclose(half, table.half_spread[row])


def test_two_that_see_the_same_ticks_quote_alike(ticks, options):
    first, second = ChainQuotes(options), ChainQuotes(options)
    assert [first.quotes(one) for one in ticks] == [second.quotes(one) for one in ticks]


def test_a_tick_that_is_not_later_gives_no_quotes_and_changes_nothing(ticks, options):
    chain = ChainQuotes(options)
    chain.quotes(ticks[1])
    before = chain.snapshot
    assert chain.quotes(ticks[0]) == chain.quotes(ticks[1]) == []
    assert chain.snapshot is before


def test_without_an_implied_volatility_the_realised_one_prices_the_chain(ticks, options):
    chain = ChainQuotes(options)
    for tick in ticks[:30]:
        quotes = chain.quotes(msgspec.structs.replace(tick, implied_volatility=None))
    assert all(0.0 < one.implied_volatility < 5.0 for one in quotes)


def test_a_view_gives_the_underlying_first_and_leaves_other_symbols_alone(ticks, options):
    view = MarketView(["MARKET"], options)
    tick = msgspec.structs.replace(ticks[0], symbol="MARKET")
    other = msgspec.structs.replace(ticks[0], symbol="OTHER")
    assert view.ticks(other) == [other]
    found = view.ticks(tick)
    assert found[0] is tick
    assert len(found) == 1 + CONTRACTS
