"""Sending what is due: a thread a channel, and one message at a time through each."""

import threading
from collections.abc import Mapping

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import NotificationError
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Channel, Delivery, Outcome

__all__ = ["Sent", "failure_of", "send_due"]

_MOST_A_CHANNEL = 100  # in one pass, so that a pass has an end
_LONGEST_PAUSE_S = 60.0  # of a channel that did not ask for one itself


class Sent(msgspec.Struct, frozen=True):
    """What one pass sent: the messages as they are now, in the order in which each ended.

    ``retried`` are queued again, ``failed`` were given up, and ``cancelled`` were acknowledged
    meanwhile. ``struck`` are the ids of those that failed last because somebody wanted that.
    """

    settled: list[Delivery]
    struck: set[str] = set()

    @property
    def sent(self) -> int:
        """How many were taken."""
        return self._count("sent")

    @property
    def retried(self) -> int:
        """How many are tried again later."""
        return self._count("queued")

    @property
    def failed(self) -> int:
        """How many failed for good."""
        return self._count("failed")

    def _count(self, state: str) -> int:
        return sum(1 for one in self.settled if one.state == state)


def send_due(
    ledger: Ledger, channels: Mapping[str, Channel], clock: Clock, stop: threading.Event
) -> Sent:
    """Send what is due, and return when every channel was served or failed once.

    A channel that fails is left alone for a while, with all that waits for it; the others do not
    wait for it. What is due for a channel that nobody configured has failed. After ``stop`` no
    further message is begun.

    Raises:
        DatabaseError: as ``StateDatabase.begin``, once all threads have ended.
    """
    settled: list[Delivery] = []
    struck: set[str] = set()
    troubles: list[BaseException] = []

    def serve(name: str) -> None:
        try:
            _serve(name, channels.get(name), ledger, clock, stop, settled, struck)
        except BaseException as error:  # noqa: BLE001  raised below, in the caller's thread
            troubles.append(error)

    names = ledger.due_channels(clock.now_ns())
    if len(names) == 1:
        serve(names[0])
    else:
        threads = [
            threading.Thread(target=serve, args=(name,), name=f"notify-{name}", daemon=True)
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if troubles:
        raise troubles[0]
    return Sent(settled, struck)


def failure_of(delivery: Delivery, *, injected: bool = False) -> NotificationError:
    """Return the error that tells of a message given up: ``notification-failed``."""
    error = NotificationError(
        f"a message could not be sent through the channel {delivery.channel}",
        why=f"{delivery.error} (attempts: {delivery.attempts})",
        next_step=f"Run `alchemiser notify test --channel {delivery.channel}`, and mend its URL.",
        context={"channel": delivery.channel, "delivery": delivery.id, "code": delivery.code},
    )
    error.injected = injected
    return error


def _serve(
    name: str,
    channel: Channel | None,
    ledger: Ledger,
    clock: Clock,
    stop: threading.Event,
    settled: list[Delivery],
    struck: set[str],
) -> None:
    for _ in range(_MOST_A_CHANNEL):
        if stop.is_set():
            return
        leased = ledger.lease_due(clock.now_ns(), 1, channel=name)
        if not leased:
            return
        after = ledger.settle(leased[0], outcome := _send(channel, leased[0]))
        if outcome.injected:
            struck.add(after.id)
        settled.append(after)
        if after.state == "queued":
            ledger.postpone(name, _pause_until(after, outcome, clock.now_ns()))
            return


def _send(channel: Channel | None, leased: Delivery) -> Outcome:
    if channel is None:
        return Outcome(f"no enabled channel is named {leased.channel}", final=True)
    return channel.send(leased.message, severity=leased.severity)


def _pause_until(after: Delivery, outcome: Outcome, now_ns: int) -> int:
    """Return until when a channel is left alone; one message's long wait is not all messages'."""
    if outcome.retry_after_s is not None:
        return after.due_ns
    return min(after.due_ns, now_ns + round(_LONGEST_PAUSE_S * NS_PER_SECOND))
