"""One pass over incidents: who is told, when, and that the end is told once."""

import threading
from collections import Counter

import pytest

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.advancing import advance
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

ALL = ("low", "medium", "high", "critical")
CHANNELS = {
    name: NotificationChannel(url=f"json://{name}", severities=ALL)
    for name in ("email", "slack", "sms")
}
POLICIES = (
    Policy(
        name="at-once",
        match=Matcher(severity=("critical",)),
        steps=(
            Step(after_s=0, channels=("email", "slack")),
            Step(after_s=120, channels=("sms",)),
        ),
        repeat_s=600,
        max_repeats=2,
    ),
    Policy(name="others", steps=(Step(after_s=60, channels=("email",)),)),
)


class Desk:
    """Every real part around a pass, on a clock that is moved by hand."""

    def __init__(self, file, **settings):
        self.clock = ManualClock()
        self.database = StateDatabase(f"sqlite:///{file}", self.clock)
        self.policies = Policies(POLICIES, CHANNELS)
        self.settings = AlertSettings(**settings)
        self.store = IncidentStore(self.database, self.settings, self.clock, self.policies)
        self.ledger = Ledger(self.database, self.clock)
        self.silences = Silences(self.database, self.clock)

    def take(self, fingerprint="f", severity="critical", **fields):
        given = {"kind": "error", "code": "broker-unreachable", "component": "feed", "what": "w"}
        at_ns = self.clock.now_ns()
        return self.store.take(
            Alert(fingerprint=fingerprint, severity=severity, at_ns=at_ns, **(given | fields))
        )

    def advance(self):
        return advance(self.store, self.ledger, self.policies, self.silences, self.clock.now_ns())

    def send(self):
        """Send what is due, and return it as (kind, channel), in order."""
        due = self.ledger.lease_due(self.clock.now_ns(), 1_000)
        for one in due:
            self.ledger.settle(one, Outcome())
        return sorted((one.kind, one.channel) for one in due)

    def after(self, seconds):
        """Let time pass, make one pass, and send."""
        self.clock.advance(seconds)
        self.advance()
        return self.send()

    def messages(self, state=None):
        return self.ledger.list(state, limit=10_000)


@pytest.fixture(scope="module")
def server_url():
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with temporary_postgresql(programs) as url:
        yield url


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "state.db")
    yield made
    made.database.close()


def test_a_critical_is_told_at_once_escalated_and_repeated_with_a_limit(desk):
    desk.take()
    assert desk.after(0) == [("alert", "email"), ("alert", "slack")]
    assert desk.after(119) == []
    assert desk.after(1) == [("escalation", "sms")]
    for _ in range(2):
        desk.take()
        assert desk.after(200) == []
        desk.take()
        assert desk.after(200) == []
        desk.take()
        assert desk.after(200) == [("repeat", "sms")]
    desk.take()
    assert desk.after(299) == []
    assert desk.store.open()
    assert desk.after(1) == [("resolved", "email"), ("resolved", "slack"), ("resolved", "sms")]
    assert desk.store.open() == []
    assert desk.after(10_000) == []


def test_a_trouble_that_passes_within_the_hold_down_is_told_to_nobody(desk):
    key = desk.take(severity="high")
    assert desk.after(29) == []
    desk.take(severity="high", firing=False)
    assert desk.after(1) == []
    assert desk.store.find(key).state == "resolved"
    assert desk.messages() == []


def test_after_the_hold_down_it_fires_and_is_told_when_its_step_is_due(desk):
    key = desk.take(severity="high")
    assert desk.after(30) == []
    assert desk.store.find(key).state == "firing"
    assert desk.after(30) == [("alert", "email")]


def test_an_acknowledgement_stops_what_waits_on_every_channel_and_only_the_end_is_told(desk):
    key = desk.take()
    desk.advance()
    (first, *_) = desk.ledger.lease_due(desk.clock.now_ns(), 1)
    desk.ledger.settle(first, Outcome())
    desk.store.acknowledge(key, "ann")
    assert desk.send() == []
    assert [one.channel for one in desk.messages("cancelled")] != [first.channel]
    assert desk.after(120) == []
    desk.take()
    assert desk.after(10) == []
    assert desk.after(300) == [("resolved", first.channel)]


def test_a_raised_severity_is_told_at_once_to_those_it_is_for(desk):
    desk.take(severity="high")
    desk.clock.advance(60)
    assert desk.after(0) == [("alert", "email")]
    desk.take()
    assert desk.after(0) == [("escalation", "email"), ("escalation", "slack")]
    assert desk.after(60) == [("escalation", "sms")]


def test_related_incidents_are_one_message_and_criticals_never_wait(desk):
    for number in range(5):
        desk.take(f"f{number}", "high", group="feed")
        desk.clock.advance(1)
    assert desk.after(55) == []
    desk.take("c", "critical", group="feed")
    assert desk.after(0) == [("alert", "email"), ("alert", "slack")]
    assert desk.after(10) == [("alert", "email")]
    (message,) = [one for one in desk.messages() if one.severity == "high"]
    assert message.subject.count("5") or "5 incidents" in message.text
    assert desk.after(600) == [
        ("resolved", "email"),
        ("resolved", "slack"),
    ]


