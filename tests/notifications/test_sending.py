"""Sending: every channel by itself, one message at a time, and no channel holds up another."""

import random
import threading
import time

import pytest
from pydantic import SecretStr
from test_ledger import message

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock, SystemClock
from alchemiser_cli.errors import StateUnreachableError
from alchemiser_cli.notifications.channels import AppriseChannel
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Outcome
from alchemiser_cli.notifications.sending import failure_of, send_due
from alchemiser_cli.notifications.webhook import WebhookChannel
from alchemiser_cli.settings import AlertSettings, NotificationChannel
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.testing.mailbox import running_mailbox
from alchemiser_cli.testing.webhook import Answer, running_hook

DAY_S = 86_400
DOWN = Outcome("it is down")


class ThroughOutages:
    """A channel on a manual clock that is down at the times it was made with."""

    name = "mail"

    def __init__(self, clock, outages=(), answer=DOWN):
        self.clock = clock
        self.outages = outages
        self.answer = answer
        self.subjects = []
        self.attempts = 0

    def send(self, message, *, severity):
        self.attempts += 1
        now_ns = self.clock.now_ns()
        if any(start <= now_ns < end for start, end in self.outages):
            return self.answer
        self.subjects.append(message.subject)
        return Outcome()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def database(tmp_path, clock):
    database = StateDatabase(f"sqlite:///{tmp_path}/state.db", clock)
    yield database
    database.close()


@pytest.fixture
def ledger(database, clock):
    return Ledger(database, clock, random=random.Random(1))  # noqa: S311  a simulation


@pytest.fixture
def real(tmp_path):
    """A ledger and a clock of real time."""
    clock = SystemClock()
    database = StateDatabase(f"sqlite:///{tmp_path}/real.db", clock)
    yield Ledger(database, clock, AlertSettings(timeout_s=1.0)), clock
    database.close()


def web(hook, clock, timeout_s=1.0):
    return WebhookChannel("hook", NotificationChannel(url=SecretStr(hook.url)), timeout_s, clock)


def test_what_is_due_is_sent_and_told(ledger, clock):
    channel = ThroughOutages(clock)
    later = clock.now_ns() + NS_PER_SECOND
    ledger.queue([message("a", clock), message("b", clock, due_ns=later)])
    sent = send_due(ledger, {"mail": channel}, clock, threading.Event())
    assert [one.id for one in sent.settled] == ["a"]
    assert (sent.sent, sent.retried, sent.failed) == (1, 0, 0)
    assert send_due(ledger, {"mail": channel}, clock, threading.Event()).settled == []


def test_a_channel_that_is_down_is_tried_once_a_pass_and_then_left_alone(ledger, clock):
    channel = ThroughOutages(clock, [(0, 2**62)])
    ledger.queue(message(f"m{n}", clock) for n in range(20))
    sent = send_due(ledger, {"mail": channel}, clock, threading.Event())
    assert (sent.retried, channel.attempts) == (1, 1)
    assert send_due(ledger, {"mail": channel}, clock, threading.Event()).settled == []
    clock.advance(5)
    send_due(ledger, {"mail": channel}, clock, threading.Event())
    assert channel.attempts == 2


def test_one_message_that_is_always_refused_does_not_hold_up_the_others(ledger, clock):
    class Particular(ThroughOutages):
        def send(self, message, *, severity):
            if message.subject == "poison":
                return Outcome("500")
            return super().send(message, severity=severity)

    channel = Particular(clock)
    ledger.queue([message("p", clock, subject="poison")])
    for n in range(30):
        ledger.queue([message(f"m{n}", clock)])
        send_due(ledger, {"mail": channel}, clock, threading.Event())
        clock.advance(60)
    assert len(channel.subjects) >= 29


def test_what_is_due_for_a_channel_that_is_not_there_has_failed(ledger, clock):
    ledger.queue([message("a", clock, channel="gone")])
    sent = send_due(ledger, {}, clock, threading.Event())
    assert sent.failed == 1
    assert ledger.list()[0].error == "no enabled channel is named gone"


@pytest.mark.provokes("notification-failed")
def test_a_message_given_up_is_an_error_that_names_the_channel_and_the_next_step(ledger, clock):
    channel = ThroughOutages(clock, [(0, 2**62)], Outcome("the server answered 401", final=True))
    ledger.queue([message("a", clock)])
    (given_up,) = send_due(ledger, {"mail": channel}, clock, threading.Event()).settled
    error = failure_of(given_up)
    assert "channel mail" in error.what
    assert error.why == "the server answered 401 (attempts: 1)"
    assert "alchemiser notify test --channel mail" in error.next_step


def test_nothing_is_begun_after_stop(ledger, clock):
    stop = threading.Event()
    stop.set()
    ledger.queue([message("a", clock)])
    assert send_due(ledger, {"mail": ThroughOutages(clock)}, clock, stop).settled == []


