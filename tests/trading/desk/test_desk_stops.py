"""What ends trading: lost answers are asked for, losses and lost trails halt, flatten closes."""

import pytest

from alchemiser_cli.errors import (
    AuditLostError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from alchemiser_cli.trading.orders import Execution, OrderUpdate
from alchemiser_cli.trading.signals import Origin

DAY_S = 86_400


def unknown(order):
    raise OrderOutcomeUnknownError(
        f"the outcome of {order.order_id} is not known",
        why="The connection was lost after the order was sent.",
        next_step="Ask for its status.",
    )


@pytest.mark.provokes("order-outcome-unknown")
async def test_an_order_of_unknown_outcome_is_asked_for_and_never_sent_again(
    floor, tick, script, elsewhere
):
    def lost_answer(order):
        elsewhere.take(order)
        unknown(order)

    elsewhere.on_submit = lost_answer
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
        assert elsewhere.asked == []
        await floor.feed(desk, *map(tick, range(2, 5)))
        assert len(desk.orders.working) == 1
    assert len(elsewhere.submitted) == 1
    assert elsewhere.asked == elsewhere.submitted


@pytest.mark.provokes("order-outcome-unknown")
async def test_an_order_of_unknown_outcome_that_never_came_is_closed(
    floor, tick, script, elsewhere
):
    elsewhere.on_submit = unknown
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
        await desk.collect()
        assert desk.orders.working == desk.parts.gate.working == ()
    assert floor.records("ORDER_CLOSED")[0].reason == "never reached the broker"
    assert len(elsewhere.submitted) == 1


@pytest.mark.provokes("order-outcome-unknown")
async def test_it_is_asked_for_until_the_broker_answers(
    floor, tick, script, elsewhere, monkeypatch
):
    elsewhere.on_submit = unknown
    status = elsewhere.status
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))

        async def silent(_order_id):
            raise OrderOutcomeUnknownError("no answer", why="It is away.", next_step="Wait.")

        monkeypatch.setattr(elsewhere, "status", silent)
        await desk.collect()
        await desk.collect()
        assert len(desk.orders.working) == 1
        monkeypatch.setattr(elsewhere, "status", status)
        await desk.collect()
        assert desk.orders.working == ()


@pytest.mark.provokes("order-rejected")
async def test_a_broker_that_rejects_ends_the_order_with_its_code(floor, tick, script, elsewhere):
    def rejected(order):
        raise OrderRejectedError(f"{order.order_id}: no", why="So.", next_step="Ask them.")

    elsewhere.on_submit = rejected
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
        assert desk.orders.working == desk.parts.gate.working == ()
    assert floor.records("ORDER_REJECTED")[0].reason == "order-rejected"


async def test_a_loss_since_the_days_start_halts_at_the_tick_that_shows_it(floor, tick, script):
    async with floor.desk(script(s1=4_000, s6=3_000)) as desk:
        await floor.feed(desk, tick(1), tick(2), tick(3, 95.0))
        assert desk.parts.gate.trading_state == "active"  # 2 % are lost
        await floor.feed(desk, tick(4, 90.0), tick(6, 90.0))
        assert desk.parts.gate.trading_state == "halted"
        assert floor.switch.active
    (stop,) = floor.records("KILL_SWITCH_SET")
    assert "daily_loss_from_start" in stop.reason
    assert floor.records("TRADE_REJECTED")[-1].reason == "kill_switch_active"
    assert ("halted", "daily_loss_from_start") in [
        (one.event_id, one.reason) for one in floor.records("TRADING_STATE")
    ]


async def test_a_loss_over_night_counts_as_the_new_days(floor, tick, script):
    """A day's losses count from what the account was worth before the day's first price."""
    async with floor.desk(script(s1=4_000)) as desk:
        await floor.feed(desk, tick(1), tick(2))
        evening = desk.parts.book.equity
        await floor.feed(desk, tick(DAY_S, 90.0), tick(DAY_S + 1, 90.0))
        assert desk.parts.gate.day.day == "2018-01-09"
        assert desk.parts.gate.day.start_equity == evening
        assert desk.parts.gate.trading_state == "halted"


