"""Announcing: what was broken is on record before it breaks, and people know of both ends."""

from contextlib import closing

import pytest

from alchemiser_cli.chaos.announcing import TRAIL, Announcer, standing_alerts
from alchemiser_cli.chaos.control import ChaosControl
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import AuditLockedError, AuditLostError
from alchemiser_cli.faults import Fault, FaultKind
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.pipeline.alerting import open_courier
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.audit import (
    AuditEntry,
    AuditTrail,
    newest_trail,
    read_trail,
    trails,
    verify_trail,
)

ASKED = {
    "duration_s": 60.0,
    "begins_in_s": 0.0,
    "owner": "ada",
    "reason": "does it heal?",
    "drill": False,
    "confirmed": (),
}


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", audit={"min_free_megabytes": 0})


@pytest.fixture
def database(settings, clock):
    with closing(StateDatabase.of(settings, clock)) as database:
        yield database


@pytest.fixture
def incidents(settings, database, clock):
    return IncidentStore(database, settings.alerts, clock, Policies.load(None))


@pytest.fixture
def store(database, clock):
    return LeaseStore(database, clock)


@pytest.fixture
def control(settings, database, store, incidents, clock):
    announcer = Announcer(settings, incidents, clock, run_id="r", key=b"k" * 32)
    return ChaosControl(settings, database, store, announcer)


def inject(control, **changes):
    return control.inject("shm.read", Fault(kind=FaultKind.CORRUPT), **(ASKED | changes))


def test_a_lease_and_its_end_are_on_record_signed_and_told(control, settings, incidents):
    lease = inject(control)
    (incident,) = incidents.open()
    assert (incident.kind, incident.code, incident.severity) == ("drill", "lease-held", "medium")
    assert "ada asked for it" in incident.alert.why
    control.stop("shm.read", "bob")
    assert incidents.open()[0].clear_ns is not None
    lines = list(read_trail(settings.audit_folder / TRAIL))
    assert [(one.event, one.event_id) for one in lines] == [
        ("FAULT_INJECTED", lease.id),
        ("FAULT_ENDED", lease.id),
    ]
    assert verify_trail(settings.audit_folder / TRAIL, key=b"k" * 32).ok


@pytest.mark.provokes("audit-lost")
def test_what_cannot_be_put_on_record_is_not_injected(control, settings, store):
    settings.audit_folder.mkdir(parents=True)
    (settings.audit_folder / TRAIL).touch()
    with pytest.raises(AuditLostError):
        inject(control)
    assert store.in_force() == []


@pytest.mark.provokes("audit-locked")
def test_a_trail_that_somebody_keeps_locked_lets_nothing_be_injected(
    control, settings, store, clock
):
    folder = settings.audit_folder / TRAIL
    with (
        AuditTrail(folder, settings.audit, clock, run_id="r", broker=""),
        pytest.raises(AuditLockedError),
    ):
        inject(control)
    assert store.in_force() == []


def test_an_end_that_cannot_be_recorded_still_ends_the_fault(control, settings, store, clock):
    inject(control)
    folder = settings.audit_folder / TRAIL
    with (
        AuditTrail(folder, settings.audit, clock, run_id="r", broker="", key=b"k" * 32),
        pytest.raises(AuditLockedError),
    ):
        control.stop(None, "bob")
    assert store.in_force() == []
    clock.advance(1)
    assert control.standing().troubles == []


def test_the_trail_of_chaos_is_never_taken_for_a_desks(control, settings, clock):
    folder = settings.audit_folder / "paper"
    with AuditTrail(folder, settings.audit, clock, run_id="r", broker="paper") as trail:
        trail.append(AuditEntry(event="SIGNAL", event_id="1"))
    inject(control)
    assert trails(settings.audit_folder) == ["chaos", "paper"]
    assert newest_trail(settings.audit_folder) == "paper"


def test_a_courier_tells_of_a_lease_in_force_and_of_its_end(settings, database, control, clock):
    """Nobody has to end it: that its time is up is news as well."""
    resolved = resolve(Request(None, settings.home, ("audit.min_free_megabytes=0",), {}))
    courier = open_courier(resolved, database, clock)
    inject(control)
    assert courier.pass_once().alerts == 1
    clock.advance(61)
    assert courier.pass_once().alerts == 1
    clock.advance(3_600)
    assert courier.pass_once().troubles == ()
    assert courier.total.resolved == 1


def test_leases_of_experiments_and_of_other_environments_are_left_to_them(store):
    given = {"duration_s": 60, "owner": "ada"}
    fault = Fault(kind=FaultKind.CORRUPT)
    store.take("shm.read", fault, environment="development", run="r1", **given)
    store.take("shm.publish", fault, environment="paper", **given)
    store.take("rl.save", fault, environment="development", begins_in_s=5, **given)
    assert standing_alerts(store, "development") == []
    assert len(standing_alerts(store, "paper")) == 1
