"""The outbox: an alert is stored when its caller goes on, and a storm's failures come as one."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import StrategyExecutionError
from alchemiser_cli.errors.journal import ErrorJournal
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.outbox import Outbox
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.notifications.sources import JournalSource
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

POLICIES = Policies([Policy(name="all", steps=(Step(after_s=0, channels=("email",)),))])


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    opened = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    yield opened
    opened.close()


@pytest.fixture
def store(database, clock):
    return IncidentStore(database, AlertSettings(), clock, POLICIES)


def test_a_raised_alert_is_stored_when_it_returns(store, clock):
    alert = Alert(
        fingerprint="f",
        kind="drill",
        severity="high",
        code="drill",
        component="chaos",
        what="a drill begins",
        at_ns=clock.now_ns(),
    )
    assert Outbox(store).raise_alert(alert) == store.open()[0].id


def test_a_storm_that_was_captured_is_one_incident_with_every_failure(
    tmp_path, store, database, clock
):
    """Whatever raises an error only captures it; the courier finds all of it in the journal."""
    journal = ErrorJournal(
        JournalStore(database), clock, run_id="r", component="desk", spill_folder=tmp_path
    )
    with journal:
        for _ in range(2_000):
            journal.capture(StrategyExecutionError("it raised", why="w", next_step="n"))
        journal.flush()
    source = JournalSource(database, AlertSettings(), clock)
    while alerts := source.read(50):
        store.take_all(alerts)
        source.taken()
    assert [one.count for one in store.open()] == [2_000]
