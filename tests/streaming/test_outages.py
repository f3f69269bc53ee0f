"""Brokers that are away for long are told of once, and short losses never."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.streaming.outages import BrokerAbsence

LONGEST_S = 5.0


@pytest.fixture
def ticking():
    return ManualClock()


@pytest.fixture
def absence(ticking):
    return BrokerAbsence("127.0.0.1:9", "tester", ticking, LONGEST_S)


def lose(absence):
    absence.noted(KafkaError(KafkaError._ALL_BROKERS_DOWN))


def test_a_short_loss_is_the_client_s_own_business(absence, ticking):
    assert absence.overdue(lambda: False) is None
    lose(absence)
    ticking.advance(LONGEST_S - 1)
    assert absence.overdue(lambda: False) is None


@pytest.mark.provokes("broker-unreachable")
def test_a_long_one_is_told_once_until_a_broker_is_there_again(absence, ticking):
    lose(absence)
    ticking.advance(LONGEST_S)
    error = absence.overdue(lambda: False)
    assert error is not None
    assert (error.code, error.injected) == ("broker-unreachable", False)
    assert absence.overdue(lambda: False) is None
    absence.over()
    lose(absence)
    ticking.advance(LONGEST_S)
    assert absence.overdue(lambda: False) is not None


def test_brokers_that_answer_after_all_are_not_told_of(absence, ticking):
    lose(absence)
    ticking.advance(LONGEST_S)
    assert absence.overdue(lambda: True) is None
    assert absence.overdue(lambda: pytest.fail("asked without a loss")) is None


def test_other_errors_of_the_library_are_no_absence(absence, ticking):
    absence.noted(KafkaError(KafkaError._TRANSPORT))
    ticking.advance(LONGEST_S)
    assert absence.overdue(lambda: False) is None


@pytest.mark.provokes("broker-unreachable")
async def test_a_consumer_tells_of_its_brokers_once_and_goes_on_when_they_are_back(
    kafka, send, make_ticks, make_consumer, until
):
    send(make_ticks(3))
    told, seen = [], []

    async def see(tick, received):
        seen.append(tick.sequence)

    consumer = make_consumer(session_timeout_s=30)
    run = asyncio.create_task(
        consumer.run(see, start="earliest", max_messages=4, on_outage=told.append)
    )
    await until(lambda: len(seen) == 3)
    kafka.broker_down()
    await until(lambda: told)
    kafka.broker_up()
    await asyncio.to_thread(send, make_ticks(4)[3:])
    async with asyncio.timeout(30):
        result = await run
    assert (seen, result.rejoined) == ([1, 2, 3, 4], 0)
    assert [(error.code, error.injected) for error in told] == [("broker-unreachable", False)]
