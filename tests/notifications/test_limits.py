"""Limits: how much people are told at most, and the digest that tells what was held."""

import msgspec
import pytest
from test_ledger import message

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.notifications.digests import queue_digests
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.limits import admit, queue_within_limits
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

SETTINGS = AlertSettings()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    yield Ledger(database, clock)
    database.close()


def told(ledger, clock, count, settings=SETTINGS, **changes):
    """Queue messages within limits, and return how many were admitted."""
    start = sum(ledger.counts().values())
    new = [message(f"{start + n:06}", clock, **changes) for n in range(count)]
    stored = queue_within_limits(ledger, new, settings, clock.now_ns())
    assert len(stored) == count
    return sum(one.state == "queued" for one in stored)


@pytest.mark.parametrize(
    ("severity", "limit", "window_s"),
    [("critical", 5, 300), ("high", 10, 900), ("medium", 20, 3_600), ("low", 20, 3_600)],
)
def test_each_class_of_severity_has_its_limit_and_its_window(
    ledger, clock, severity, limit, window_s
):
    assert told(ledger, clock, limit + 7, severity=severity) == limit
    clock.advance(window_s - 1)
    assert told(ledger, clock, 3, severity=severity) == 0
    clock.advance(1)
    assert told(ledger, clock, 3, severity=severity) == 3


def test_a_code_a_channel_and_a_class_of_severity_has_a_limit_of_its_own(ledger, clock):
    assert told(ledger, clock, 6, severity="critical") == 5
    assert told(ledger, clock, 6, severity="critical", code="disk-full") == 5
    assert told(ledger, clock, 6, severity="critical", channel="sms") == 5
    assert told(ledger, clock, 11, severity="high") == 10


def test_medium_and_low_share_one_limit(ledger, clock):
    assert told(ledger, clock, 15, severity="low") == 15
    assert told(ledger, clock, 15, severity="medium") == 5


def test_over_all_codes_a_channel_has_a_ceiling_with_a_lane_for_criticals(ledger, clock):
    for code in range(4):
        told(ledger, clock, 10, severity="high", code=f"c{code}")
    assert ledger.counts() == {("mail", "queued"): 20, ("mail", "held"): 20}
    assert told(ledger, clock, 5, severity="critical", code="x") == 5
    assert told(ledger, clock, 5, severity="critical", code="y") == 5
    assert told(ledger, clock, 5, severity="critical", code="z") == 0
    assert told(ledger, clock, 1, severity="high", code="new", channel="sms") == 1


def test_tests_and_digests_are_never_held_and_not_counted(ledger, clock):
    assert told(ledger, clock, 50, kind="test", incident=None) == 50
    assert admit(ledger, message("x", clock), SETTINGS, clock.now_ns()) == "queued"


def test_what_was_cancelled_leaves_room(ledger, clock):
    assert told(ledger, clock, 5, severity="critical") == 5
    ledger.cancel_of("i1")
    assert told(ledger, clock, 1, severity="critical") == 1


def test_what_is_held_arrives_as_one_digest_a_channel_with_every_count(ledger, clock):
    told(ledger, clock, 12, severity="high", subject="[HIGH] broker-unreachable: gone")
    told(ledger, clock, 8, severity="critical", code="disk-full", subject="[CRITICAL] disk-full: x")
    told(ledger, clock, 6, severity="critical", channel="sms")
    clock.advance(SETTINGS.digest_every_s - 1)
    assert queue_digests(ledger, SETTINGS, clock.now_ns()) == 0
    clock.advance(1)
    assert queue_digests(ledger, SETTINGS, clock.now_ns()) == 2
    assert queue_digests(ledger, SETTINGS, clock.now_ns()) == 0
    mail, sms = sorted(
        (one for one in ledger.list() if one.kind == "digest"), key=lambda one: one.channel
    )
    assert mail.subject == "[DIGEST] 5 messages held back: disk-full x 3, broker-unreachable x 2"
    assert mail.severity == "critical"
    assert sms.subject == "[DIGEST] 1 message held back: broker-unreachable x 1"
    assert "3 x:" in mail.text
    assert "[HIGH] broker-unreachable: gone" in mail.text
    told_of = [one for one in ledger.list(state="digested") if one.digest == mail.id]
    assert len(told_of) == 5


def test_a_storm_gives_at_most_the_limits_number_of_messages(ledger, clock):
    for minute in range(60):
        told(ledger, clock, 20, severity="critical", code=f"c{minute % 7}")
        queue_digests(ledger, SETTINGS, clock.now_ns())
        clock.advance(60)
    queue_digests(ledger, SETTINGS, clock.now_ns())
    messages = ledger.list(limit=10_000)
    alerts = [one for one in messages if one.kind != "digest"]
    assert sum(one.state == "queued" for one in alerts) == SETTINGS.recipient_limit
    assert sum(one.state in ("digested", "held") for one in alerts) == 1_200 - 30
    assert sum(one.kind == "digest" for one in messages) <= 4


def test_each_message_is_in_one_state_and_admission_changes_nothing_else(ledger, clock):
    one = message("a", clock)
    (stored,) = queue_within_limits(ledger, [one], SETTINGS, clock.now_ns())
    assert stored == msgspec.structs.replace(one, state="queued")
