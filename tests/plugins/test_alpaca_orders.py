"""Orders at Alpaca: sent once whatever happens, and every refusal by its meaning."""

import asyncio

import pytest

from alchemiser_cli.errors import (
    InsufficientFundsError,
    MarketClosedError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    RateLimitError,
    SecurityError,
    ServiceUnreachableError,
)
from alchemiser_cli.testing.brokerage import Fault


async def test_an_order_is_taken_with_its_id_as_a_market_order_of_the_day(
    alpaca, brokerage, make_order
):
    update = await alpaca.submit(make_order())
    assert (update.state, update.filled, update.executions) == ("accepted", 0, ())
    [sent] = brokerage.orders.values()
    assert (sent["client_order_id"], sent["qty"], sent["side"]) == ("o-1", "10", "buy")
    assert (sent["type"], sent["time_in_force"]) == ("market", "day")


async def test_an_order_that_is_filled_at_once_is_told_with_its_execution(
    alpaca, brokerage, make_order
):
    brokerage.fills_at_once = True
    update = await alpaca.submit(make_order(side="sell"))
    [execution] = update.executions
    assert (update.state, update.filled) == ("filled", 10)
    assert (execution.change, execution.price, execution.kind) == (-10, 100.0, "fill")
    assert execution.origin == make_order().origin


async def test_an_option_contract_goes_by_its_occ_symbol(alpaca, brokerage, make_order, polled):
    await alpaca.submit(make_order(symbol="SPX-20180119-C-2750", quantity=2))
    assert brokerage.orders["o-1"]["symbol"] == "SPX180119C02750000"
    brokerage.fill("o-1", price=12.5)
    [update] = await polled()
    assert update.executions[0].symbol == "SPX-20180119-C-2750"
    assert (await alpaca.account()).positions == {"SPX-20180119-C-2750": 2}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(drop="after"),
        Fault(status=500, carried_out=True),
        Fault(status=504, carried_out=True),
        Fault(status=200, body=b"<html>", carried_out=True),
        Fault(status=200, body=b'{"id": "1"}', carried_out=True),
        Fault(status=302, carried_out=True),
    ],
)
async def test_an_order_whose_answer_was_lost_is_asked_for_and_not_sent_again(
    fault, alpaca, brokerage, make_order
):
    brokerage.fail("POST", fault)
    update = await alpaca.submit(make_order())
    assert update.state == "accepted"
    assert brokerage.sent("POST") == 1


async def test_an_order_whose_answer_takes_too_long_is_asked_for(alpaca, brokerage, make_order):
    brokerage.fail("POST", Fault(delay_s=2.5))
    update = await alpaca.submit(make_order())
    assert update.state == "accepted"
    assert brokerage.sent("POST") == 1


@pytest.mark.provokes("order-outcome-unknown")
@pytest.mark.parametrize("fault", [Fault(drop="before"), Fault(status=500), Fault(status=503)])
async def test_an_order_that_nobody_knows_of_is_unknown_and_never_sent_again(
    fault, alpaca, brokerage, make_order
):
    brokerage.fail("POST", fault)
    with pytest.raises(OrderOutcomeUnknownError, match="o-1"):
        await alpaca.submit(make_order())
    with pytest.raises(OrderOutcomeUnknownError):
        await alpaca.submit(make_order())
    assert await alpaca.status("o-1") is None
    assert brokerage.sent("POST") == 1


@pytest.mark.provokes("order-outcome-unknown")
async def test_an_order_is_unknown_where_the_question_fails_too(
    alpaca, brokerage, make_order, clock
):
    await alpaca.connect()
    brokerage.fail("POST", Fault(drop="after"))
    # The first GET asks for the session; every later one is about the order.
    brokerage.fail("GET", Fault(), *[Fault(status=500)] * 4)
    with pytest.raises(OrderOutcomeUnknownError, match="o-1"):
        await alpaca.submit(make_order())
    assert alpaca.circuit_open
    with pytest.raises(OrderOutcomeUnknownError):  # that the circuit is open, says nothing of it
        await alpaca.submit(make_order())
    clock.advance(20)
    update = await alpaca.submit(make_order())
    assert update.state == "accepted"
    assert brokerage.sent("POST") == 1


@pytest.mark.provokes("order-outcome-unknown")
async def test_an_order_that_surfaces_later_is_told_with_its_executions(
    alpaca, brokerage, make_order, polled
):
    brokerage.fail("POST", Fault(drop="before"))
    with pytest.raises(OrderOutcomeUnknownError):
        await alpaca.submit(make_order())
    assert await polled() == []
    body = b'{"client_order_id": "o-1", "symbol": "SPY", "qty": "10", "side": "buy",'
    body += b' "type": "market", "time_in_force": "day"}'
    brokerage.answer("POST", "/v2/orders", body)  # it was under way for long
    brokerage.fill("o-1")
    told = [update for _ in range(3) for update in await polled()]
    assert [(update.state, update.filled) for update in told] == [("filled", 10)]
    assert len(told[0].executions) == 1


