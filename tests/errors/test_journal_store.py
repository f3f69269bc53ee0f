"""The journal's store counts each failure once, however it arrives, and answers from its counts."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import ErrorNotFoundError
from alchemiser_cli.errors.journal import Captured, Cause, MinuteCount
from alchemiser_cli.errors.journal.lifecycle import GroupRow
from alchemiser_cli.errors.journal.store import ErrorTotal, JournalStore
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.state import (
    StateDatabase,
    error_group,
    error_minute,
    error_occurrence,
    error_resolution,
)
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOW_NS = 28_333_333 * MINUTE
TABLES = (error_occurrence, error_group, error_minute, error_resolution)


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with temporary_postgresql(programs) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """An empty database of each kind."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/state.db" if sqlite else request.getfixturevalue("server")
    database = StateDatabase(url, ManualClock(), connect_timeout_s=30)
    _clear(database)
    yield database
    database.close()


@pytest.fixture
def store(database):
    return JournalStore(database)


def _clear(database):
    with database.begin() as connection:
        for table in TABLES:
            connection.execute(delete(table))


def failure(number, *, at_s=0.0, group="a", **parts):
    """The failure with this number of the group; its id begins with the number, in hexadecimal."""
    same = {
        "id": f"{number:04x}".ljust(32, "0"),
        "fingerprint": group.ljust(32, "0"),
        "template": f"no broker at * ({group})",
        "at_ns": NOW_NS + round(at_s * SECOND),
        "code": "broker-unreachable",
        "severity": "high",
        "component": "consume",
        "operation": "read",
        "run_id": "r1",
        "what": "no broker at h1",
        "why": "nobody listens",
        "next_step": "start it",
        "context": {"port": 9092, "words": "caf\u00e9"},
        "causes": [Cause("OSError", "refused"), Cause("ValueError", "bad")],
        "traceback": "Traceback",
    }
    return Captured(**same | parts)


def state_of(store, group="a"):
    return store.group(group).state


# --- what goes in comes out


def test_a_failure_is_read_back_with_all_its_parts(store):
    written = failure(1, recovered=True, injected=True, count=3)
    store.append([written])
    assert store.occurrence(written.id) == written
    assert store.occurrences(written.fingerprint) == [written]
    assert store.latest("broker-unreachable") == written


def test_nothing_to_append_opens_nothing(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path}/new/state.db", ManualClock())
    JournalStore(database).append([])
    assert not (tmp_path / "new").exists()


def test_an_empty_journal_answers_every_question(store):
    assert store.groups() == []
    assert store.occurrences("a") == []
    assert store.latest("usage") is None
    assert store.resolutions("usage") == []
    assert store.minutes(0) == []
    assert store.totals(0) == []
    assert store.criticals_since(0) == 0
    assert store.prune(NOW_NS, 0) == 0


def test_a_name_longer_than_its_column_is_cut_and_costs_no_failure(store):
    long = failure(1, component="c" * 70, operation="o" * 200, run_id="r" * 70)
    store.append([long])
    kept = store.occurrence(long.id)
    assert (kept.component, kept.operation, kept.run_id) == ("c" * 64, "o" * 128, "r" * 64)
    assert store.groups(component="c" * 64) == [store.group("a")]


# --- groups


def test_a_group_counts_its_failures_and_knows_the_first_and_the_last(store):
    store.append([failure(1, at_s=5), failure(2, at_s=1, count=10, injected=True)])
    store.append([failure(3, at_s=9, severity="critical", recovered=True)])
    group = store.group("a")
    assert (group.count, group.injected, group.recovered) == (12, 10, 1)
    assert (group.first_seen_ns, group.last_seen_ns) == (NOW_NS + SECOND, NOW_NS + 9 * SECOND)
    assert (group.severity, group.template) == ("critical", "no broker at * (a)")


