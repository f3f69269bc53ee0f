"""Faults on the way to a channel: the outbox keeps, tries again, and sends each message once."""

import random
import signal
import subprocess
import sys
import threading

import pytest
from pydantic import SecretStr
from test_ledger import message

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.outcomes import within
from alchemiser_cli.notifications.sending import failure_of, send_due
from alchemiser_cli.notifications.webhook import WebhookChannel
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.webhook import running_hook

PLACE = "notify.send"
VICTIM = """
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.outcomes import within
fault_point("notify.send").arm(Armed(Fault(kind=FaultKind.KILL), 60, target="notify.send"))
within(5.0, lambda: print("sent", flush=True) or Outcome())
"""


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    yield database
    database.close()


@pytest.fixture
def hook():
    with running_hook() as hook:
        yield hook


def arm(word, **more):
    point = fault_point(PLACE)
    kind = point.target.kind_of(word)
    armed = Armed(
        Fault(kind=kind, word=word if kind is FaultKind.RAISE else "", **more), 30, target=PLACE
    )
    point.arm(armed)
    return armed


def send(ledger, hook, clock, *, timeout_s):
    settings = NotificationChannel(url=SecretStr(hook.url))
    channels = {"mail": WebhookChannel("mail", settings, timeout_s, clock)}
    return send_due(ledger, channels, clock, threading.Event())


def opened(database, clock, **settings):
    return Ledger(database, clock, AlertSettings(**settings), random.Random(1))  # noqa: S311


def test_every_word_of_this_place_is_tested_here():
    words = next(set(target.words) for target in CATALOGUE if target.name == PLACE)
    assert words == {"notification-failed", "rate-limited", "delay", "hang", "kill"}


@pytest.mark.parametrize("word", ["notification-failed", "rate-limited", "hang"])
def test_a_message_that_was_struck_waits_and_is_sent_once(database, clock, hook, word):
    ledger = opened(database, clock, max_backoff_s=0.01)
    ledger.queue([message("a", clock)])
    arm(word)
    sent = send(ledger, hook, clock, timeout_s=0.3 if word == "hang" else 20.0)
    assert (sent.sent, sent.retried, sent.failed) == (0, 1, 0)
    assert sent.struck == {"a"}
    assert hook.taken == []
    disarm_all()
    clock.sleep(0.05)
    assert send(ledger, hook, clock, timeout_s=20.0).sent == 1
    assert len(hook.taken) == 1


def test_a_short_delay_makes_a_message_late_and_no_more(database, clock, hook):
    ledger = opened(database, clock)
    ledger.queue([message("a", clock)])
    armed = arm("delay", amount=0.02)
    sent = send(ledger, hook, clock, timeout_s=20.0)
    assert (sent.sent, sent.struck, armed.strikes.count) == (1, set(), 1)


@pytest.mark.provokes("notification-failed")
def test_a_message_that_is_given_up_is_told_as_injected(database, clock, hook):
    ledger = opened(database, clock, attempts=1)
    ledger.queue([message("a", clock)])
    arm("notification-failed")
    sent = send(ledger, hook, clock, timeout_s=20.0)
    assert sent.failed == 1
    given_up = failure_of(sent.settled[0], injected="a" in sent.struck)
    assert given_up.injected
    assert "a fault struck at notify.send" in given_up.why


@pytest.mark.parametrize("word", ["notification-failed", "hang"])
def test_what_a_channel_answers_says_whether_it_was_injected(word):
    arm(word, count=1)
    assert within(0.1, Outcome).injected
    assert within(5.0, lambda: Outcome("it is down")) == Outcome("it is down")


def test_a_process_that_is_killed_there_has_sent_nothing():
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM], capture_output=True, check=False, timeout=60
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    assert victim.stdout == b""
