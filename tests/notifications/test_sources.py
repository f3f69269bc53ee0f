"""Where alerts come from: the journal, each failure once, and troubles that stand for a while."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.errors.journal.records import Captured
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.errors.thresholds import ThresholdState
from alchemiser_cli.notifications import journal_cursor
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.sources import JournalSource, StandingSource, threshold_alerts
from alchemiser_cli.notifications.standing_memory import StandingMemory
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

HOUR_S = 3_600


class Journal:
    """Writes failures as the journal does."""

    def __init__(self, database, clock):
        self.store = JournalStore(database)
        self.clock = clock
        self.written = 0

    def fail(self, code="broker-unreachable", *, ago_s=0.0, **fields):
        self.written += 1
        values = {
            "fingerprint": f"{fields.get('component', 'feed')}-{code}"[:32],
            "template": "t",
            "severity": "high",
            "component": "feed",
            "operation": "work",
            "run_id": "run",
            "what": f"what {self.written}",
            "why": "why",
            "next_step": "mend it",
            "context": {},
            "causes": [],
            "traceback": "",
            "count": 1,
        }
        at_ns = self.clock.now_ns() - round(ago_s * NS_PER_SECOND)
        self.store.append(
            [Captured(id=f"{self.written:032x}", code=code, at_ns=at_ns, **(values | fields))]
        )


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", clock)
    yield database
    database.close()


@pytest.fixture
def journal(database, clock):
    return Journal(database, clock)


@pytest.fixture
def source(database, clock):
    return JournalSource(database, AlertSettings(), clock)


def read(source, limit=1_000):
    alerts = source.read(limit)
    source.taken()
    return alerts


# --- the journal


def test_a_failure_becomes_an_alert_with_all_that_people_need(journal, source):
    journal.fail("broker-unreachable", component="paper-broker", severity="critical", count=7)
    (alert,) = read(source)
    assert (alert.kind, alert.severity, alert.code) == ("error", "critical", "broker-unreachable")
    assert (alert.component, alert.group) == ("paper-broker", "paper-broker")
    assert (alert.what, alert.why, alert.next_step) == ("what 1", "why", "mend it")
    assert (alert.count, alert.fingerprint) == (7, "paper-broker-broker-unreachable")


def test_each_failure_is_told_once_also_in_another_process(journal, source, database, clock):
    journal.fail()
    assert len(read(source)) == 1
    assert read(source) == []
    assert read(JournalSource(database, AlertSettings(), clock)) == []
    journal.fail()
    assert len(read(source)) == 1


def test_what_was_read_and_not_stored_is_read_again(journal, source, database, clock):
    journal.fail()
    assert len(source.read(100)) == 1  # and then the process dies
    assert len(read(JournalSource(database, AlertSettings(), clock))) == 1


def test_what_is_recovered_injected_or_not_severe_enough_is_not_told(journal, source):
    journal.fail(recovered=True)
    journal.fail(injected=True)
    journal.fail("rate-limited", severity="medium")
    assert read(source) == []


@pytest.mark.parametrize("code", ["model-not-found", "usage", "setting-unknown"])
def test_what_only_told_somebody_at_a_terminal_of_a_wrong_command_is_not_told(
    code, journal, source
):
    journal.fail(code, context={"at_terminal": True})
    assert read(source) == []
    journal.fail(code)  # a job's
    assert [one.code for one in read(source)] == [code]


def test_a_trouble_of_the_system_is_told_although_somebody_saw_it(journal, source):
    journal.fail("state-corrupt", context={"at_terminal": True})
    journal.fail("topic-missing", context={"topic": '"at_terminal":true'})
    assert [one.code for one in read(source)] == ["state-corrupt", "topic-missing"]


def test_a_drill_is_told_of_what_was_injected(journal, database, clock):
    journal.fail(injected=True)
    (alert,) = read(JournalSource(database, AlertSettings(), clock, injected=True))
    assert alert.injected


def test_lower_severities_are_told_where_the_settings_ask_for_them(journal, database, clock):
    journal.fail("rate-limited", severity="medium")
    source = JournalSource(database, AlertSettings(severity="medium"), clock)
    assert [one.severity for one in read(source)] == ["medium"]


def test_a_storm_is_one_alert_with_its_number(journal, source):
    for _ in range(5):
        journal.fail(count=20_000)
    (alert,) = read(source)
    assert (alert.count, alert.what) == (100_000, "what 1")


def test_the_newest_of_a_batch_is_told_with_the_worst_severity(journal, source):
    journal.fail(severity="critical", ago_s=10)
    journal.fail(severity="high")
    (alert,) = read(source)
    assert (alert.severity, alert.what, alert.count) == ("critical", "what 2", 2)


def test_a_first_look_goes_an_hour_back_and_no_further(journal, source):
    journal.fail("feed-silent", ago_s=2 * HOUR_S)
    journal.fail(ago_s=0.5 * HOUR_S)
    assert [one.code for one in read(source)] == ["broker-unreachable"]


def test_what_was_spilled_and_comes_hours_late_is_told(journal, source):
    journal.fail()
    read(source)
    journal.fail("feed-silent", ago_s=5 * HOUR_S)
    assert [one.code for one in read(source)] == ["feed-silent"]


def test_a_database_that_was_restored_from_a_backup_is_read_from_its_end(
    journal, source, database, clock
):
    journal.fail()
    source.read(100)
    source._cursor._next = journal_cursor._Position(row=1_000)
    source.taken()
    assert read(source) == []
    journal.fail()
    assert len(read(source)) == 1


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=6))
def test_whatever_the_limit_every_failure_is_counted_once(tmp_path_factory, batches):
    clock = ManualClock()
    file = tmp_path_factory.mktemp("journal") / "state.db"
    database = StateDatabase(f"sqlite:///{file}", clock)
    journal, source = Journal(database, clock), JournalSource(database, AlertSettings(), clock)
    counted = 0
    for failures, limit in batches:
        for _ in range(failures):
            journal.fail()
        counted += sum(alert.count for alert in read(source, limit))
    while alerts := read(source, 3):
        counted += sum(alert.count for alert in alerts)
    assert counted == journal.written
    database.close()


def test_a_server_tells_each_failure_once_also_a_late_one(clock):
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with temporary_postgresql(programs) as url:
        database = StateDatabase(url, clock)
        journal, source = Journal(database, clock), JournalSource(database, AlertSettings(), clock)
        journal.fail()
        assert len(read(source)) == 1
        journal.fail("feed-silent", ago_s=600)
        assert [one.code for one in read(source)] == ["feed-silent"]
        assert read(source) == []
        database.close()


# --- troubles that stand


def standing(fingerprint="f", severity="high", at_ns=0):
    return Alert(
        fingerprint=fingerprint,
        kind="trading",
        severity=severity,
        code="kill-switch-active",
        component="trading",
        what="the kill switch is set",
        at_ns=at_ns,
    )


class Looking:
    """Troubles of the test's choice, as of now."""

    def __init__(self, clock):
        self.clock = clock
        self.now = []

    def __call__(self):
        return [msgspec.structs.replace(one, at_ns=self.clock.now_ns()) for one in self.now]


