"""Each step of the desk is on record before the next one happens, once, and in their order."""

import pytest

from alchemiser_cli.trading.audit import AuditRecord, read_trail, verify_trail
from alchemiser_cli.trading.signals import Hold

CHAIN = ["SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED", "EXECUTED", "ORDER_CLOSED"]


async def test_signal_decision_order_execution_and_end_stand_in_this_order(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        await floor.feed(desk, *map(tick, range(4)))
        assert desk.parts.book.positions() == {"SPX": 10}
    assert floor.told() == CHAIN
    signal, decision, order, execution, end = floor.records(*CHAIN)
    assert decision.causation == signal.event_id
    assert order.causation == decision.event_id
    assert execution.causation == end.event_id == order.event_id
    assert verify_trail(floor.trail).ok


async def test_an_order_is_on_record_when_its_broker_hears_of_it(floor, tick, script, elsewhere):
    seen = []
    elsewhere.on_submit = lambda _order: seen.append(floor.told())
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
    assert seen == [["SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED"]]


async def test_a_refused_signal_ends_with_its_decision_and_the_limit_that_refused(
    floor, tick, script
):
    async with floor.desk(script(s1=10_000)) as desk:
        await floor.feed(desk, tick(1))
        assert desk.tally.denied == {"per_trade_loss_limit_exceeded": 1}
    assert floor.told() == ["SIGNAL", "TRADE_REJECTED"]
    limit = floor.records("TRADE_REJECTED")[0].limits[-1]
    assert (limit.name, limit.passed) == ("trade_loss", False)


async def test_the_kill_switch_set_between_record_and_broker_rejects_the_order(
    floor, tick, script, elsewhere
):
    """The last moment at which it can be set is when the order is on record already."""

    def stop_at_the_order(head):
        if floor.told()[-1:] == ["ORDER_SUBMITTED"]:
            floor.switch.set("prices look wrong", "test")

    settings = {"audit": {"anchor_every": 1, "min_free_megabytes": 0}}
    async with floor.desk(
        script(s1=10), broker=elsewhere, anchor=stop_at_the_order, **settings
    ) as desk:
        await floor.feed(desk, tick(1))
        assert desk.orders.working == ()
        assert desk.parts.gate.working == ()
    assert elsewhere.submitted == []
    assert floor.told() == ["SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED", "ORDER_REJECTED"]
    assert floor.records("ORDER_REJECTED")[0].reason == "kill_switch_active"


async def test_while_the_kill_switch_is_set_no_signal_becomes_an_order(floor, tick, script):
    floor.switch.set("prices look wrong", "test")
    async with floor.desk(script(s1=10)) as desk:
        await floor.feed(desk, tick(1), tick(2))
    assert floor.told() == ["SIGNAL", "TRADE_REJECTED"] * 2
    assert {one.reason for one in floor.records("TRADE_REJECTED")} == {"kill_switch_active"}


async def test_a_tick_that_is_read_twice_trades_once(floor, tick, script):
    async with floor.desk(script(s1=10, s3=-5)) as desk:
        for second in range(6):
            await floor.feed(desk, tick(second), tick(second), tick(max(0, second - 1)))
        assert desk.parts.book.positions() == {"SPX": -5}
        assert desk.orders.counts.submitted == 2
    assert floor.told() == CHAIN * 2


async def test_holds_are_on_record_with_their_reason(floor, tick, script):
    async with floor.desk(script(s2=10)) as desk:
        await floor.feed(desk, *map(tick, range(5)))
        await desk.close()
    held = floor.records("HELD")
    assert [one.reason for one in held] == ["the test says nothing yet", "unchanged"]
    assert [one.causation for one in held] == ["ticks/0/0", "ticks/0/3"]
    assert all(one.strategy_id == "scripted" and one.symbol == "SPX" for one in held)


async def test_a_strategy_that_is_disabled_while_trading_is_on_record(floor, tick):
    def nonsense(_tick, _account):
        raise RuntimeError("no idea")

    async with floor.desk(nonsense) as desk:
        await floor.feed(desk, *map(tick, range(5)))
        assert "no idea" in desk.parts.disabled["scripted"]
    assert len(floor.failures) == 3
    (disabled,) = floor.records("STRATEGY_DISABLED")
    assert disabled.strategy_id == "scripted"


async def test_the_account_and_the_equity_curve_follow_the_fills(floor, tick, script):
    async with floor.desk(script(s0=100)) as desk:
        await floor.feed(desk, tick(0, 100.0), tick(1, 100.0), tick(2, 110.0))
        book, curve = desk.parts.book, desk.tally.curve
        assert book.unrealised_pnl == pytest.approx(100 * (110.0 - 100.0 * 1.0002 * 1.0001))
        assert [point.equity for point in curve][-1] == book.equity
        assert curve[0].equity == book.initial_cash


def test_lines_can_be_read_while_the_desk_writes(floor, script):
    with floor.parts(script(), anchor=None) as (desk, _folded):
        desk.risk.change_state("reduce_only", "test")
        (line,) = read_trail(floor.trail)
        assert isinstance(line, AuditRecord)
        assert line.reason == "test"


async def test_a_hold_instead_of_an_intent_never_reaches_risk(floor, tick):
    async with floor.desk(lambda _tick, _account: Hold("calm")) as desk:
        await floor.feed(desk, tick(0))
        assert desk.tally.signals == 0
    assert floor.told() == []
