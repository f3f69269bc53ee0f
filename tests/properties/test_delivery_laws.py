"""Laws of delivery: nothing disappears, limits hold in every window, and a subject is one line."""

import random
import tempfile
import threading
from collections import Counter

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.notifications.bodies import SUBJECT_LENGTH, clean
from alchemiser_cli.notifications.digests import queue_digests
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.limits import queue_within_limits
from alchemiser_cli.notifications.messages import Delivery, Outcome
from alchemiser_cli.notifications.outcomes import masked
from alchemiser_cli.notifications.sending import send_due
from alchemiser_cli.settings import AlertSettings
from alchemiser_cli.state import StateDatabase

SETTINGS = AlertSettings(
    critical_limit=3,
    error_limit=4,
    error_window_s=600,
    warning_limit=5,
    warning_window_s=1_200,
    recipient_limit=8,
    recipient_reserved=3,
    recipient_window_s=1_200,
    attempts=3,
)
LEVELS = ["low", "medium", "high", "critical"]
NEW = st.tuples(
    st.just("new"), st.sampled_from(LEVELS), st.sampled_from("ab"), st.sampled_from(["mail", "sms"])
)
OUTCOMES = st.sampled_from(
    [Outcome(), Outcome("503"), Outcome("404", final=True), Outcome("429", retry_after_s=99.0)]
)
STEPS = st.lists(
    st.lists(NEW, max_size=6)
    | st.tuples(st.just("pass"), OUTCOMES)
    | st.tuples(st.just("wait"), st.integers(1, 1_300))
    | st.tuples(st.just("acknowledge"), st.sampled_from("ab"))
    | st.tuples(st.just("killed"), st.integers(1, 3)),
    max_size=14,
)


class Scripted:
    """Answers what the example says."""

    def __init__(self, name, outcome):
        self.name = name
        self.outcome = outcome

    def send(self, message, *, severity):
        return self.outcome


def new_messages(step, clock, start):
    return [
        Delivery(
            id=f"{start + number:05}",
            incident=code,
            channel=channel,
            kind="alert",
            severity=severity,
            code=code,
            subject="s",
            text="t",
            html="h",
            queued_ns=clock.now_ns(),
            due_ns=clock.now_ns(),
        )
        for number, (_, severity, code, channel) in enumerate(step)
    ]


@hypothesis_settings(max_examples=20)
@given(steps=STEPS)
def test_every_message_is_in_one_state_and_limits_hold_in_every_window(steps):
    clock, raised = ManualClock(), 0
    with tempfile.TemporaryDirectory() as folder:
        database = StateDatabase(f"sqlite:///{folder}/s.db", clock)
        ledger = Ledger(database, clock, SETTINGS, random.Random(1))  # noqa: S311  a simulation
        for step in steps:
            if isinstance(step, list):
                queue_within_limits(
                    ledger, new_messages(step, clock, raised), SETTINGS, clock.now_ns()
                )
                raised += len(step)
            elif step[0] == "pass":
                queue_digests(ledger, SETTINGS, clock.now_ns())
                channels = {name: Scripted(name, step[1]) for name in ("mail", "sms")}
                send_due(ledger, channels, clock, threading.Event())
            elif step[0] == "wait":
                clock.advance(step[1])
            elif step[0] == "acknowledge":
                ledger.cancel_of(step[1])
            else:
                ledger.lease_due(clock.now_ns(), step[1])  # by a courier that dies
        rows = ledger.list(limit=10_000)
        counts = ledger.counts()
        database.close()
    alerts = [row for row in rows if row.kind == "alert"]
    digests = {row.id for row in rows if row.kind == "digest"}
    assert len(alerts) == raised
    assert sum(counts.values()) == len(rows) == raised + len(digests)
    assert {row.digest for row in rows if row.state == "digested"} == digests
    assert all(row.sent_ns is not None for row in rows if row.state == "sent")
    assert all(row.attempts <= SETTINGS.attempts for row in rows)
    for ends in {row.queued_ns for row in alerts}:
        window = [
            row
            for row in alerts
            if ends - 300 * NS_PER_SECOND < row.queued_ns <= ends
            and row.state in ("queued", "sending", "sent", "failed")
        ]
        criticals = Counter((row.channel, row.code) for row in window if row.severity == "critical")
        assert all(count <= SETTINGS.critical_limit for count in criticals.values())
        others = Counter(row.channel for row in window if row.severity != "critical")
        assert all(count <= 5 for count in others.values())
        assert all(count <= 8 for count in Counter(row.channel for row in window).values())


@given(text=st.text(max_size=400))
def test_a_cleaned_text_is_one_printable_line(text):
    made = clean(text, SUBJECT_LENGTH)
    assert len(made) <= SUBJECT_LENGTH
    assert made.isprintable()
    assert made == made.strip()


SECRET = st.text("abcdefABCDEF0123456789", min_size=6, max_size=20).map(lambda text: f"q{text}z")


@given(user=SECRET, password=SECRET, token=SECRET, words=st.text(max_size=30))
def test_no_secret_of_a_url_outlives_masking(user, password, token, words):
    url = f"https://{user}:{password}@example.org/{token}?key={token}"
    shown = masked(f"{words} {token} at {url} as {user}: {password}", url)
    assert not any(secret in shown for secret in (user, password, token))
