"""Proving that channels work: a test through each of them now, and how each of them stands."""

import threading
import uuid
from collections.abc import Mapping

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.bodies import render_test
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Channel, Delivery, Outcome
from alchemiser_cli.settings import Settings

__all__ = ["Answer", "ChannelStanding", "prove", "standing"]


class Answer(msgspec.Struct, frozen=True):
    """What a channel answered to a test, after ``seconds``; ``error`` is empty where it took it."""

    channel: str
    taken: bool
    seconds: float
    error: str


class ChannelStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A channel of the settings, and what the ledger knows of it.

    ``last_ns`` is when it last took a message (UTC nanoseconds), ``age_s`` how long ago, both None
    where it never did; ``proved`` whether that is recent enough. ``error`` is what is wrong since.
    """

    channel: str
    enabled: bool
    severities: tuple[Level, ...]
    last_ns: int | None
    age_s: float | None
    proved: bool
    error: str
    waiting: int
    held: int
    failed: int


def prove(channels: Mapping[str, Channel], ledger: Ledger, clock: Clock) -> list[Answer]:
    """Send a test through every channel at once, wait for the answers, and note them.

    Each waits for at most its own limit. A test is not tried again, and no limit holds it back.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    answers: dict[str, tuple[Outcome, float]] = {}

    def send(name: str, channel: Channel) -> None:
        began_ns = clock.monotonic_ns()
        outcome = channel.send(render_test(name), severity="low")
        answers[name] = (outcome, (clock.monotonic_ns() - began_ns) / NS_PER_SECOND)

    queued_ns = clock.now_ns()
    threads = [threading.Thread(target=send, args=one, daemon=True) for one in channels.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.queue([_noted(name, answers[name][0], queued_ns, clock.now_ns()) for name in channels])
    return [
        Answer(name, outcome.accepted, round(seconds, 3), outcome.error)
        for name, (outcome, seconds) in ((name, answers[name]) for name in channels)
    ]


def standing(settings: Settings, ledger: Ledger, now_ns: int) -> list[ChannelStanding]:
    """Return every channel of the settings, in their order.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    counts = ledger.counts()
    found = []
    for name, one in settings.notifications.items():
        last_ns, error = ledger.last_success(name)
        age_s = None if last_ns is None else (now_ns - last_ns) / NS_PER_SECOND
        found.append(
            ChannelStanding(
                channel=name,
                enabled=one.enabled and one.url is not None,
                severities=one.severities,
                last_ns=last_ns,
                age_s=age_s,
                proved=age_s is not None and age_s <= settings.alerts.proof_max_age_s,
                error=error,
                waiting=counts.get((name, "queued"), 0) + counts.get((name, "sending"), 0),
                held=counts.get((name, "held"), 0),
                failed=counts.get((name, "failed"), 0),
            )
        )
    return found


def _noted(channel: str, outcome: Outcome, queued_ns: int, now_ns: int) -> Delivery:
    message = render_test(channel)
    return Delivery(
        id=uuid.uuid4().hex,
        incident=None,
        channel=channel,
        kind="test",
        severity="low",
        code="test",
        subject=message.subject,
        text=message.text,
        html=message.html,
        state="sent" if outcome.accepted else "failed",
        queued_ns=queued_ns,
        due_ns=queued_ns,
        attempts=1,
        sent_ns=now_ns if outcome.accepted else None,
        error=outcome.error[:500],
    )
