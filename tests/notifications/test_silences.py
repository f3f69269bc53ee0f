"""Silences: whom they keep quiet, for how long, and by whose word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.errors import SilenceNotFoundError, UsageError
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.notifications.alert import Alert
from alchemiser_cli.notifications.matching import Matcher
from alchemiser_cli.notifications.silences import LONGEST_S, Silence, Silences, silenced_by
from alchemiser_cli.state import StateDatabase

FEED = Matcher(component=("feed:*",))


def alert(component="feed:prices", kind="error"):
    return Alert(
        fingerprint="ab" * 8,
        kind=kind,
        severity="high",
        code="websocket-lost",
        component=component,
        what="the connection was lost",
        at_ns=1,
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
def silences(database, clock):
    return Silences(database, clock)


@pytest.fixture
def add(silences, clock):
    """Add a silence that ends after ``seconds``."""

    def adding(matcher=FEED, *, seconds=60.0, author="ada", reason="moving the feed"):
        return silences.add(
            matcher, clock.now_ns() + round(seconds * NS_PER_SECOND), author, reason
        )

    return adding


def test_a_silence_holds_until_its_end_and_not_at_it(silences, add, clock):
    added = add(seconds=60)
    assert silences.of(alert(), clock.now_ns()) == added
    assert silences.of(alert("consumer"), clock.now_ns()) is None
    clock.advance(59.999)
    assert silences.list() == [added]
    clock.advance(0.001)
    assert silences.of(alert(), clock.now_ns()) is None
    assert silences.list() == []
    assert silences.list(ended=True) == [added]


def test_other_processes_have_the_same_silences(add, database, clock):
    added = add(Matcher(severity=("low", "high"), code=("websocket-lost",), fingerprint=("a*",)))
    assert Silences(database, clock).list() == [added]
    assert (added.author, added.reason, added.at_ns) == ("ada", "moving the feed", clock.now_ns())


def test_a_silence_is_ended_by_the_beginning_of_its_id(silences, add, clock):
    added = add()
    clock.advance(5)
    ended = silences.end(added.id[:12])
    assert ended.ended_ns == clock.now_ns()
    assert silences.of(alert(), clock.now_ns()) is None
    clock.advance(5)
    assert silences.end(added.id) == ended
    assert silences.list(ended=True) == [ended]


@pytest.mark.provokes("silence-not-found")
@pytest.mark.parametrize("prefix", ["", "nothing", "%", "_", "*", "ä", "a\0", "x" * 5_000])
def test_an_id_that_names_no_silence_is_told(silences, add, prefix):
    add()
    with pytest.raises(SilenceNotFoundError) as caught:
        silences.end(prefix)
    assert caught.value.exit_code is ExitCode.NOT_FOUND
    assert len(silences.list()) == 1


@pytest.mark.provokes("silence-not-found")
def test_an_id_that_names_several_is_told(silences, add):
    for _ in range(17):  # sixteen digits: two of them begin alike
        add()
    first = [one.id[0] for one in silences.list()]
    with pytest.raises(SilenceNotFoundError, match="more than one"):
        silences.end(next(digit for digit in first if first.count(digit) > 1))


@pytest.mark.provokes("usage")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"matcher": Matcher()}, "every alert"),
        ({"matcher": Matcher(code=("a*b",))}, "not at its end"),
        ({"matcher": Matcher(code=("*",))}, "leave code out"),
        ({"seconds": 0.0}, "past"),
        ({"seconds": -5.0}, "past"),
        ({"seconds": LONGEST_S + 1.0}, "30 days"),
        ({"author": " \n"}, "author"),
        ({"reason": "\t"}, "reason"),
    ],
)
def test_a_silence_without_scope_end_author_or_reason_is_refused(silences, add, given, said):
    with pytest.raises(UsageError) as caught:
        add(**given)
    assert said in caught.value.why
    assert silences.list(ended=True) == []


def test_author_and_reason_are_one_line_that_fits(add):
    added = add(author="ada\x1b[31m\r\nroot" + "x" * 100, reason="a\n\nb\u202e" + "y" * 900)
    assert added.author.startswith("ada [31m root")
    assert (len(added.author), len(added.reason)) == (64, 500)
    assert added.reason.startswith("a b y")


def test_a_test_message_is_never_silenced(silences, add, clock):
    """`notify test` is to show what arrives."""
    add()
    assert silences.of(alert(kind="drill"), clock.now_ns()) is not None
    assert silences.of(alert(kind="test"), clock.now_ns()) is None


@given(
    st.lists(st.tuples(st.integers(0, 10), st.none() | st.integers(0, 10)), max_size=5),
    st.integers(0, 10),
)
def test_the_silence_that_lasts_longest_is_the_one_named(spans, now_ns):
    made = [
        Silence(
            id=str(at), matcher=FEED, until_ns=end, author="a", reason="b", at_ns=0, ended_ns=ended
        )
        for at, (end, ended) in enumerate(spans)
    ]
    found = silenced_by(made, alert(), now_ns)
    ends = [end for end, ended in spans if ended is None and end > now_ns]
    assert (found.until_ns if found else None) == max(ends, default=None)
