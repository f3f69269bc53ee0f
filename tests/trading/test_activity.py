"""What stages note of themselves, in gauges and where other processes see it."""

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.settings import TelemetrySettings
from alchemiser_cli.state import StateDatabase, progress
from alchemiser_cli.telemetry import SILENT, exposition, open_telemetry
from alchemiser_cli.telemetry import names as n
from alchemiser_cli.trading.activity import SERVICES, STAGES, StageActivity
from alchemiser_cli.trading.activity_store import ActivityReporter, ActivityStore


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield database
    database.close()


def gauges(telemetry, metric):
    text = exposition(telemetry.registry).decode()
    return {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric.name
    }


def test_every_stage_of_a_desk_has_its_gauge_from_the_start(clock):
    telemetry = open_telemetry(TelemetrySettings())
    StageActivity(telemetry, "paper", clock)
    at_s = clock.now_ns() / NS_PER_SECOND
    assert gauges(telemetry, n.TRADING_LAST_ACTIVITY) == dict.fromkeys(STAGES, at_s)
    assert gauges(telemetry, n.TRADING_LAST_OUTPUT) == dict.fromkeys(STAGES, 0.0)


def test_what_was_seen_is_in_the_gauges_once_published(clock):
    telemetry = open_telemetry(TelemetrySettings())
    activity = StageActivity(telemetry, "paper", clock, service="strategy")
    started_ns = clock.now_ns()
    activity.seen("signals", started_ns + 5 * NS_PER_SECOND)
    activity.gave("signals", started_ns + 4 * NS_PER_SECOND)
    assert gauges(telemetry, n.TRADING_LAST_ACTIVITY)["signals"] == started_ns / NS_PER_SECOND
    activity.publish()
    assert gauges(telemetry, n.TRADING_LAST_ACTIVITY)["signals"] == started_ns / NS_PER_SECOND + 5
    assert gauges(telemetry, n.TRADING_LAST_OUTPUT)["signals"] == started_ns / NS_PER_SECOND + 4


def test_each_stage_has_one_service_that_speaks_for_it(clock):
    split = [stage for name in ("strategy", "risk", "broker") for stage in SERVICES[name]]
    assert sorted(split) == sorted(STAGES)
    with pytest.raises(KeyError):
        StageActivity(SILENT, "paper", clock, service="risk").seen("market_data", 1)


def test_a_tick_is_work_for_the_strategies_without_being_noted_twice(clock):
    activity = StageActivity(SILENT, "paper", clock)
    market = activity.now()[0]
    assert (market.stage, market.gave_ns) == ("market_data", None)
    activity.seen("market_data", clock.now_ns() + 7)
    assert activity.now()[0].gave_ns == clock.now_ns() + 7


def test_another_process_reads_what_was_written(database, clock):
    activity = StageActivity(SILENT, "paper", clock)
    activity.seen("risk", clock.now_ns() + 1)
    activity.gave("risk", clock.now_ns() + 2)
    store = ActivityStore(database)
    store.write(activity.now())
    store.write(StageActivity(SILENT, "paper_2", clock).now())
    assert sorted(store.read("paper"), key=lambda one: STAGES.index(one.stage)) == activity.now()
    assert len(store.read()) == 2 * len(STAGES)


def test_a_broker_whose_name_begins_alike_is_another_one(database, clock):
    store = ActivityStore(database)
    store.write(StageActivity(SILENT, "paper%", clock).now())
    store.write(StageActivity(SILENT, "paperX", clock).now())
    assert {one.broker for one in store.read("paper%")} == {"paper%"}
    assert store.read("paper") == []


def test_a_reporter_says_at_once_that_it_runs_and_at_the_end_that_it_does_not(database, clock):
    store = ActivityStore(database)
    with ActivityReporter([StageActivity(SILENT, "paper", clock)], store):
        assert {one.running for one in store.read("paper")} == {True}
    assert {one.running for one in store.read("paper")} == {False}
    with database.begin() as connection:
        names = connection.execute(select(progress.c.name)).scalars().all()
    assert sorted(names) == sorted(f"trading:paper:{stage}" for stage in STAGES)


@pytest.mark.provokes("state-unreachable")
def test_a_database_that_is_gone_is_told_once_and_stops_nothing(tmp_path, clock, logs):
    (tmp_path / "file").write_text("")
    database = StateDatabase(f"sqlite:///{tmp_path / 'file' / 'state.db'}", clock)
    reporter = ActivityReporter([StageActivity(SILENT, "paper", clock)], ActivityStore(database))
    with reporter:
        reporter.report()
    told = [event for event in logs if event["event"] == "stage_activity_not_written"]
    assert [event["code"] for event in told] == ["state-unreachable"]
    assert not [one for one in threading.enumerate() if one.name == "stage activity"]
