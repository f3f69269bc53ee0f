"""Option contracts on the desk: quoted beside their underlying, traded, settled, never kept."""

import math

import pytest

from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.signals import Hold

DAY_S = 86_400
DAYS = [day for day in range(75) if day % 7 < 5]  # the first one is a Monday


@pytest.fixture
def month(tick):
    """Weekdays of two and a half months, at ten o'clock, on which the price goes up and down."""
    return [tick(day * DAY_S, 2_700.0 + 60.0 * math.sin(day / 4)) for day in DAYS]


def wants_one_of_each(tick, account):
    return 1 if account.position("scripted", tick.symbol) == 0 else Hold("has it")


async def test_no_position_survives_its_expiry(floor, month):
    async with floor.desk(wants_one_of_each, symbols=("SPX-*",)) as desk:
        for tick in month:
            await floor.feed(desk, tick)
            for symbol in desk.parts.book.positions():
                assert instrument_of(symbol, 100).expiry_ns > tick.event_time_ns, symbol
        book, broker = desk.parts.book, desk.parts.paper.book
        assert book.positions() == broker.positions()
        assert book.cash == pytest.approx(broker.cash)
        assert book.equity == pytest.approx(
            book.initial_cash + book.realised_pnl + book.unrealised_pnl - book.fees
        )
    kinds = [one.reason for one in floor.records("EXECUTED")]
    assert kinds.count("settlement") >= 10
    expired = {one.symbol for one in floor.records("EXECUTED") if one.reason == "settlement"}
    assert len({symbol.split("-")[1] for symbol in expired}) >= 2


async def test_a_settlement_is_caused_by_no_order_and_pays_what_the_contract_is_worth(floor, month):
    async with floor.desk(wants_one_of_each, symbols=("SPX-*",)) as desk:
        await floor.feed(desk, *month)
        settled = [one for one in floor.records("EXECUTED") if one.reason == "settlement"]
    assert {one.causation for one in settled} == {""}
    assert {one.quantity for one in settled} == {-1}
    worth = {one.event_time_ns: one.price for one in month}
    from alchemiser_cli.trading.desk import fold_trail

    for execution in fold_trail(floor.trail).executions:
        if execution.kind == "settlement":
            contract = instrument_of(execution.symbol, 100)
            assert execution.price == contract.settlement(worth[execution.at_ns])


async def test_a_restart_between_two_rolls_settles_once(floor, month):
    """Nothing but the trail is known then, and the ticks that the desk is warmed with."""
    for part in (month[:9], month[9:19], month[19:]):
        async with floor.desk(wants_one_of_each, symbols=("SPX-*",)) as desk:
            for tick in month[: month.index(part[0])]:
                desk.warm(tick)
            await floor.feed(desk, *part)
            assert desk.parts.book.positions() == desk.parts.paper.book.positions()
    ids = [one.event_id for one in floor.records("EXECUTED")]
    assert len(ids) == len(set(ids))


async def test_the_underlying_is_no_contract_and_is_not_traded_by_chance(floor, month):
    async with floor.desk(wants_one_of_each, symbols=("SPX-*",)) as desk:
        await floor.feed(desk, *month[:6])
        assert "SPX" not in desk.parts.book.positions()
        assert desk.parts.book.price("SPX") == month[5].price
