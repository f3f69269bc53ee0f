"""A forecast from the journal: what counts, what is told, and what is left untold."""

import numpy as np
import pytest
from sqlalchemy import insert

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors.forecast import ANY_CRITICAL, forecast
from alchemiser_cli.errors.journal import Captured
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase, error_minute
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

MINUTE_NS = 60_000_000_000
NOW = 28_333_440  # a minute, 00:00 UTC
DAY = 1_440


@pytest.fixture
def database(tmp_path):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", ManualClock())
    yield database
    database.close()


@pytest.fixture
def record(database):
    """Put minutes with a code into the journal."""

    def put(code, minutes, *, component="consumer", critical=False, injected=False):
        row = {"code": code, "component": component, "injected": injected, "count": 3}
        row |= {"criticals": 3 if critical else 0, "recovered": 0}
        with database.begin() as connection:
            rows = [{"minute": int(minute), **row} for minute in minutes]
            connection.execute(insert(error_minute), rows)

    return put


def told(database, **options):
    outlook = forecast(database, (NOW - 1) * MINUTE_NS, **options)
    return {one.code: one for one in outlook.codes}


def nightly(days=60):
    """Every night at three, some minutes of failures; at other times next to none."""
    random = np.random.default_rng(3)
    starts = NOW - DAY * np.arange(1, days + 1) + 3 * 60
    return np.unique(starts[:, None] + random.integers(60, size=(days, 3)))


def test_an_empty_journal_has_no_outlook(database):
    outlook = forecast(database, NOW * MINUTE_NS)
    assert (outlook.since_minute, outlook.windows, outlook.codes) == (None, 0, [])


def test_a_nightly_failure_is_probable_at_night_and_not_by_day(database, record):
    record("feed-silent", nightly(), critical=True)
    by_day = told(database)["feed-silent"]
    assert by_day.abstained is None
    assert by_day.probability < 0.02
    night = forecast(database, (NOW + 3 * 60 - 1) * MINUTE_NS)
    assert next(one.probability for one in night.codes if one.code == "feed-silent") > 0.7
    assert 0.03 < by_day.base_rate < 0.06


def test_any_critical_is_every_code_while_it_is_critical_and_comes_first(database, record):
    record("feed-silent", nightly(), critical=True)
    record("broker-unreachable", nightly() + 1, critical=True)
    record("rate-limited", nightly() + 600)
    outlook = forecast(database, NOW * MINUTE_NS)
    assert outlook.codes[0].code == ANY_CRITICAL
    either = np.union1d(nightly(), nightly() + 1)
    assert outlook.codes[0].events == len(either)


def test_what_was_injected_does_not_count(database, record):
    record("rate-limited", nightly(), injected=True)
    record("feed-silent", nightly())
    assert set(told(database)) == {ANY_CRITICAL, "feed-silent"}


def test_components_of_a_minute_are_one_event(database, record):
    record("rate-limited", nightly())
    record("rate-limited", nightly(), component="feed")
    assert told(database)["rate-limited"].events == len(nightly())


def test_few_events_are_no_forecast_and_the_base_rate_remains(database, record):
    record("disk-full", NOW - DAY * np.arange(1, 20))
    one = told(database)["disk-full"]
    assert (one.events, one.abstained, one.probability, one.scores) == (
        *(19, "too few events", None, None),
    )
    assert one.base_rate == pytest.approx(20 / (19 * 24 + 2))


def test_a_short_history_is_no_forecast(database, record):
    record("disk-full", NOW - np.arange(1, 20 * 60, 20))
    assert told(database)["disk-full"].abstained == "too little history"
    assert told(database, window_minutes=3 * DAY)["disk-full"].base_rate is None


def test_failures_without_any_pattern_are_no_forecast(database, record):
    random = np.random.default_rng(4)
    record("disk-full", np.unique(NOW - random.integers(1, 90 * DAY, size=500)))
    one = told(database)["disk-full"]
    assert one.abstained == "no skill"
    assert one.probability is None
    assert one.scores is not None


def test_only_what_came_since_then_is_learned_from(database, record):
    record("feed-silent", nightly())
    recent = told(database, since_ns=(NOW - 3 * DAY) * MINUTE_NS)["feed-silent"]
    assert recent.events == 9
    assert recent.base_rate == pytest.approx((3 + 1) / (72 + 2), abs=0.01)


def test_one_code_is_asked_for_by_name(database, record):
    record("feed-silent", nightly(), critical=True)
    record("rate-limited", nightly())
    assert set(told(database, code="rate-limited")) == {"rate-limited"}
    assert told(database, code=ANY_CRITICAL)[ANY_CRITICAL].events == len(nightly())
    never = told(database, code="disk-full")["disk-full"]
    assert (never.events, never.abstained) == (0, "too few events")


def test_minutes_ahead_of_the_clock_are_left_out(database, record):
    record("feed-silent", [NOW - 5, NOW + 500])
    assert told(database)["feed-silent"].events == 1
    outlook = forecast(database, (NOW - 100) * MINUTE_NS)
    assert outlook.codes == []


def test_the_journals_own_counts_are_what_is_read(database):
    """Failures that the journal's store took are seen, a folded storm as its one minute."""
    code = "broker-unreachable"
    store = JournalStore(database)
    store.append([_captured(code, (NOW - 60 * hour) * MINUTE_NS) for hour in range(1, 6)])
    found = told(database)
    assert found[code].events == found[ANY_CRITICAL].events == 5


def test_a_postgresql_journal_is_forecast_alike(database):
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    times = [(NOW - 60 * hour) * MINUTE_NS for hour in range(1, 30)]
    failures = [_captured("broker-unreachable", at_ns) for at_ns in times]

    def outlook(opened):
        JournalStore(opened).append(failures)
        return forecast(opened, NOW * MINUTE_NS)

    with temporary_postgresql(programs) as url:
        server = StateDatabase(url, ManualClock())
        on_the_server = outlook(server)
        server.close()
    assert on_the_server == outlook(database)


def _captured(code, at_ns):
    return Captured(
        id=f"{at_ns:032d}",
        fingerprint=fingerprint(code, "consume", "gone"),
        template="gone",
        at_ns=at_ns,
        code=code,
        severity="critical",
        component="consume",
        operation="poll",
        run_id="r",
        what="gone",
        why="why",
        next_step="next",
        context={},
        causes=[],
        traceback="",
        count=1_000,
    )