async def test_a_submission_that_is_cancelled_on_its_way_is_not_sent_again(
    alpaca, brokerage, make_order
):
    brokerage.fail("POST", Fault(delay_s=1.0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await alpaca.submit(make_order())
    update = await alpaca.submit(make_order())
    assert update.state == "accepted"
    assert brokerage.sent("POST") == 1


@pytest.mark.provokes("insufficient-funds")
async def test_an_account_without_buying_power_is_told_so(alpaca, make_order):
    with pytest.raises(InsufficientFundsError) as caught:
        await alpaca.submit(make_order(quantity=100_000))
    assert "insufficient buying power" in caught.value.why
    assert caught.value.context["order_id"] == "o-1"


@pytest.mark.provokes("order-rejected")
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=422, body=b'{"message": "asset is not tradable"}'),
        Fault(status=403, body=b'{"message": "account is restricted"}'),
        Fault(status=400, body=b"\xff\x00 no"),
    ],
)
async def test_an_order_that_is_refused_is_rejected_with_alpacas_reason(
    fault, alpaca, brokerage, make_order, polled
):
    brokerage.fail("POST", fault)
    with pytest.raises(OrderRejectedError) as caught:
        await alpaca.submit(make_order())
    assert f"HTTP {fault.status}" in caught.value.why
    assert caught.value.why.isprintable()
    assert await alpaca.status("o-1") is None
    assert await polled() == []


async def test_the_same_id_answers_with_the_present_state_also_after_a_restart(
    alpaca, brokerage, make_order
):
    await alpaca.submit(make_order())
    brokerage.fill("o-1", 4)
    again = await alpaca.submit(make_order())
    assert (again.state, again.filled) == ("partially_filled", 4)
    alpaca._orders.clear()  # as a new process, which Alpaca answers with 422
    after = await alpaca.submit(make_order())
    assert (after.state, after.filled) == ("partially_filled", 4)
    assert len(brokerage.orders) == 1


@pytest.mark.provokes("market-closed")
async def test_a_closed_exchange_gets_no_order_but_tells_of_those_it_has(
    alpaca, brokerage, make_order, clock
):
    await alpaca.submit(make_order())
    brokerage.is_open = False
    clock.advance(3_600)
    with pytest.raises(MarketClosedError):
        await alpaca.submit(make_order("o-2"))
    alpaca._orders.clear()
    assert (await alpaca.submit(make_order("o-1"))).state == "accepted"
    assert brokerage.sent("POST") == 1


@pytest.mark.provokes("market-closed")
async def test_a_refusal_for_the_hour_is_market_closed(alpaca, brokerage, make_order):
    said = b'{"message": "options market orders are only allowed during market hours"}'
    brokerage.fail("POST", Fault(status=422, body=said))
    with pytest.raises(MarketClosedError):
        await alpaca.submit(make_order())


@pytest.mark.provokes("rate-limited")
async def test_a_rate_limit_is_waited_for_as_long_as_alpaca_asks(
    alpaca, brokerage, make_order, waits
):
    brokerage.fail("POST", Fault(status=429, headers={"Retry-After": "7"}))
    update = await alpaca.submit(make_order())
    assert update.state == "accepted"
    assert brokerage.sent("POST") == 2
    assert len(waits) == 1
    assert waits[0] >= 7


@pytest.mark.provokes("rate-limited", "retry-exhausted")
async def test_a_longer_rate_limit_is_told_and_the_order_may_be_submitted_again(
    alpaca, brokerage, make_order, waits
):
    brokerage.fail("POST", Fault(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimitError) as caught:
        await alpaca.submit(make_order())
    assert caught.value.retry_after_s == 3600
    assert waits == []
    assert (await alpaca.submit(make_order())).state == "accepted"


@pytest.mark.provokes("service-unreachable")
async def test_an_order_that_never_left_may_be_submitted_again(
    alpaca, brokerage, make_order, monkeypatch
):
    await alpaca.submit(make_order("o-0"))  # it knows that the exchange is open
    port, brokerage_url = brokerage.port, alpaca._rest._url
    monkeypatch.setattr(alpaca._rest, "_url", "http://127.0.0.1:1")
    await alpaca.close()
    with pytest.raises(ServiceUnreachableError) as caught:
        await alpaca.submit(make_order())
    assert caught.value.context["sent"] is False
    monkeypatch.setattr(alpaca._rest, "_url", brokerage_url)
    await alpaca.close()
    assert (await alpaca.submit(make_order())).state == "accepted"
    assert port == brokerage.port


@pytest.mark.provokes("security-violation")
async def test_refused_credentials_stop_an_order(alpaca, brokerage, make_order):
    await alpaca.submit(make_order("o-0"))
    brokerage.key = "another"
    with pytest.raises(SecurityError):
        await alpaca.submit(make_order())
    assert list(brokerage.orders) == ["o-0"]


async def test_cancelling_tells_what_became_of_the_order(alpaca, brokerage, make_order):
    assert await alpaca.cancel("o-1") is None
    await alpaca.submit(make_order())
    brokerage.fill("o-1", 3)
    update = await alpaca.cancel("o-1")
    assert (update.state, update.filled) == ("cancelled", 3)
    assert [one.change for one in update.executions] == [3]
    again = await alpaca.cancel("o-1")
    assert (again.state, again.executions) == ("cancelled", ())
