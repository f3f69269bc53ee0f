"""The courier: from a failure in the journal to a person, whatever a part of a pass cannot do."""

import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, text

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.audit_heads import queue_audit_heads
from alchemiser_cli.notifications.courier import Courier, Office, delivering
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.notifications.sources import JournalSource, StandingSource
from alchemiser_cli.notifications.turns import LEASE_S, Turn
from alchemiser_cli.settings import AlertSettings, NotificationChannel, TelemetrySettings
from alchemiser_cli.state import StateDatabase, audit_anchor
from alchemiser_cli.telemetry import exposition, open_telemetry

DESK = NotificationChannel(url="json://127.0.0.1", severities=("low", "medium", "high", "critical"))


class Pager:
    """A channel that keeps what it takes, and answers what the test wants."""

    name = "desk"

    def __init__(self):
        self.subjects = []
        self.outcome = Outcome()

    def send(self, message, *, severity):
        if self.outcome.accepted:
            self.subjects.append(message.subject)
        return self.outcome


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield database
    database.close()


@pytest.fixture
def pager():
    return Pager()


@pytest.fixture
def office(database, clock, pager):
    settings = AlertSettings()
    policies = Policies.load(None, {"desk": DESK})
    return Office(
        IncidentStore(database, settings, clock, policies),
        Ledger(database, clock, settings),
        {"desk": pager},
        policies,
        Silences(database, clock),
    )


@pytest.fixture
def courier(office, database, clock):
    def make(*sources, **options):
        journal = JournalSource(database, office.store.settings, clock)
        return Courier(office, [journal, *sources], clock, **options)

    return make


@pytest.fixture
def fail(database, clock):
    count = 0

    def fail(severity="critical", **fields):
        nonlocal count
        count += 1
        values = {
            "id": f"{count:032x}",
            "fingerprint": "f" * 32,
            "template": "t",
            "code": "order-outcome-unknown",
            "severity": severity,
            "component": "paper-broker",
            "operation": "work",
            "run_id": "run",
            "what": "the order vanished",
            "why": "why",
            "next_step": "look",
            "context": {},
            "causes": [],
            "traceback": "",
            "at_ns": clock.now_ns(),
            "count": 1,
        }
        JournalStore(database).append([Captured(**(values | fields))])

    return fail


def standing(clock):
    return Alert(
        fingerprint="k",
        kind="trading",
        severity="critical",
        code="kill-switch-active",
        component="trading",
        what="the kill switch is set",
        at_ns=clock.now_ns(),
    )


def test_a_critical_failure_is_told_in_the_next_pass(courier, fail, pager):
    fail()
    result = courier().pass_once()
    assert (result.alerts, result.queued, result.sent, result.troubles) == (1, 1, 1, ())
    assert pager.subjects == ["[CRITICAL] order-outcome-unknown: the order vanished"]


def test_it_is_told_once_and_its_end_once(courier, fail, pager, clock):
    fail()
    one = courier()
    for _ in range(30):
        one.pass_once()
        clock.advance(30)
    assert [subject.partition("]")[0] for subject in pager.subjects][-1] == "[RESOLVED"
    assert sum("RESOLVED" in subject for subject in pager.subjects) == 1


def test_a_standing_trouble_ends_when_it_is_gone(courier, pager, clock):
    now = [standing(clock)]
    one = courier(StandingSource(lambda: now, clock))
    one.pass_once()
    now.clear()
    clock.advance(2)
    one.pass_once()
    assert [subject.partition("]")[0] for subject in pager.subjects] == ["[CRITICAL", "[RESOLVED"]


def test_couriers_that_take_turns_count_a_failure_once(courier, fail, pager, office):
    fail(count=3)
    first, second = courier(), courier()
    assert [first.pass_once().alerts, second.pass_once().alerts] == [1, 0]
    assert [one.count for one in office.store.open()] == [3]
    assert len(pager.subjects) == 1


def test_who_died_in_its_turn_is_replaced_after_the_lease(courier, fail, database, clock):
    fail()
    assert Turn(database, "courier").take(clock.now_ns())  # and then the process dies
    one = courier()
    assert one.pass_once().alerts == 0
    clock.advance(LEASE_S)
    assert one.pass_once().alerts == 1


def test_a_turn_is_given_back_only_by_its_holder(database, clock):
    mine, other = Turn(database, "t"), Turn(database, "t")
    assert mine.take(clock.now_ns())
    assert mine.take(clock.now_ns())
    other.give_back(clock.now_ns())
    assert not other.take(clock.now_ns())
    mine.give_back(clock.now_ns())
    assert other.take(clock.now_ns())


def test_a_source_that_fails_keeps_no_other_from_being_told(courier, fail, pager, clock):
    def unknown():
        raise StateUnreachableError("no answer", why="w", next_step="n")

    told = []
    fail()
    one = courier(StandingSource(unknown, clock), on_failure=told.append)
    result = one.pass_once()
    assert result.troubles == ("state-unreachable: no answer",)
    assert len(pager.subjects) == 1
    one.pass_once()
    assert [error.code for error in told] == ["state-unreachable"]  # and not again each pass