def test_groups_are_listed_by_when_they_were_last_seen(store):
    store.append([failure(n, at_s=n, group=f"{n}") for n in (2, 3, 1)])
    assert [group.fingerprint[0] for group in store.groups()] == ["3", "2", "1"]
    assert [group.fingerprint[0] for group in store.groups(limit=2)] == ["3", "2"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"code": "usage"}, "b"),
        ({"component": "feed"}, "c"),
        ({"state": "recovering"}, "d"),
        ({"since_ns": NOW_NS + 3 * SECOND}, "dc"),
        ({"injected": True}, "cb"),
        ({"injected": False}, "dca"),
        ({"code": "usage", "component": "feed"}, ""),
    ],
    ids=str,
)
def test_groups_are_filtered(wanted, found, store):
    """Group b was only ever injected; c both, and the rest never."""
    store.append(
        [
            failure(1, at_s=1, group="a"),
            failure(2, at_s=2, group="b", code="usage", injected=True),
            failure(3, at_s=3, group="c", component="feed"),
            failure(4, at_s=3, group="c", component="feed", injected=True),
            failure(5, at_s=4, group="d", recovered=True),
        ]
    )
    assert "".join(group.fingerprint[0] for group in store.groups(**wanted)) == found


# --- the states of a group


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ("f", "open"),
        ("ff", "open"),
        ("r", "recovering"),
        ("fr", "recovering"),
        ("frf", "open"),
        ("fR", "resolved"),
        ("frR", "resolved"),
        ("fRf", "regressed"),
        ("fRff", "regressed"),
        ("fRfr", "recovering"),
        ("fRr", "recovering"),
        ("fRfR", "resolved"),
    ],
)
def test_a_group_goes_through_its_states(story, state, store):
    """f: it failed; r: it failed and was recovered from; R: somebody resolved it."""
    for number, step in enumerate(story):
        if step == "R":
            at_ns = NOW_NS + number * SECOND
            store.resolve("a", text="restart", worked=True, author="me", at_ns=at_ns)
        else:
            store.append([failure(number, at_s=number, recovered=step == "r")])
    assert state_of(store) == state


def test_a_failure_from_before_the_resolution_that_arrives_late_is_no_regression(store):
    store.append([failure(1)])
    store.resolve("a", text="restart", worked=True, author="me", at_ns=NOW_NS + 10 * SECOND)
    store.append([failure(2, at_s=10)])
    assert (state_of(store), store.group("a").count) == ("resolved", 2)
    store.append([failure(3, at_s=10.1)])
    assert state_of(store) == "regressed"


def test_an_old_recovery_that_arrives_late_does_not_hide_a_newer_failure(store):
    store.append([failure(1, at_s=5)])
    store.append([failure(2, at_s=4, recovered=True)])
    assert (state_of(store), store.group("a").recovered) == ("open", 1)


# --- how it was mended


def test_a_resolution_is_kept_with_how_long_it_took(store):
    store.append([failure(1)])
    made = store.resolve(
        "a", text="restart", worked=True, author="m" * 70, at_ns=NOW_NS + 90 * SECOND
    )
    assert (made.code, made.fingerprint) == ("broker-unreachable", "a".ljust(32, "0"))
    assert (made.text, made.worked, made.author, made.seconds) == ("restart", True, "m" * 64, 90)
    assert store.resolutions("broker-unreachable") == [made]
    assert store.group("a").state_changed_ns == NOW_NS + 90 * SECOND


def test_the_time_counts_from_when_the_trouble_came_back(store):
    store.append([failure(1)])
    store.resolve("a", text="restart", worked=None, author="me", at_ns=NOW_NS + 10 * SECOND)
    store.append([failure(2, at_s=100), failure(3, at_s=110, recovered=True)])
    made = store.resolve(
        "a", text="new disk", worked=True, author="me", at_ns=NOW_NS + 130 * SECOND
    )
    assert made.seconds == 30
    assert [one.text for one in store.resolutions(made.code)] == ["new disk", "restart"]


def test_what_did_not_work_is_kept_and_resolves_nothing(store):
    store.append([failure(1)])
    store.resolve("a", text="wait", worked=False, author="me", at_ns=NOW_NS + SECOND)
    assert state_of(store) == "open"
    assert [one.worked for one in store.resolutions("broker-unreachable")] == [False]


