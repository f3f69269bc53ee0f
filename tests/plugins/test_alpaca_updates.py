"""What Alpaca executed comes once each, at its own price, with few questions."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alchemiser_cli.errors import CircuitOpenError, ServiceUnreachableError
from alchemiser_cli.testing.brokerage import Fault


async def test_parts_of_an_order_come_one_by_one_each_at_its_own_price(
    alpaca, brokerage, make_order, polled
):
    await alpaca.submit(make_order())
    told = []
    for quantity, price in ((3, 100.0), (5, 101.0), (2, 99.5)):
        brokerage.fill("o-1", quantity, price)
        [update] = await polled()
        told.append(update)
    executions = [one for update in told for one in update.executions]
    assert [(one.change, round(one.price, 6)) for one in executions] == [
        (3, 100.0),
        (5, 101.0),
        (2, 99.5),
    ]
    assert [one.execution_id for one in executions] == [
        "alpaca-o-1-3",
        "alpaca-o-1-8",
        "alpaca-o-1-10",
    ]
    assert [update.state for update in told] == ["partially_filled"] * 2 + ["filled"]
    assert await polled() == []


async def test_alpaca_is_asked_once_in_an_interval_and_never_without_an_open_order(
    alpaca, brokerage, make_order, clock
):
    await alpaca.updates()
    assert brokerage.requests == []
    for number in range(30):
        await alpaca.submit(make_order(f"o-{number}"))
    before = brokerage.sent("GET")
    for _ in range(10):  # ten intervals, asked ten times each
        clock.advance(1.0)
        for _ in range(10):
            await alpaca.updates()
    assert brokerage.sent("GET") - before == 10


async def test_many_orders_that_end_at_once_are_told_by_one_answer(
    alpaca, brokerage, make_order, polled
):
    for number in range(20):
        await alpaca.submit(make_order(f"o-{number}", quantity=1))
    for number in range(10):
        brokerage.fill(f"o-{number}")
        brokerage.close_order(f"o-{10 + number}", "expired")
    states = [(update.state, bool(update.reason)) for update in await polled()]
    assert states == [("filled", False)] * 10 + [("expired", True)] * 10


async def test_an_order_behind_the_first_page_is_asked_for_by_itself(
    alpaca, alpaca_plugin, brokerage, make_order, polled, monkeypatch
):
    from alchemiser_alpaca_broker import polling

    monkeypatch.setattr(polling, "PAGE", 3)
    for number in range(5):
        await alpaca.submit(make_order(f"o-{number}", quantity=1))
    brokerage.fill("o-0")
    told = [update for _ in range(4) for update in await polled()]
    assert [update.order_id for update in told] == ["o-0"]


async def test_orders_of_other_programs_are_none_of_ours(alpaca, brokerage, make_order, polled):
    await alpaca.submit(make_order())
    brokerage.orders["by hand"] = brokerage.orders["o-1"] | {
        "client_order_id": "by hand",
        "filled_qty": "0.5",
        "filled_avg_price": None,
    }
    brokerage.fill("o-1")
    assert [update.order_id for update in await polled()] == ["o-1"]
    assert (await alpaca.account()).open_orders == ()


async def test_an_answer_that_is_older_than_what_is_known_changes_nothing(
    alpaca, brokerage, make_order, polled
):
    await alpaca.submit(make_order())
    brokerage.fill("o-1", 4)
    assert len(await polled()) == 1
    brokerage.orders["o-1"] |= {"filled_qty": "0", "filled_avg_price": None, "status": "accepted"}
    assert await polled() == []
    assert (await alpaca.status("o-1")).filled == 4


async def test_a_restarted_process_tells_only_what_is_new(
    alpaca, alpaca_plugin, brokerage, make_order, polled, clock
):
    order = make_order()
    first = [await alpaca.submit(order)]
    brokerage.fill("o-1", 4, 100.0)
    first += await polled()
    executions = [one for update in first for one in update.executions]
    again = alpaca_plugin.AlpacaBroker("alpaca", alpaca._rest, clock, poll_interval_s=1.0)
    again.restore([order], iter(first), iter(executions))
    assert await again.updates() == []
    brokerage.fill("o-1", 6, 103.0)
    clock.advance(1.0)
    [update] = await again.updates()
    [execution] = update.executions
    assert (update.state, execution.change, round(execution.price, 6)) == ("filled", 6, 103.0)
    assert execution.execution_id == "alpaca-o-1-10"


async def test_an_order_that_was_restored_without_an_answer_is_sent_and_taken_once(
    alpaca, brokerage, make_order
):
    alpaca.restore([make_order()], [], [])
    assert (await alpaca.submit(make_order())).state == "accepted"
    alpaca._orders.clear()
    alpaca.restore([make_order()], [], [])
    assert (await alpaca.submit(make_order())).state == "accepted"
    assert len(brokerage.orders) == 1


async def test_the_status_tells_all_executions_again_under_the_same_ids(
    alpaca, brokerage, make_order, polled
):
    await alpaca.submit(make_order())
    brokerage.fill("o-1", 4)
    [update] = await polled()
    brokerage.fill("o-1", 6)
    status = await alpaca.status("o-1")
    assert [one.change for one in status.executions] == [4, 6]
    assert status.executions[0] == update.executions[0]
    assert await polled() == []


@pytest.mark.provokes("service-unreachable")
@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(drop="before"), Fault(status=200, body=b"[{]")]
)
async def test_a_poll_that_fails_loses_nothing(fault, alpaca, brokerage, make_order, polled):
    await alpaca.submit(make_order())
    brokerage.fill("o-1")
    brokerage.fail("GET", fault)
    with pytest.raises(ServiceUnreachableError):
        await polled()
    [update] = await polled()
    assert update.state == "filled"


@pytest.mark.provokes("circuit-open", "service-unreachable")
async def test_the_circuit_opens_after_failures_and_closes_by_itself(
    alpaca, brokerage, make_order, polled, clock
):
    await alpaca.submit(make_order())
    brokerage.fail("GET", *[Fault(status=500)] * 5)
    for _ in range(5):
        with pytest.raises(ServiceUnreachableError):
            await polled()
    assert alpaca.circuit_open
    sent = brokerage.sent("POST")
    with pytest.raises(CircuitOpenError):
        await alpaca.submit(make_order("o-2"))
    assert brokerage.sent("POST") == sent
    clock.advance(20)
    await alpaca.updates()
    assert not alpaca.circuit_open
    assert (await alpaca.submit(make_order("o-2"))).state == "accepted"


@pytest.mark.provokes("circuit-open")
async def test_an_open_circuit_is_probed_also_while_no_order_is_open(
    alpaca, brokerage, polled, clock
):
    brokerage.fail("GET", *[Fault(status=500)] * 6)
    with pytest.raises(Exception, match=r"circuit|tried"):
        await alpaca.connect()
    with pytest.raises(Exception, match=r"circuit|tried"):
        await alpaca.connect()
    assert alpaca.circuit_open
    assert await polled() == []
    clock.advance(20)
    for _ in range(3):
        await polled()
        clock.advance(20)
    assert not alpaca.circuit_open


@given(
    fills=st.lists(
        st.tuples(st.integers(1, 50), st.decimals("0.01", "5000", places=2)), max_size=8
    ),
    seen=st.lists(st.booleans(), min_size=9, max_size=9),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_executions_add_up_to_what_was_filled_and_paid(fills, seen, alpaca_plugin, make_order):
    """However the totals are seen, some or all of them, quantity and money are complete."""
    from alchemiser_alpaca_broker.known_order import KnownOrder
    from alchemiser_alpaca_broker.messages import OrderAnswer

    known = KnownOrder(make_order(quantity=1_000))
    filled, paid = 0, Decimal(0)
    executions = []
    for at, (quantity, price) in enumerate(fills):
        filled, paid = filled + quantity, paid + quantity * price
        if seen[at] or at == len(fills) - 1:
            answer = OrderAnswer(
                "1", "o-1", "SPY", "partially_filled", Decimal(filled), paid / filled
            )
            known.take(answer, 1)
            known.take(answer, 2)
            executions += known.news().executions
    assert sum(one.change for one in executions) == filled
    assert len({one.execution_id for one in executions}) == len(executions)
    assert sum(one.change * one.price for one in executions) == pytest.approx(float(paid))
    assert known.news().executions == ()
