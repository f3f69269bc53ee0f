"""What was injected is known as such from birth to notification, and told only in a drill."""

import json

import pytest

from alchemiser_cli.chaos.drills import AFTER_S
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors.journal import ErrorJournal, JournalStore
from alchemiser_cli.errors.journal.history import code_history
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.pipeline.alerting import open_courier, open_office
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.webhook import running_hook

CODE = "broker-unreachable"
UNREACHABLE = Fault(kind=FaultKind.RAISE, word=CODE)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def hook():
    with running_hook() as hook:
        yield hook


@pytest.fixture
def resolved(tmp_path, hook):
    channel = f"notifications.desk.url={hook.url}"
    every = "notifications.desk.severities=low,medium,high,critical"
    return resolve(Request(None, tmp_path / "home", (channel, every, "alerts.hold_down_s=0"), {}))


@pytest.fixture
def database(resolved, clock):
    database = StateDatabase.of(resolved.settings, clock)
    yield database
    database.close()


@pytest.fixture
def born(resolved, database, clock):
    """A fault strikes, and what it raises is journalled as the consumer would."""

    def strike():
        point = fault_point("streaming.fetch")
        point.arm(Armed(UNREACHABLE, 30.0, target="streaming.fetch", lease="ab"))
        journal = ErrorJournal(
            JournalStore(database),
            clock,
            run_id="r",
            component="consumer",
            spill_folder=resolved.settings.logs_folder,
            database=database,
        )
        with journal:
            try:
                point.strike()
            except Exception as error:  # noqa: BLE001  what the consumer would do
                journal.capture(error)
            finally:
                point.disarm()

    return strike


@pytest.fixture
def told(resolved, database, clock):
    """Let a courier pass, and once more when its messages are due; return their subjects."""
    courier = open_courier(resolved, database, clock)

    def passed():
        courier.pass_once()
        clock.advance(400)
        last = courier.pass_once()
        assert last.troubles == ()
        office = open_office(resolved.settings, database, clock)
        sent = [one for one in office.ledger.list(None, None, 50) if one.kind == "alert"]
        return [one.subject for one in sent if one.code == CODE]

    return passed


def test_an_injected_error_counts_nowhere_but_where_one_looks_for_it(
    resolved, database, clock, born, told
):
    born()
    store = JournalStore(database)
    (group,) = store.groups()
    assert (group.code, group.injected, group.count) == (CODE, 1, 1)
    surroundings = Surroundings(resolved, clock, database)
    assert surroundings.recent_errors().total.count == 0
    assert [state.value for state in surroundings.thresholds()] == [0.0, 0.0]
    history = code_history(store, CODE, clock.now_ns())
    assert history.injected == history.count == 1
    assert told() == []


def test_in_a_drill_people_are_told_and_shortly_after_it_as_well(database, clock, born, told, hook):
    leases = LeaseStore(database, clock)
    asked = {"environment": "development", "owner": "ada", "drill": True}
    leases.take("streaming.fetch", UNREACHABLE, duration_s=30, **asked)
    born()
    (subject,) = told()
    assert subject.startswith("[DRILL] ")
    assert any("[DRILL]" in json.dumps(one) for one in hook.taken)
    clock.advance(AFTER_S)
    born()
    assert len(told()) == 1


def test_without_the_drill_a_lease_changes_nothing(database, clock, born, told):
    leases = LeaseStore(database, clock)
    asked = {"environment": "development", "owner": "ada"}
    leases.take("streaming.fetch", UNREACHABLE, duration_s=30, **asked)
    born()
    assert told() == []