def test_a_group_is_resolved_by_the_id_of_one_of_its_failures_too(store):
    store.append([failure(0x1234, group="b")])
    made = store.resolve("1234", text="restart", worked=True, author="me", at_ns=NOW_NS)
    assert made.fingerprint == "b".ljust(32, "0")
    assert state_of(store, "b") == "resolved"


# --- names cut short


@pytest.mark.provokes("error-not-found")
@pytest.mark.parametrize("prefix", ["f", "", "%", "_", "A'", "00", "\u00e9"])
def test_the_beginning_of_an_id_must_name_one_failure(prefix, store):
    """Failures 1 and 2 both begin with 00."""
    store.append([failure(1), failure(2)])
    with pytest.raises(ErrorNotFoundError) as caught:
        store.occurrence(prefix)
    assert caught.value.exit_code is ExitCode.NOT_FOUND
    assert ("more than one" in caught.value.what) is (prefix == "00")


def test_a_whole_name_is_found_though_another_begins_with_it(store):
    store.append([failure(1, id="ab"), failure(2, id="abc"), failure(3, id="abd")])
    assert store.occurrence("ab").id == "ab"
    assert store.occurrence("abc").id == "abc"


@pytest.mark.provokes("error-not-found")
def test_who_resolves_what_is_not_there_is_told(store):
    with pytest.raises(ErrorNotFoundError, match="'dead'"):
        store.resolve("dead", text="x", worked=True, author="me", at_ns=NOW_NS)
    assert store.resolutions("broker-unreachable") == []


def test_the_latest_of_a_code_is_the_newest_of_all_its_groups(store):
    store.append([failure(1, at_s=3), failure(2, at_s=5, group="b"), failure(3, at_s=4)])
    assert store.latest("broker-unreachable").id.startswith("0002")
    assert store.latest("usage") is None


# --- minutes and totals


def test_failures_are_counted_by_the_minute(store):
    store.append([failure(1, at_s=1), failure(2, at_s=59, severity="critical", count=5)])
    store.append([failure(3, at_s=60, recovered=True), failure(4, at_s=30, injected=True)])
    first = NOW_NS // MINUTE
    same = ("broker-unreachable", "consume")
    counts = [
        MinuteCount(first, *same, injected=False, count=6, criticals=5, recovered=0),
        MinuteCount(first, *same, injected=True, count=1, criticals=0, recovered=0),
        MinuteCount(first + 1, *same, injected=False, count=1, criticals=0, recovered=1),
    ]
    assert store.minutes(first) == counts
    assert store.minutes(first, first + 1) == counts[:2]
    assert store.minutes(first + 1) == counts[2:]
    assert store.totals(first) == [ErrorTotal(*same, 8, 5, 1, 1)]
    assert store.totals(first + 1) == [ErrorTotal(*same, 1, 0, 1, 0)]
    assert store.totals(first, first) == []


def test_totals_come_by_code_and_component_the_most_frequent_first(store):
    store.append(
        [
            failure(1, group="a", count=2),
            failure(2, group="b", component="feed", count=3),
            failure(3, group="c", code="usage", count=4),
        ]
    )
    found = [(total.code, total.component, total.count) for total in store.totals(0)]
    assert found == [
        ("usage", "consume", 4),
        ("broker-unreachable", "feed", 3),
        ("broker-unreachable", "consume", 2),
    ]


def test_criticals_are_counted_from_a_moment_on(store):
    critical = {"severity": "critical"}
    store.append([failure(1, at_s=1, **critical), failure(2, at_s=2, count=4, **critical)])
    store.append([failure(3, at_s=3, injected=True, **critical), failure(4, at_s=3)])
    assert store.criticals_since(NOW_NS + 2 * SECOND) == 5
    assert store.criticals_since(NOW_NS + 2 * SECOND, injected=False) == 4
    assert store.criticals_since(NOW_NS + 4 * SECOND) == 0


# --- dropping what is old


