"""A replay sends all it is given, at the pace it is asked for, and can be stopped."""

import itertools

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import DeliveryFailedError
from alchemiser_cli.streaming import TickProducer, replay


@pytest.fixture
def manual():
    return ManualClock()


@pytest.fixture
def producer(kafka, kafka_settings, encoder, manual, topic):
    with TickProducer(kafka_settings, kafka.bootstrap, topic, encoder, manual) as ready:
        yield ready


def test_the_result_tells_what_was_sent(producer, clock, make_ticks):
    ticks = make_ticks(50, ("SPY", "QQQ"))
    result = replay(ticks, producer, speed=None, clock=clock)
    assert (result.topic, result.sent, result.symbols) == ("market.ticks", 100, 2)
    assert result.first_event_time_ns == ticks[0].event_time_ns
    assert result.last_event_time_ns == ticks[-1].event_time_ns
    assert result.throughput_per_s > 0
    assert result.bytes > 100 * 5
    assert producer.acknowledged == 100


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 9.0), (10.0, 0.9), (0.5, 18.0)])
def test_a_paced_replay_lasts_as_long_as_the_events_divided_by_its_speed(
    producer, manual, make_ticks, speed, seconds
):
    result = replay(make_ticks(10), producer, speed=speed, clock=manual)
    assert result.duration_s == pytest.approx(seconds)
    assert result.sent == 10


def test_a_stop_during_a_pause_ends_the_replay_and_what_was_sent_is_kept(
    producer, manual, make_ticks
):
    result = replay(
        make_ticks(10),
        producer,
        speed=1.0,
        clock=manual,
        stop=lambda: manual.monotonic_ns() > 3_500_000_000,
    )
    assert result.sent == 4
    assert producer.acknowledged == 4


def test_progress_counts_up_to_the_end(producer, manual, make_ticks):
    seen = []
    replay(make_ticks(1_500), producer, speed=None, clock=manual, on_progress=seen.append)
    assert seen == [1_000, 1_500]


def test_an_empty_replay_is_no_failure(producer, manual):
    result = replay([], producer, speed=1.0, clock=manual)
    assert (result.sent, result.first_event_time_ns, result.throughput_per_s) == (0, None, 0.0)


@pytest.mark.provokes("delivery-failed")
def test_a_stopped_replay_still_tells_what_the_brokers_do_not_have(
    kafka, kafka_settings, encoder, manual, make_ticks, topic
):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.1})

    def replay_three():
        with TickProducer(quick, kafka.bootstrap, topic, encoder, manual) as producer:
            kafka.broker_down()
            replay(
                make_ticks(10),
                producer,
                speed=None,
                clock=manual,
                stop=lambda: producer.sent == 3,
            )

    with pytest.raises(DeliveryFailedError, match="3 of 3"):
        replay_three()


@pytest.mark.provokes("delivery-failed")
def test_a_message_that_is_given_up_ends_the_replay(
    kafka, kafka_settings, encoder, manual, make_tick, topic
):
    quick = kafka_settings.model_copy(update={"request_timeout_s": 0.1})
    endless = (make_tick(number) for number in itertools.count(1))

    def replay_endlessly():
        with TickProducer(quick, kafka.bootstrap, topic, encoder, manual) as producer:
            kafka.broker_down()
            replay(endless, producer, speed=None, clock=manual)

    with pytest.raises(DeliveryFailedError):
        replay_endlessly()