def test_a_pass_of_one_channel_has_an_end(ledger, clock):
    ledger.queue(message(f"m{n:03}", clock) for n in range(120))
    channel = ThroughOutages(clock)
    assert send_due(ledger, {"mail": channel}, clock, threading.Event()).sent == 100
    assert send_due(ledger, {"mail": channel}, clock, threading.Event()).sent == 20


def test_trouble_of_the_database_comes_out_also_from_a_thread(ledger, database, clock):
    class Locked(ThroughOutages):
        def send(self, message, *, severity):
            raise StateUnreachableError("w", why="y", next_step="n")

    ledger.queue([message("a", clock), message("b", clock, channel="sms")])
    channels = {"mail": Locked(clock), "sms": ThroughOutages(clock)}
    with pytest.raises(StateUnreachableError):
        send_due(ledger, channels, clock, threading.Event())
    assert ledger.counts()["sms", "sent"] == 1


def test_a_hanging_service_costs_its_time_limit_and_not_the_others_messages(real):
    ledger, clock = real
    ledger.queue(
        message(f"{channel}{n}", clock, channel=channel)
        for channel in ("hook", "mail")
        for n in range(5)
    )
    with running_hook() as hook, running_mailbox() as box:
        hook.answer = Answer(how="hangs")
        mail = AppriseChannel("mail", NotificationChannel(url=SecretStr(box.url)), 5.0)
        begun = time.monotonic()
        sent = send_due(ledger, {"hook": web(hook, clock), "mail": mail}, clock, threading.Event())
        took_s = time.monotonic() - begun
        assert hook.attempts == 1
    assert ledger.counts() == {("hook", "queued"): 5, ("mail", "sent"): 5}
    assert len(box.messages) == 5
    assert took_s < 4
    assert sorted({one.error for one in sent.settled}) == ["", "no answer within 1 s"]


def test_retry_after_of_a_webhook_holds_back_all_that_waits_for_it(real):
    ledger, clock = real
    ledger.queue(message(f"m{n}", clock, channel="hook") for n in range(3))
    with running_hook() as hook:
        hook.next.append(Answer(429, (("Retry-After", "60"),)))
        send_due(ledger, {"hook": web(hook, clock)}, clock, threading.Event())
        assert send_due(ledger, {"hook": web(hook, clock)}, clock, threading.Event()).settled == []
        assert hook.attempts == 1
    assert min(one.due_ns for one in ledger.list()) > clock.now_ns() + 50 * NS_PER_SECOND


def test_no_secret_of_a_channel_is_in_the_ledger(real):
    ledger, clock = real
    ledger.queue([message("a", clock, channel="hook")])
    with running_hook() as hook:
        hook.answer = Answer(403)
        send_due(ledger, {"hook": web(hook, clock)}, clock, threading.Event())
    rows = repr(ledger.list())
    assert "answered 403" in rows
    assert "hook-password" not in rows
    assert "hook-token" not in rows


def test_over_99_percent_arrive_while_the_channel_is_down_a_tenth_of_a_day(ledger, clock):
    """Outages of eleven minutes on average begin at random, 8,640 seconds in all."""
    dice = random.Random(8)  # noqa: S311  a simulation
    start_ns = clock.now_ns()
    lengths = [dice.expovariate(1 / 660) for _ in range(13)]
    scale = DAY_S / 10 / sum(lengths)
    gaps = sorted(dice.random() * DAY_S * 0.9 for _ in lengths)
    outages, down_s = [], 0.0
    for gap, length in zip(gaps, lengths, strict=True):
        begins = start_ns + round((gap + down_s) * NS_PER_SECOND)
        down_s += length * scale
        outages.append((begins, begins + round(length * scale * NS_PER_SECOND)))
    channel = ThroughOutages(clock, outages)
    messages = sorted(dice.random() * DAY_S for _ in range(250))
    while messages or ledger.counts().get(("mail", "queued")):
        now_s = (clock.now_ns() - start_ns) / NS_PER_SECOND
        new = [at_s for at_s in messages if at_s <= now_s]
        messages = messages[len(new) :]
        ledger.queue(message(f"{at_s}", clock) for at_s in new)
        send_due(ledger, {"mail": channel}, clock, threading.Event())
        wakes_ns = [start_ns + round(at_s * NS_PER_SECOND) for at_s in messages[:1]]
        wakes_ns += [one.due_ns for one in ledger.list("queued", limit=250)]
        if wakes_ns:
            clock.advance(max(2.0, (min(wakes_ns) - clock.now_ns()) / NS_PER_SECOND))
    counts = ledger.counts()
    assert counts[("mail", "sent")] / sum(counts.values()) > 0.99
