"""The history is read as the journal stored it, without what was injected."""

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors.journal import Captured, JournalStore
from alchemiser_cli.errors.patterns import read_history
from alchemiser_cli.errors.thresholds import Thresholds
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

DAY_NS = 86_400 * 10**9
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2
SECOND_NS = 10**9


@pytest.fixture
def database(tmp_path):
    opened = StateDatabase(f"sqlite:///{tmp_path / 'state.db'}", ManualClock())
    yield opened
    opened.close()


def failure(at_ns, code="broker-unreachable", **facts):
    texts = dict.fromkeys(("what", "why", "next_step", "traceback", "operation", "run_id"), "x")
    base = {"template": "x", "severity": "high", "component": "consumer"}
    return Captured(
        **texts | base | facts,
        id=f"{at_ns:x}{code}"[:32],
        fingerprint=code[:32],
        at_ns=at_ns,
        code=code,
        context={},
        causes=[],
    )


def read(database, since_ns=0):
    return read_history(database, since_ns=since_ns, until_ns=NOON_NS + 3 * DAY_NS)


def test_episodes_come_from_what_was_appended(database):
    JournalStore(database).append(
        [failure(NOON_NS + minutes * 60 * SECOND_NS) for minutes in (0, 1, 5, 30)]
    )
    history = read(database)
    (subject,) = history.subjects
    assert (subject.code, subject.component, subject.errors) == (
        "broker-unreachable",
        "consumer",
        4,
    )
    assert subject.starts_s.tolist() == [NOON_NS / 1e9, NOON_NS / 1e9 + 1_800]
    assert (history.first_day, history.days) == (20_000, 4)


def test_what_was_injected_is_no_history(database):
    JournalStore(database).append([failure(NOON_NS, injected=True)])
    assert read(database).subjects == ()


def test_the_order_within_a_minute_is_that_of_the_failures(database):
    JournalStore(database).append(
        [
            failure(NOON_NS + 30 * SECOND_NS, "broker-unreachable"),
            failure(NOON_NS + 10 * SECOND_NS, "registry-unreachable"),
            failure(NOON_NS + 2 * SECOND_NS, "registry-unreachable", injected=True),
            failure(NOON_NS + 3_600 * SECOND_NS + SECOND_NS, "broker-unreachable"),
        ]
    )
    starts = {one.code: (one.starts_s - NOON_NS / 1e9).tolist() for one in read(database).subjects}
    assert starts == {"broker-unreachable": [30, 3_600], "registry-unreachable": [10]}


def test_only_the_days_since_then_are_read(database):
    JournalStore(database).append([failure(NOON_NS - 9 * DAY_NS), failure(NOON_NS + DAY_NS)])
    history = read(database, since_ns=NOON_NS)
    assert [one.errors for one in history.subjects] == [1]
    assert history.first_day == 20_001


def test_samples_of_thresholds_are_read(database):
    thresholds = Thresholds(database)
    thresholds.evaluate("errors_per_min", 2.0, NOON_NS)
    thresholds.evaluate("errors_per_min", 9.0, NOON_NS + 1, injected=True)
    assert read(database).metrics["errors_per_min"].values.tolist() == [2.0]


def test_an_empty_journal_has_no_subject(database):
    assert read(database).subjects == ()


def test_a_postgresql_database_is_read_alike(database):
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    failures = [
        failure(NOON_NS + seconds * SECOND_NS, code)
        for seconds, code in ((5, "broker-unreachable"), (9, "disk-full"), (4_000, "disk-full"))
    ]

    def starts(opened):
        JournalStore(opened).append(failures)
        return [(one.code, one.errors, one.starts_s.tolist()) for one in read(opened).subjects]

    with temporary_postgresql(programs) as url:
        server = StateDatabase(url, ManualClock())
        on_the_server = starts(server)
        server.close()
    assert on_the_server == starts(database)
