"""Whether people would be told, as health sees it."""

import pytest
from sqlalchemy import insert

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.health.notifications import given_up, proofs
from alchemiser_cli.health.status import health_status
from alchemiser_cli.state import delivery

MAIL = "notifications.mail.url=mailto://127.0.0.1"
PAGER = "notifications.pager.url=json://127.0.0.1"
DAY_S = 24 * 3_600

PROVED = "channels have proved themselves"
GIVEN_UP = "no message was given up"


@pytest.fixture
def message(database, clock):
    count = 0

    def message(channel="mail", state="sent", *, ago_s=60.0, error="", kind="alert"):
        nonlocal count
        count += 1
        at_ns = clock.now_ns() - round(ago_s * NS_PER_SECOND)
        row = {
            "id": f"{count:032x}",
            "channel": channel,
            "kind": kind,
            "severity": "high",
            "code": "broker-unreachable",
            "subject": "s",
            "text": "t",
            "html": "h",
            "state": state,
            "queued_ns": at_ns,
            "due_ns": at_ns,
            "attempts": 1,
            "sent_ns": at_ns if state == "sent" else None,
            "error": error,
        }
        with database.begin() as connection:
            connection.execute(insert(delivery).values(**row))

    return message


@pytest.fixture
def check(surroundings):
    def check(name, *assignments):
        found = health_status(surroundings(*assignments)).checks
        return next(one for one in found if one.name == name)

    return check


def test_without_a_channel_nothing_is_to_be_proved(check):
    assert check(PROVED).result == "skipped"
    assert check(GIVEN_UP).result == "success"


@pytest.mark.provokes("notification-failed")
def test_a_channel_that_never_took_a_message_warns(check):
    found = check(PROVED, MAIL)
    assert (found.result, found.code) == ("warning", "notification-failed")
    assert "mail never took a message" in found.detail
    assert "alchemiser notify test" in found.hint


def test_a_proof_of_the_week_is_enough(check, message):
    message(ago_s=6 * DAY_S)
    found = check(PROVED, MAIL)
    assert (found.result, found.detail) == ("success", "1 channel, the oldest proof 6 d old")


def test_a_proof_that_is_too_old_warns(check, message):
    message(ago_s=8 * DAY_S)
    assert "mail took its last message 8 d ago" in check(PROVED, MAIL).detail
    assert check(PROVED, MAIL, "alerts.proof_max_age_s=1000000").result == "success"


def test_a_test_is_a_proof(check, message):
    message(kind="test")
    assert check(PROVED, MAIL).result == "success"


def test_one_unproved_channel_of_two_is_named(check, message):
    message("mail")
    found = check(PROVED, MAIL, PAGER)
    assert found.result == "warning"
    assert "pager never took a message" in found.detail
    assert "mail took" not in found.detail


def test_a_disabled_channel_owes_nothing(check):
    assert check(PROVED, MAIL, "notifications.mail.enabled=false").result == "skipped"


def test_what_is_wrong_since_the_last_success_is_said(surroundings, database, clock, message):
    message(ago_s=300, state="failed", error="old trouble")
    message(ago_s=200)
    settings = surroundings(MAIL).settings
    assert [one.error for one in proofs(database, settings, clock.now_ns())] == [""]
    message(ago_s=100, state="queued", error="connection refused")
    assert [one.error for one in proofs(database, settings, clock.now_ns())] == [
        "connection refused"
    ]


def test_a_message_that_was_given_up_today_warns(check, message):
    message(state="failed", error="no such address")
    message(state="failed", error="no such address")
    found = check(GIVEN_UP, MAIL)
    assert found.result == "warning"
    assert "mail 2: no such address" in found.detail
    assert "alchemiser notify outbox --state failed" in found.hint


def test_a_message_that_was_given_up_yesterday_is_past(check, message):
    message(state="failed", ago_s=1.5 * DAY_S)
    assert check(GIVEN_UP).result == "success"


def test_a_test_that_failed_is_no_message_given_up(database, clock, message):
    message(state="failed", kind="test")
    assert given_up(database, clock.now_ns()) == []


def test_channels_degrade_and_never_are_critical(surroundings):
    assert health_status(surroundings(MAIL)).status == "degraded"