@pytest.fixture
def look(clock):
    return Looking(clock)


@pytest.fixture
def watched(look, clock):
    return StandingSource(look, clock)


def test_a_trouble_that_stands_is_told_once_a_minute(watched, look, clock):
    look.now = [standing()]
    assert [one.firing for one in read(watched)] == [True]
    clock.advance(59)
    assert read(watched) == []
    clock.advance(1)
    assert [one.firing for one in read(watched)] == [True]


def test_a_trouble_that_is_gone_is_told_as_over_once(watched, look):
    look.now = [standing()]
    read(watched)
    look.now = []
    assert [one.firing for one in read(watched)] == [False]
    assert read(watched) == []


def test_the_next_process_knows_what_stood_and_tells_that_it_is_gone(look, clock, database):
    def next_one():
        return StandingSource(look, clock, StandingMemory(database, "trading"))

    look.now = [standing()]
    assert [one.firing for one in read(next_one())] == [True]
    assert next_one().read(10) == []  # within the minute
    look.now = []
    assert [one.firing for one in read(next_one())] == [False]
    assert read(next_one()) == []
    look.now = [standing()]
    assert [one.firing for one in read(next_one())] == [True]


def test_couriers_of_one_home_share_what_they_told(look, clock, database):
    one, other = (StandingSource(look, clock, StandingMemory(database, "t")) for _ in range(2))
    look.now = [standing()]
    assert (len(read(one)), len(read(other))) == (1, 0)
    look.now = []
    assert (len(read(other)), len(read(one))) == (1, 0)


def test_what_stands_at_another_place_is_left_to_its_couriers(look, clock, database):
    look.now = [standing()]
    read(StandingSource(look, clock, StandingMemory(database, "here")))
    look.now = []
    assert read(StandingSource(look, clock, StandingMemory(database, "there"))) == []


def test_a_trouble_that_grows_worse_is_told_at_once(watched, look):
    look.now = [standing()]
    read(watched)
    look.now = [standing(severity="critical")]
    assert [one.severity for one in read(watched)] == ["critical"]


def test_the_end_of_a_trouble_is_told_again_until_it_is_stored(watched, look):
    look.now = [standing()]
    read(watched)
    look.now = []
    assert len(watched.read(10)) == 1
    assert len(read(watched)) == 1


def test_what_cannot_be_looked_at_is_no_end_of_a_trouble(clock):
    def unknown():
        raise StateUnreachableError("away", why="w", next_step="n")

    with pytest.raises(StateUnreachableError):
        StandingSource(unknown, clock).read(10)


# --- thresholds


def state(metric="errors_per_min", *, alerting=True):
    return ThresholdState(metric, 12.0, 10.0, "static", alerting, 0, 3)


def test_only_a_metric_that_alerts_is_told():
    assert threshold_alerts([state(alerting=False)], "internal-error", 7) == []
    (alert,) = threshold_alerts([state()], "broker-unreachable", 7)
    assert (alert.kind, alert.severity, alert.at_ns) == ("threshold", "high", 7)
    assert alert.what == "errors per min is 12"
    assert alert.why == "Its static threshold is 10."


def test_critical_errors_above_their_threshold_are_critical():
    (alert,) = threshold_alerts([state("criticals_5min")], "internal-error", 7)
    assert alert.severity == "critical"
