"""Digests: what was held back arrives as one message a channel, with every count."""

import uuid
from collections import Counter
from itertools import groupby

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import RANKS
from alchemiser_cli.notifications.bodies import render_digest
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.settings import AlertSettings

__all__ = ["queue_digests"]


def queue_digests(ledger: Ledger, settings: AlertSettings, now_ns: int) -> int:
    """Queue a digest for each channel whose oldest held message is ``digest_every_s`` old.

    It tells of all that is held for that channel, and each of them names it from then on. Returns
    how many digests were queued. Several couriers may do this at once.
    """
    if not ledger.held_since(now_ns - round(settings.digest_every_s * NS_PER_SECOND)):
        return 0
    with ledger.exclusive() as connection:
        due = ledger.held_since(now_ns - round(settings.digest_every_s * NS_PER_SECOND), connection)
        held = ledger.held_of(due, connection)
        for channel, several in groupby(held, key=lambda one: one.channel):
            ledger.queue_digest(_digest(channel, list(several), now_ns), connection)
    return len(due)


def _digest(channel: str, held: list[Delivery], now_ns: int) -> Delivery:
    worst = max((one.severity for one in held), key=lambda level: RANKS[level])
    codes = Counter(one.code for one in held).most_common(1)
    message = render_digest(held)
    return Delivery(
        id=uuid.uuid4().hex,
        incident=None,
        channel=channel,
        kind="digest",
        severity=worst,
        code=codes[0][0],
        subject=message.subject,
        text=message.text,
        html=message.html,
        queued_ns=now_ns,
        due_ns=now_ns,
    )
