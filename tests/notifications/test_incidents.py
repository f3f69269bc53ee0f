"""Incidents: alerts of one fingerprint are one trouble, however they come."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import IncidentNotFoundError
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

POLICIES = Policies(
    [
        Policy(
            name="at-once",
            match=Matcher(severity=("critical",)),
            steps=(Step(after_s=0, channels=("email", "sms")),),
        ),
        Policy(name="others", steps=(Step(after_s=60, channels=("email",)),)),
    ]
)


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


@pytest.fixture
def alert(clock):
    def make(fingerprint="f", severity="high", **fields):
        given = {
            "kind": "error",
            "code": "broker-unreachable",
            "component": "feed",
            "what": "the broker does not answer",
            "at_ns": clock.now_ns(),
        }
        return Alert(fingerprint=fingerprint, severity=severity, **(given | fields))

    return make


def test_alerts_of_one_fingerprint_are_one_incident(store, clock, alert):
    first = store.take(alert(count=3))
    clock.advance(10)
    assert store.take(alert(what="again")) == first
    (found,) = store.open()
    assert (found.count, found.state, found.severity) == (4, "pending", "high")
    assert found.alert.what == "again"
    assert (found.opened_ns, found.last_ns) == (clock.now_ns() - 10 * 10**9, clock.now_ns())


def test_other_fingerprints_are_other_incidents(store, alert):
    ids = store.take_all([alert("a"), alert("b"), alert("a")])
    assert ids[0] == ids[2] != ids[1]
    assert [one.count for one in sorted(store.open(), key=lambda one: one.fingerprint)] == [2, 1]


def test_an_incident_keeps_the_policies_that_it_began_with(store, database, clock, alert):
    key = store.take(alert())
    changed = Policies([Policy(name="new", steps=(Step(after_s=0, channels=("pager",)),))])
    again = IncidentStore(database, AlertSettings(), clock, changed)
    again.take(alert(severity="critical"))
    found = again.find(key)
    assert (found.severity, found.policy.name) == ("critical", "at-once")


def test_a_raised_severity_is_due_at_once(store, clock, alert):
    key = store.take(alert())
    clock.advance(5)
    assert store.due(clock.now_ns()) == []
    store.take(alert(severity="critical"))
    assert [one.id for one in store.due(clock.now_ns())] == [key]
    store.take(alert(severity="low"))
    assert store.find(key).severity == "critical"


def test_a_quiet_incident_is_closed_by_the_next_alert_though_no_courier_came(store, clock, alert):
    first = store.take(alert())
    clock.advance(1_000)
    second = store.take(alert())
    assert first != second
    closed, opened = store.find(first), store.find(second)
    assert (closed.state, opened.state) == ("resolved", "pending")
    assert opened.regressed
    assert not closed.regressed


def test_news_of_the_end_close_the_incident_and_count_nothing(store, clock, alert):
    key = store.take(alert())
    clock.advance(1)
    assert store.take(alert(firing=False)) == key
    found = store.find(key)
    assert (found.count, found.clear_ns) == (1, clock.now_ns())
    assert [one.id for one in store.due(clock.now_ns())] == [key]


def test_news_of_the_end_of_nothing_change_nothing(store, alert):
    assert store.take(alert(firing=False)) == ""
    assert store.recent() == []


def test_a_trouble_that_comes_and_goes_is_kept_open_longer_up_to_eight_times(store, clock, alert):
    kept = []
    for _ in range(6):
        found = store.find(store.take(alert()))
        kept.append((found.course.keep_firing_s, found.flapping))
        clock.advance(1)
        store.take(alert(firing=False))
        clock.advance(0 if not found.flapping else found.course.keep_firing_s)
    assert kept[:4] == [(300, False), (300, False), (600, True), (1_200, True)]
    assert kept[4:] == [(2_400, True), (300, False)]  # by then all others are an hour ago


def test_an_acknowledgement_keeps_who_came_first(store, clock, alert):
    key = store.take(alert())
    assert store.acknowledge(key[:8], "ann").acknowledged_by == "ann"
    clock.advance(1)
    again = store.acknowledge(key, "bob")
    assert (again.acknowledged_by, again.acknowledged_ns) == ("ann", clock.now_ns() - 10**9)
    assert store.find(key).next_step is None


@pytest.mark.provokes("incident-not-found")
@pytest.mark.parametrize("prefix", ["0123", "", "%", "ä" * 4])
def test_an_unknown_or_ambiguous_id_names_no_incident(store, alert, prefix):
    store.take_all([alert("a"), alert("b")])
    for asked in (lambda: store.find(prefix), lambda: store.acknowledge(prefix, "ann")):
        with pytest.raises(IncidentNotFoundError):
            asked()


def test_texts_that_no_database_takes_are_mended(store, alert):
    key = store.take(
        alert(what="a\ud800b\0c", code="c" * 100, component="d" * 100, group="g" * 100)
    )
    found = store.find(key)
    assert found.alert.what == "a?b\N{REPLACEMENT CHARACTER}c"
    assert (len(found.code), len(found.component), len(found.group)) == (64, 64, 96)


def test_an_injected_incident_that_really_happens_too_is_real(store, alert):
    key = store.take(alert(injected=True))
    assert store.find(key).injected
    store.take(alert())
    assert not store.find(key).injected


def test_the_most_severe_incident_is_listed_first(store, clock, alert):
    store.take(alert("a", "low"))
    clock.advance(1)
    store.take_all([alert("b", "critical"), alert("c", "low")])
    assert [one.fingerprint for one in store.open()] == ["b", "c", "a"]