def test_a_shared_message_is_told_while_one_of_its_incidents_goes_on(desk):
    first = desk.take("a", "high", group="feed")
    second = desk.take("b", "high", group="feed")
    desk.clock.advance(70)
    desk.advance()
    desk.store.acknowledge(first, "ann")
    (message,) = desk.messages("queued")
    assert message.incident == second
    desk.store.acknowledge(second, "ann")
    assert desk.messages("queued") == []


def test_a_silenced_incident_is_counted_held_and_told_when_the_silence_ends(desk):
    end_ns = desk.clock.now_ns() + 200 * NS_PER_SECOND
    silence = desk.silences.add(Matcher(component=("feed",)), end_ns, "ann", "maintenance")
    key = desk.take()
    done = desk.advance()
    assert (done.silenced, done.queued, done.held) == (1, 0, 2)
    desk.take()
    assert desk.after(40) == []
    assert desk.store.find(key).count == 2
    held = desk.messages("held")
    assert [one.error for one in held] == ["silenced by ann: maintenance"] * 2
    desk.silences.end(silence.id)
    assert desk.after(30) == [("alert", "email"), ("alert", "slack")]


def test_a_silenced_incident_ends_without_a_word(desk):
    end_ns = desk.clock.now_ns() + 10_000 * NS_PER_SECOND
    desk.silences.add(Matcher(component=("feed",)), end_ns, "ann", "maintenance")
    desk.take()
    assert desk.after(0) == []
    assert desk.after(400) == []
    assert desk.store.open() == []
    assert desk.after(20_000) == []


def test_what_came_and_went_while_nobody_passed_by_is_told_once_as_over(desk):
    desk.take()
    desk.clock.advance(5)
    desk.take(firing=False)
    assert desk.after(500) == [("resolved", "email"), ("resolved", "slack")]


def test_a_late_pass_tells_first_what_nobody_was_told(desk):
    desk.take()
    assert desk.after(5_000) == [("alert", "email"), ("alert", "slack"), ("alert", "sms")]
    assert desk.after(1) == [("resolved", "email"), ("resolved", "slack"), ("resolved", "sms")]


def test_the_end_replaces_what_was_not_sent_yet(desk):
    desk.take()
    desk.advance()
    desk.take(firing=False)
    assert desk.after(1) == [("resolved", "email"), ("resolved", "slack")]
    assert len(desk.messages("cancelled")) == 2


def test_an_error_caused_on_purpose_does_not_escalate_but_in_a_drill(desk):
    desk.take("a", injected=True)
    desk.take("b", kind="drill", injected=True)
    assert len(desk.after(0)) == 4
    assert desk.after(120) == [("escalation", "sms")]
    assert "[DRILL]" in desk.messages()[0].subject


def test_a_regressed_incident_says_so(desk):
    desk.take()
    desk.after(0)
    desk.take(firing=False)
    desk.after(1)
    desk.take()
    desk.after(1)
    newest = next(one for one in desk.messages() if one.kind == "alert")
    assert "is back" in newest.text


def test_a_storm_of_one_fingerprint_and_one_of_a_thousand_stay_within_the_limits(tmp_path):
    desk = Desk(tmp_path / "state.db")
    at_ns = desk.clock.now_ns()
    storm = [
        Alert(
            fingerprint=f"f{number % 1_000}" if number % 2 else "one",
            kind="error",
            severity="critical" if number % 4 else "high",
            code="broker-unreachable",
            component="feed",
            what="w",
            at_ns=at_ns,
        )
        for number in range(20_000)
    ]
    desk.store.take_all(storm)
    assert sum(one.count for one in desk.store.open()) == len(storm)
    desk.advance()
    sent = desk.send()
    limits = desk.settings.critical_limit * len(CHANNELS)
    assert 0 < len(sent) <= limits
    held = len(desk.messages("held"))
    assert len(sent) + held == 2 * len(
        [one for one in desk.store.open() if one.severity == "critical"]
    )
    desk.database.close()


def test_couriers_that_come_at_once_tell_each_incident_once(desk):
    for number in range(20):
        desk.take(f"f{number}", code=f"code-{number}")
    couriers = [threading.Thread(target=desk.advance) for _ in range(4)]
    for one in couriers:
        one.start()
    for one in couriers:
        one.join()
    told = Counter((one.incident, one.channel) for one in desk.messages())
    assert len(told) == 40
    assert set(told.values()) == {1}


def test_the_store_works_on_a_server_too(server_url):
    clock = ManualClock()
    database = StateDatabase(server_url, clock)
    policies = Policies(POLICIES, CHANNELS)
    store = IncidentStore(database, AlertSettings(), clock, policies)
    ledger, silences = Ledger(database, clock), Silences(database, clock)
    given = {"kind": "error", "code": "c", "component": "d", "at_ns": clock.now_ns()}
    alerts = [
        Alert(fingerprint=name, severity="critical", what="a\0b\ud800", group="g", **given)
        for name in ("a", "b", "a")
    ]
    first, second, third = store.take_all(alerts)
    assert first == third
    assert advance(store, ledger, policies, silences, clock.now_ns()).queued == 4
    store.acknowledge(first, "ann")
    assert len(ledger.list("cancelled")) == 2
    store.take(Alert(fingerprint="b", severity="low", what="w", firing=False, **given))
    assert advance(store, ledger, policies, silences, clock.now_ns()).resolved == 1
    assert store.find(second).state == "resolved"
    database.close()
