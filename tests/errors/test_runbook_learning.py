"""A runbook learns which resolutions work, how well, how fast, and which are out of date."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import event

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors.journal import Captured, JournalStore, Resolution, skeleton
from alchemiser_cli.errors.journal.fingerprint import fingerprint
from alchemiser_cli.errors.journal.history import code_history
from alchemiser_cli.errors.journal.remedies import known_resolutions, wilson_interval
from alchemiser_cli.errors.journal.uses import Use
from alchemiser_cli.errors.journal.wording import gist
from alchemiser_cli.state import StateDatabase

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
NOW_NS = 1_700_000_000 * SECOND
CODE = "broker-unreachable"


class Journal:
    """A real journal in a file, told of failures and of what was done about them."""

    def __init__(self, folder):
        self.database = StateDatabase(f"sqlite:///{folder}/state.db", ManualClock())
        self.store = JournalStore(self.database)
        self._number = 0

    def fail(self, at_ns, *, what="no broker answers", injected=False):
        self._number += 1
        template = skeleton(what)
        capture = Captured(
            id=f"{self._number:032x}",
            fingerprint=fingerprint(CODE, "consume", template),
            template=template,
            at_ns=at_ns,
            code=CODE,
            severity="high",
            component="consume",
            operation="read",
            run_id="r1",
            what=what,
            why="nobody listens",
            next_step="start it",
            context={},
            causes=[],
            traceback="",
            injected=injected,
        )
        self.store.append([capture])
        return capture.fingerprint

    def mend(self, at_ns, text, *, after_s=60, worked=True, author="ann", **failure):
        """Let it fail, and record ``after_s`` seconds later what was done."""
        group = self.fail(at_ns, **failure)
        self.store.resolve(
            group, text=text, worked=worked, author=author, at_ns=at_ns + after_s * SECOND
        )

    def history(self, now_ns=NOW_NS):
        return code_history(self.store, CODE, now_ns)

    def known(self, now_ns=NOW_NS):
        return self.history(now_ns).resolutions


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.database.close()


def use(text="restarted it", *, at_ns=NOW_NS - DAY, worked=True, returned_ns=None, number=0):
    record = Resolution(
        id=f"{number:032x}",
        fingerprint="a" * 32,
        code=CODE,
        at_ns=at_ns,
        text=text,
        worked=worked,
        author="ann",
        seconds=60,
    )
    return Use(record, returned_ns)


# --- which words are one resolution


@pytest.mark.parametrize(
    "text",
    [
        "Restarted broker 3.",
        "restarted the broker 10.0.0.7:9092",
        "broker 12 was restarted",
        "  restarting   broker 2!",
        '"restart" broker 4',
    ],
)
def test_near_wordings_are_one_resolution(text):
    assert gist(text) == gist("restarted broker 2")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("restarted the broker", "restarted the consumer"),
        ("increased the timeout to 30 s", "decreased the timeout to 30 s"),
        ("set 'kafka.mode' to own", "set 'kafka.bootstrap' to own"),
        ("moved from blue to green", "moved from green to blue"),
        ("restarted it", "did not restart it"),
        ("1", "2"),
    ],
)
def test_different_acts_stay_apart(one, other):
    assert gist(one) != gist(other)


@given(st.text(max_size=80))
@example("\u0130 \ud800 <*>")
def test_any_words_have_a_gist_that_ignores_case_and_space(text):
    """Also what is no language at all."""
    assert gist(text) == gist(f"  {text}\n")
    assert gist(text.upper()) == gist(text.upper().casefold())


def test_the_newest_wording_stands_for_all(journal):
    journal.mend(NOW_NS - 40 * DAY, "restarted broker 2", author="ann")
    journal.mend(NOW_NS - 20 * DAY, "Restarted broker 3.", author="bob")
    (known,) = journal.known()
    assert (known.text, known.author) == ("Restarted broker 3.", "bob")
    assert (known.worked, known.tried) == (2, 2)


# --- how well it works


def test_nineteen_of_twenty_stand_above_one_of_one():
    tried = [use("restarted it", worked=number > 0, number=number) for number in range(20)]
    first, second = known_resolutions([use("waited", number=99), *tried], NOW_NS)
    assert (first.text, first.worked, first.tried) == ("restarted it", 19, 20)
    assert (second.text, second.rate_low, second.rate_high) == ("waited", 0.2065, 1.0)


def test_what_never_worked_comes_last_and_an_unknown_end_is_not_counted():
    tried = [
        use("prayed", worked=False),
        use("asked", worked=None, number=1),
        use("waited", number=2),
    ]
    known = known_resolutions(tried, NOW_NS)
    counts = [(one.text, one.worked, one.tried, one.unknown) for one in known]
    assert counts == [("waited", 1, 1, 0), ("asked", 0, 0, 1), ("prayed", 0, 1, 0)]


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_rate_and_narrows_with_every_trial(worked, failed):
    """Ten times the evidence for the same rate is told more closely."""
    tried = worked + failed
    low, high = wilson_interval(worked, tried)
    assert 0 <= low <= high <= 1
    if tried:
        assert low - 1e-9 <= worked / tried <= high + 1e-9
        more_low, more_high = wilson_interval(10 * worked, 10 * tried)
        assert more_high - more_low < high - low


def test_the_interval_is_wilsons():
    """19 of 20, as published tables have it."""
    assert wilson_interval(19, 20) == pytest.approx((0.7639, 0.9911), abs=1e-4)


uses_of_any_kind = st.lists(
    st.tuples(
        st.sampled_from(["restarted broker 1", "Restarted broker 2", "waited", "called the desk"]),
        st.sampled_from([True, False, None]),
        st.integers(0, 400),
    ),
    max_size=30,
)


@given(uses_of_any_kind)
def test_no_use_is_lost_and_none_counted_twice(drawn):
    those = [
        use(text, worked=worked, at_ns=NOW_NS - days * DAY, number=number)
        for number, (text, worked, days) in enumerate(drawn)
    ]
    known = known_resolutions(those, NOW_NS)
    assert sum(one.tried + one.unknown for one in known) == len(drawn)
    assert sum(one.worked for one in known) == sum(worked is True for _, worked, _ in drawn)
    assert known_resolutions(reversed(those), NOW_NS) == known


def test_how_long_it_took_is_told_by_median_and_ninetieth_percentile(journal):
    for number in range(11):
        journal.mend(NOW_NS - (200 - 10 * number) * DAY, "restarted it", after_s=60 * number)
    (known,) = journal.known()
    assert (known.median_seconds, known.p90_seconds) == (300, 540)


def test_a_failed_try_says_nothing_of_how_long_it_takes(journal):
    journal.mend(NOW_NS - DAY, "waited", worked=False, after_s=9_000)
    (known,) = journal.known()
    assert (known.median_seconds, known.p90_seconds, known.last_worked_ns) == (None, None, None)


# --- what is out of date


def test_what_worked_last_half_a_year_ago_is_stale_and_stands_behind(journal):
    for number in range(5):
        journal.mend(NOW_NS - (400 - 10 * number) * DAY, "rolled back")
    journal.mend(NOW_NS - 10 * DAY, "restarted it")
    fresh, old = journal.known()
    assert (fresh.text, fresh.stale) == ("restarted it", None)
    assert (old.text, old.stale) == ("rolled back", "it last worked 360 d ago")


def test_an_error_that_comes_back_soon_makes_its_resolution_stale(journal):
    """It is open again an hour later."""
    journal.mend(NOW_NS - DAY, "waited")
    assert journal.known()[0].stale is None
    journal.fail(NOW_NS - DAY + HOUR)
    (known,) = journal.known()
    assert (known.returned, known.stale) == (
        1,
        "the error was back within 7 d after 1 of 1 uses",
    )


def test_a_return_that_was_itself_mended_still_counts(journal):
    journal.mend(NOW_NS - DAY, "waited")
    journal.mend(NOW_NS - DAY + HOUR, "restarted it")
    returned = {one.text: one.returned for one in journal.known()}
    assert returned == {"waited": 1, "restarted it": 0}


def test_a_return_after_weeks_is_another_trouble(journal):
    journal.mend(NOW_NS - 60 * DAY, "restarted it")
    journal.fail(NOW_NS - 30 * DAY)
    (known,) = journal.known()
    assert (known.returned, known.stale) == (0, None)


def test_two_records_of_one_trouble_are_no_return(journal):
    journal.mend(NOW_NS - DAY, "restarted it")
    group = journal.store.groups()[0].fingerprint
    journal.store.resolve(
        group, text="and told the desk", worked=True, author="bob", at_ns=NOW_NS - DAY + HOUR
    )
    assert [one.returned for one in journal.known()] == [0, 0]


def test_one_return_of_three_is_not_more_often_than_not(journal):
    journal.mend(NOW_NS - 90 * DAY, "restarted it")
    journal.mend(NOW_NS - 60 * DAY, "restarted it")
    journal.mend(NOW_NS - 58 * DAY, "restarted it")
    (known,) = journal.known()
    assert (known.returned, known.worked, known.stale) == (1, 3, None)


# --- what was caused on purpose teaches nothing


def test_what_was_done_about_a_drill_is_no_experience(journal):
    journal.mend(NOW_NS - DAY, "stopped the drill", what="drilled", injected=True)
    history = journal.history()
    assert (history.count, history.injected, history.resolutions) == (1, 1, [])


def test_a_drill_of_a_real_error_is_told_apart_and_is_no_return(journal):
    """Both fall into the same group."""
    journal.mend(NOW_NS - DAY, "restarted it")
    journal.mend(NOW_NS - DAY + HOUR, "stopped the drill", injected=True)
    journal.fail(NOW_NS - DAY + 2 * HOUR, injected=True)
    (known,) = journal.known()
    assert (known.text, known.returned, known.stale) == ("restarted it", 0, None)


def test_a_real_failure_within_a_drill_makes_its_resolution_count(journal):
    group = journal.fail(NOW_NS - DAY, injected=True)
    journal.fail(NOW_NS - DAY + SECOND)
    journal.store.resolve(
        group, text="restarted it", worked=True, author="ann", at_ns=NOW_NS - DAY + MINUTE
    )
    assert [one.text for one in journal.known()] == ["restarted it"]


def test_the_counts_of_chosen_minutes_are_read_by_code(journal):
    """More of them than one question to the database takes."""
    first = NOW_NS // MINUTE
    for minute in (0, 1, 1_000):
        journal.fail(NOW_NS + minute * MINUTE)
    found = journal.store.minutes_of(CODE, range(first + 1, first + 1_500))
    assert [one.minute - first for one in found] == [1, 1_000]
    assert journal.store.minutes_of("usage", [first]) == []


# --- what it costs


def test_no_single_failure_is_read(journal):
    """So that it takes as long in a journal of a million failures."""
    journal.mend(NOW_NS - DAY, "restarted it")
    journal.fail(NOW_NS - HOUR, injected=True)
    asked = []
    with journal.database.begin() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", lambda *parts: asked.append(parts[2]))
    assert journal.history().count == 2
    assert asked
    assert not [statement for statement in asked if "error_occurrence" in statement]