@pytest.mark.provokes("audit-lost")
async def test_a_lost_trail_halts_and_nothing_is_sent(floor, tick, script, elsewhere):
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        await floor.feed(desk, tick(0))
        floor.trail.rename(floor.trail.with_name("gone"))
        with pytest.raises(AuditLostError):
            await floor.feed(desk, tick(2))
        assert floor.switch.active
        assert "audit trail is lost" in floor.switch.state().reason
        floor.trail.with_name("gone").rename(floor.trail)
        with pytest.raises(AuditLostError):
            await floor.feed(desk, tick(3))
    assert elsewhere.submitted == []


async def test_flatten_cancels_closes_everything_and_lets_only_reductions_pass(floor, tick, script):
    async with floor.desk(script(s1=10, s3=40, s5=20, s8=0)) as desk:
        await floor.feed(desk, *map(tick, range(4)))
        assert len(desk.orders.working) == 1
        assert await desk.flatten("ada", Origin("flatten:1", 0, 1)) == 1
        (closing,) = desk.orders.working
        assert (closing.side, closing.quantity) == ("sell", 10)
        await floor.feed(desk, tick(4), tick(5), tick(6))
        assert desk.parts.book.positions() == {}
        assert desk.parts.gate.trading_state == "reduce_only"
        assert desk.tally.denied == {"reduce_only": 3}
    assert [one.reason for one in floor.records("FLATTEN_REQUESTED")] == ["ada"]
    assert [one.reason for one in floor.records("ORDER_CLOSED")][1] == "cancelled on request"


async def test_flatten_works_while_the_kill_switch_is_set(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        await floor.feed(desk, tick(1), tick(2))
        floor.switch.set("prices look wrong", "test")
        assert await desk.flatten("ada", Origin("flatten:1", 0, 1)) == 1
        await floor.feed(desk, tick(3))
        assert desk.parts.book.positions() == {}


async def test_flatten_with_nothing_held_closes_nothing(floor, tick, script):
    async with floor.desk(script()) as desk:
        await floor.feed(desk, tick(1))
        assert await desk.flatten("ada", Origin("flatten:1", 0, 1)) == 0


async def test_the_same_request_to_flatten_sends_no_second_order(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        await floor.feed(desk, tick(1), tick(2))
        origin = Origin("flatten:1", 0, 1)
        await desk.flatten("ada", origin)
        assert await desk.flatten("ada", origin) == 0  # a crash came before it was ticked off
        await floor.feed(desk, tick(3), tick(4))
        assert desk.parts.book.position("scripted", "SPX") == 0


async def test_flatten_leaves_what_cannot_be_cancelled_to_close_the_position(
    floor, tick, script, elsewhere
):
    """Some brokers cancel later: what closes the position already must not be ordered twice."""
    async with floor.desk(script(s1=10, s3=0), broker=elsewhere) as desk:
        await floor.feed(desk, tick(1))
        (opening,) = desk.orders.working
        elsewhere.news.append(_filled(opening))
        await floor.feed(desk, tick(2), tick(3))
        assert desk.orders.working[0].side == "sell"
        elsewhere.cancels = False
        assert await desk.flatten("ada", Origin("flatten:1", 0, 1)) == 0
        assert len(desk.orders.working) == 1
    assert len(elsewhere.submitted) == 2


def _filled(order):
    execution = Execution(
        execution_id=f"{order.order_id}-1",
        kind="fill",
        order_id=order.order_id,
        strategy_id=order.strategy_id,
        broker=order.broker,
        symbol=order.symbol,
        change=order.change,
        price=order.reference_price,
        commission=0.0,
        at_ns=order.created_at_ns,
    )
    return OrderUpdate(
        order_id=order.order_id,
        state="filled",
        filled=order.quantity,
        at_ns=order.created_at_ns,
        executions=(execution,),
    )