def test_pruning_keeps_the_newest_of_each_group_and_every_count(store):
    store.append([failure(n, at_s=n) for n in range(10)])
    store.append([failure(100 + n, at_s=n, group="b") for n in range(3)])
    before = (store.groups(), store.minutes(0))
    assert store.prune(NOW_NS + 8 * SECOND, 5) == 5
    kept = [one.at_ns for one in store.occurrences("a".ljust(32, "0"))]
    assert kept == [NOW_NS + n * SECOND for n in (9, 8, 7, 6, 5)]
    assert len(store.occurrences("b".ljust(32, "0"))) == 3
    assert (store.groups(), store.minutes(0)) == before
    assert store.prune(NOW_NS + 8 * SECOND, 0) == 6


# --- laws


captures = st.lists(
    st.builds(
        failure,
        st.integers(0, 30),
        at_s=st.integers(0, 200),
        group=st.sampled_from("abc"),
        severity=st.sampled_from(["low", "critical"]),
        component=st.sampled_from(["consume", "feed"]),
        recovered=st.booleans(),
        injected=st.booleans(),
        count=st.integers(1, 1_000),
    ),
    max_size=25,
)
one_database_for_all_examples = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _kept(store):
    return store.groups(), store.minutes(0)


@one_database_for_all_examples
@given(captures=captures, data=st.data())
def test_any_batching_gives_the_same_groups_and_minutes(database, store, captures, data):
    """A capture may come twice, in one batch or in two: of one id, the first counts."""
    _clear(database)
    store.append(captures)
    at_once = _kept(store)
    _clear(database)
    rest = captures
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        store.append(rest[:size])
        rest = rest[size:]
    assert _kept(store) == at_once
    groups = at_once[0]
    first_of_id = {capture.id: capture for capture in reversed(captures)}
    assert sum(group.count for group in groups) == sum(one.count for one in first_of_id.values())


@one_database_for_all_examples
@given(captures=captures, data=st.data())
def test_a_batch_that_is_replayed_changes_nothing(database, store, captures, data):
    _clear(database)
    store.append(captures)
    before = _kept(store)
    again = data.draw(st.lists(st.sampled_from(captures), max_size=30)) if captures else []
    store.append(again)
    assert _kept(store) == before


@given(captures=captures)
def test_counts_and_times_do_not_depend_on_the_order_of_arrival(captures):
    def counted(order):
        row = GroupRow.opened_by(order[0])
        for capture in order:
            row.add(capture)
        return row.count, row.injected, row.recovered, row.first_seen_ns, row.last_seen_ns

    if captures:
        assert counted(captures) == counted(captures[::-1])


def test_writers_at_once_count_every_failure(store):
    """Each of four threads appends the failures of all four, in batches of its own order."""
    failures = [failure(n, group="abc"[n % 3]) for n in range(200)]
    orders = [failures, failures[::-1], failures[100:] + failures[:100], failures[::3] + failures]
    troubles = []

    def write(order):
        try:
            for start in range(0, len(order), 17):
                store.append(order[start : start + 17])
        except Exception as error:  # noqa: BLE001  told by the assertion below
            troubles.append(error)

    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert sum(group.count for group in store.groups()) == 200
    assert sum(minute.count for minute in store.minutes(0)) == 200


# --- speed


def test_no_answer_walks_over_all_occurrences(tmp_path):
    """What a command reads at a million rows comes from counts and through indices."""
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock())
    store = JournalStore(database)
    store.append([failure(1, severity="critical")])
    asked = []
    with database.begin() as connection:
        event.listen(connection.engine, "before_cursor_execute", _note(asked))
    store.groups(code="broker-unreachable", since_ns=1)
    store.group("a")
    store.occurrence("0001")
    store.occurrences("a".ljust(32, "0"))
    store.latest("broker-unreachable")
    store.minutes(1)
    store.totals(1)
    store.criticals_since(1)
    with database.begin() as connection:
        plans = [
            (row.detail, statement)
            for statement, parameters in list(asked)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(plans) >= 8
    walks = [plan for plan in plans if plan[0].startswith(("SCAN error_occ", "SCAN error_min"))]
    assert walks == []
    database.close()


def _note(asked):
    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    return note
