"""After a stop or a crash the desk goes on as if there had been none: its trail says it all."""

import pytest

from alchemiser_cli.errors import PositionValidationError
from alchemiser_cli.trading.audit import read_trail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.desk import fold, fold_trail
from alchemiser_cli.trading.desk.entries import order_entry
from alchemiser_cli.trading.orders import order_of
from alchemiser_cli.trading.signals import Origin


async def test_a_desk_that_comes_back_has_its_account_orders_decisions_and_day(floor, tick, script):
    async with floor.desk(script(s1=10, s3=30)) as desk:
        await floor.feed(desk, *map(tick, range(4)))
        before = desk.parts.book.snapshot()
        working = desk.orders.working
        day = desk.parts.gate.day
        assert len(working) == 1
    async with floor.desk(script(s1=10, s3=30)) as desk:
        desk.warm(tick(3))
        assert desk.parts.book.snapshot() == before
        assert desk.orders.working == working
        assert desk.parts.gate.working == (working[0].order_id,)
        assert desk.parts.gate.day == day


async def test_what_is_read_again_after_a_restart_trades_no_second_time(floor, tick, script):
    wants = script(s1=10, s3=30)
    async with floor.desk(wants) as desk:
        await floor.feed(desk, *map(tick, range(4)))
    told = floor.told()
    async with floor.desk(wants) as desk:
        await floor.feed(desk, tick(2), tick(3))  # their commit was lost
        assert floor.told() == told
        await floor.feed(desk, tick(4))
        assert desk.parts.book.positions() == {"SPX": 30}
    assert floor.told() == [*told, "EXECUTED", "ORDER_CLOSED"]


async def test_an_approval_that_was_never_ordered_is_closed_once_at_the_restart(
    floor, tick, script
):
    """The crash came between the two lines: the price that was approved has passed."""
    wants = script(s1=10)
    async with floor.desk(wants) as desk:
        await floor.feed(desk, tick(0))
        (signal,) = desk.signals.on_tick(tick(1), Origin("ticks", 0, 1), desk.parts.book)
        assert desk.risk.judge(signal, tick(1).event_time_ns)[0].approved
    for _restart in range(2):
        async with floor.desk(wants) as desk:
            assert desk.parts.gate.working == ()
            await floor.feed(desk, tick(1))  # it was not committed
            assert desk.orders.working == ()
    assert floor.told() == ["SIGNAL", "TRADE_APPROVED", "ORDER_CLOSED"]
    assert floor.records("ORDER_CLOSED")[0].reason == "never ordered"


async def test_what_is_wanted_still_is_ordered_at_the_next_price(floor, tick, script):
    wants = script(s1=10)
    async with floor.desk(wants) as desk:
        await floor.feed(desk, tick(0))
        (signal,) = desk.signals.on_tick(tick(1), Origin("ticks", 0, 1), desk.parts.book)
        desk.risk.judge(signal, tick(1).event_time_ns)
    async with floor.desk(wants) as desk:
        await floor.feed(desk, tick(1), tick(2), tick(3))
        assert desk.parts.book.positions() == {"SPX": 10}


async def test_an_order_that_never_reached_its_broker_is_closed_at_the_restart(
    floor, tick, script, elsewhere
):
    """It was on record and not sent; the price that it rested on has passed."""
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        (signal,) = desk.signals.on_tick(tick(1), Origin("ticks", 0, 1), desk.parts.book)
        desk.parts.book.mark("SPX", 100.0, tick(1).event_time_ns)
        floor.clock.advance_to(tick(1).event_time_ns)
        decision, _new = desk.risk.judge(signal, tick(1).event_time_ns)
        desk.parts.trail.append(order_entry(order_of(decision, 0)))
    assert elsewhere.submitted == []
    async with floor.desk(script(), broker=elsewhere) as desk:
        assert desk.orders.working == desk.parts.gate.working == ()
    assert elsewhere.submitted == []
    assert len(elsewhere.asked) == 1
    (closed,) = floor.records("ORDER_CLOSED")
    assert closed.reason == "never reached the broker"


async def test_an_order_that_its_broker_has_goes_on_working_after_the_restart(
    floor, tick, script, elsewhere
):
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
    async with floor.desk(script(), broker=elsewhere) as desk:
        assert [one.order_id for one in desk.orders.working] == elsewhere.submitted
    assert len(elsewhere.submitted) == 1
    assert floor.records("ORDER_CLOSED") == []


@pytest.mark.provokes("position-mismatch")
async def test_books_that_differ_from_the_brokers_end_the_start_and_are_on_record(
    floor, tick, script, elsewhere
):
    async with floor.desk(script(), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
    elsewhere.positions["SPX"] = 5
    with pytest.raises(PositionValidationError):
        async with floor.desk(script(), broker=elsewhere):
            pass
    assert [one.reason for one in floor.records("RECONCILED")] == ["agrees", "differs"]


async def test_the_trading_state_lasts_over_a_restart(floor, tick, script):
    async with floor.desk(script()) as desk:
        desk.risk.change_state("reduce_only", "test")
    async with floor.desk(script(s1=10)) as desk:
        assert desk.parts.gate.trading_state == "reduce_only"
        await floor.feed(desk, tick(1))
    assert [one.reason for one in floor.records("TRADE_REJECTED")] == ["reduce_only"]


async def test_the_account_is_opened_once_whatever_the_settings_say_later(floor, tick, script):
    async with floor.desk(script()) as desk:
        assert desk.parts.book.initial_cash == 1_000_000.0
    async with floor.desk(script(), paper={"initial_cash": 5.0}) as desk:
        assert desk.parts.book.initial_cash == 1_000_000.0


def test_only_lines_since_the_last_publication_count_as_unpublished(floor, script):
    with floor.parts(script()) as (desk, _folded):
        trail = desk.parts.trail
        desk.risk.change_state("reduce_only", "test")
        trail.append(AuditEntry(event="PUBLISHED", event_id="1"))
    folded = fold(read_trail(floor.trail))
    assert (folded.lines, folded.unpublished, folded.state) == (2, [], "reduce_only")


def test_a_trail_that_is_not_there_folds_to_nothing(tmp_path):
    assert fold_trail(tmp_path / "none").lines == 0
