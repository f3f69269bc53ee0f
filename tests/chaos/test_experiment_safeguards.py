"""Safeguards: what stops an experiment, in a laboratory and on a home; the rollbacks run."""

import pytest
from counting_workload import CountingWorkload, register
from experiment_files import document, outage, step

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.experiments.reading import experiment_of
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.kafka import embedded_kafka


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Conducts experiments on a home of the test's own, with the given variables."""
    register(monkeypatch)
    opened = []

    def conduct(*method, environ=None, laboratory=None, on_home=False, **parts):
        resolved = resolve(Request(home=tmp_path, environ=environ or {}))
        database = StateDatabase.of(resolved.settings, SystemClock())
        opened.append(database)
        made = document(*method, laboratory=laboratory, **parts)
        if on_home:
            del made["extensions"][0]["laboratory"]
            del made["steady-state-hypothesis"]
        conductor = Conductor(resolved, database, "tester", lambda: None)
        return conductor.conduct(experiment_of("mine", made))

    yield conduct
    for database in opened:
        database.close()


def safeguard(kind, limit):
    return {"kind": kind, "limit": limit}


def test_work_that_waits_stops_it(home):
    journal = home(
        outage(duration=60),
        step("work_for", seconds=60),
        laboratory={"sets_aside": False},
        safeguards=[safeguard("lag", 20)],
    )
    assert journal.status == "aborted"
    assert journal.aborted_by.endswith("messages that wait, more than 20")
    assert [one.output for one in journal.rollbacks] == [1]


@pytest.mark.parametrize(
    ("share", "aborted_by"),
    [
        (0.05, "drawdown: 0.05 as a share of equity, more than 0.02"),
        (float("nan"), "drawdown: nan as a share of equity, more than 0.02"),
    ],
)
def test_a_loss_stops_it_and_so_does_one_that_is_not_known(home, monkeypatch, share, aborted_by):
    monkeypatch.setattr(CountingWorkload, "drawdown", lambda _self: share, raising=False)
    journal = home(step("work_for", seconds=60), safeguards=[safeguard("drawdown", 0.02)])
    assert (journal.status, journal.aborted_by) == ("aborted", aborted_by)


def test_nothing_stops_what_stays_within_its_limits(home):
    limits = [safeguard("lag", 20), safeguard("drawdown", 0.02), safeguard("error-budget", 1e6)]
    assert home(step("work_for", seconds=1.5), safeguards=limits).status == "completed"


def test_on_a_home_the_lag_is_that_of_its_consumer_group(home, raw_producer):
    with embedded_kafka() as kafka:
        raw_producer(kafka, "market.ticks", 30)
        journal = home(
            step("work_for", seconds=60),
            environ={
                "ALCHEMISER_KAFKA__MODE": "external",
                "ALCHEMISER_KAFKA__BOOTSTRAP": kafka.bootstrap,
            },
            on_home=True,
            safeguards=[safeguard("lag", 29)],
        )
    assert journal.aborted_by == "lag: 30 messages that wait, more than 29"


def test_a_lag_that_nobody_can_tell_stops_it(home):
    journal = home(step("work_for", seconds=60), on_home=True, safeguards=[safeguard("lag", 10)])
    assert journal.status == "aborted"
    assert "nobody serves this home's Kafka" in journal.aborted_by


@pytest.fixture
def raw_producer():
    """Sends messages of one byte, and waits until the broker has them."""
    from confluent_kafka import Producer

    def send(kafka, topic, count):
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for _ in range(count):
            producer.produce(topic, b"x")
        assert producer.flush(10) == 0

    return send