@pytest.mark.provokes("notification-failed")
def test_a_message_that_is_given_up_is_a_failure_of_its_own(courier, fail, pager):
    told = []
    pager.outcome = Outcome("there is no such address", final=True)
    fail()
    result = courier(on_failure=told.append).pass_once()
    assert (result.sent, result.failed) == (0, 1)
    assert [error.code for error in told] == ["notification-failed"]
    assert "there is no such address" in told[0].why


def test_a_channel_that_refuses_for_now_is_tried_again(courier, fail, pager, clock):
    pager.outcome = Outcome("busy")
    fail()
    one = courier()
    assert one.pass_once().retried == 1
    pager.outcome = Outcome()
    clock.advance(15)
    assert one.pass_once().sent == 1


def test_open_exposure_raises_what_is_told_of_trading(database, clock, pager):
    settings = AlertSettings(exposure_raises=0.5)
    policies = Policies.load(None, {"desk": DESK})
    office = Office(
        IncidentStore(database, settings, clock, policies),
        Ledger(database, clock, settings),
        {"desk": pager},
        policies,
        Silences(database, clock),
    )
    alert = Alert(
        fingerprint="s",
        kind="trading",
        severity="high",
        code="stage-silent",
        component="trading",
        what="risk is silent",
        at_ns=clock.now_ns(),
    )
    source = StandingSource(lambda: [alert], clock)
    Courier(office, [source], clock, exposure=lambda: 0.6).pass_once()
    assert [one.severity for one in office.store.open()] == ["critical"]


def test_what_it_does_is_counted(courier, fail, pager, clock):
    telemetry = open_telemetry(TelemetrySettings())
    fail()
    one = courier(telemetry=telemetry)
    clock.advance(40)
    one.pass_once()
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition(telemetry.registry).decode())
        for sample in family.samples
    }
    assert values["notifications_sent_total", "alert", "desk"] == 1
    assert values["incidents_open", "critical"] == 1
    assert values["incidents_open", "high"] == 0
    assert values[("notification_delay_seconds_sum",)] == 40
    assert values["notification_delay_seconds_bucket", "60.0"] == 1


def test_a_block_beside_which_it_delivers_ends_with_a_pass(courier, fail, pager):
    """What happens at the very end of a command is on its way when the command is gone."""
    with delivering(courier()):
        deadline = time.monotonic() + 5
        fail()
        while not pager.subjects and time.monotonic() < deadline:
            time.sleep(0.01)  # allow no-bare-sleep: polls with a deadline
        fail("critical", fingerprint="g" * 32, what="at the end")
    assert [subject.partition(": ")[2] for subject in pager.subjects] == [
        "the order vanished",
        "at the end",
    ]


def test_a_channel_that_hangs_does_not_keep_a_command_from_ending(
    courier, fail, pager, monkeypatch
):
    monkeypatch.setattr("alchemiser_cli.notifications.courier.LEAVING_S", 0.2)
    hang = threading.Event()
    pager.send = lambda *_args, **_options: hang.wait(20) and Outcome()
    fail()
    began = time.monotonic()
    with delivering(courier()):
        pass
    assert time.monotonic() - began < 3
    hang.set()
    for thread in [one for one in threading.enumerate() if one.name == "courier"]:
        thread.join(10)


# --- the heads of the audit trails


def heads_of(database, **head):
    row = {"trail": "paper", "sequence": 41, "hash": "ab" * 32, "at_ns": 0}
    with database.begin() as connection:
        connection.execute(insert(audit_anchor).values(**(row | head)))


def test_the_heads_go_once_a_day_to_who_takes_low(database, office, clock, pager):
    heads_of(database)
    high = NotificationChannel(url="json://127.0.0.1")
    channels = {"desk": DESK, "pager": high}
    queue = lambda: queue_audit_heads(database, office.ledger, channels, clock)  # noqa: E731
    assert [queue(), queue()] == [1, 0]
    clock.advance(24 * 3_600)
    assert queue() == 1
    first = office.ledger.list()[-1]
    assert (first.channel, first.subject) == ("desk", "[AUDIT] 2023-11-14: heads of 1 audit trail")
    assert f"paper: line 41 of 1970-01-01 00:00:00: {'ab' * 32}" in first.text
    assert "ab" * 32 in first.html


def test_without_a_trail_nothing_is_told(database, office, clock):
    assert queue_audit_heads(database, office.ledger, {"desk": DESK}, clock) == 0
    assert office.ledger.list() == []


def test_a_daily_message_goes_out_with_a_pass(courier, database, office, clock, pager):
    heads_of(database)
    one = courier(daily=lambda: queue_audit_heads(database, office.ledger, {"desk": DESK}, clock))
    assert one.pass_once().digests == 1
    assert pager.subjects[0].startswith("[AUDIT]")


def test_a_cursor_table_that_is_gone_is_a_trouble_and_no_end(courier, database, fail):
    one = courier()
    one.pass_once()
    with database.begin() as connection:
        connection.execute(text("DROP TABLE alert_cursor"))
    fail()
    assert any("state-unreachable" in said for said in one.pass_once().troubles)
