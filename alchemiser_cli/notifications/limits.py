"""How much people are told at most: by severity and code, and a ceiling for each channel."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.notifications.alert import Level
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.settings import AlertSettings

__all__ = ["admit", "queue_within_limits"]

Admission = Literal["queued", "held"]

_UNLIMITED = ("digest", "test")


def queue_within_limits(
    ledger: Ledger,
    deliveries: Sequence[Delivery],
    settings: AlertSettings,
    now_ns: int,
    connection: Connection | None = None,
) -> list[Delivery]:
    """Store new messages, each as ``queued`` or ``held``, and return them as they were stored.

    One after another: each counts for those that follow. Without a ``connection`` it is one
    exclusive transaction; a caller's should be exclusive too, or two couriers at once may go over
    a limit.
    """
    if connection is None:
        with ledger.exclusive() as own:
            return queue_within_limits(ledger, deliveries, settings, now_ns, own)
    given = _Given(ledger, now_ns, connection)
    stored = []
    for one in deliveries:
        state = _admitted(given, one, settings)
        if state == "queued":
            given.add(one)
        stored.append(msgspec.structs.replace(one, state=state))
    ledger.queue(stored, connection)
    return stored


def admit(
    ledger: Ledger,
    delivery: Delivery,
    settings: AlertSettings,
    now_ns: int,
    connection: Connection | None = None,
) -> Admission:
    """Tell whether a message may go out, or is held for a digest.

    Each channel has a limit for each code in its class of severity, and a ceiling over all, a part
    of which only criticals may use. A digest and a test always go out.
    """
    return _admitted(_Given(ledger, now_ns, connection), delivery, settings)


class _Given:
    """What channels were given of late, read once for each channel and window."""

    def __init__(self, ledger: Ledger, now_ns: int, connection: Connection | None) -> None:
        self._ledger = ledger
        self._now_ns = now_ns
        self._connection = connection
        self._counts: dict[tuple[str, float], Counter[tuple[str, str]]] = {}

    def within(self, channel: str, window_s: float) -> Counter[tuple[str, str]]:
        """Return how many of each severity and code."""
        if (channel, window_s) not in self._counts:
            since_ns = self._now_ns - round(window_s * NS_PER_SECOND)
            counted = self._ledger.sent_since(channel, since_ns, self._connection)
            self._counts[channel, window_s] = Counter(counted)
        return self._counts[channel, window_s]

    def add(self, delivery: Delivery) -> None:
        """Count one more, where it counts."""
        if delivery.kind in _UNLIMITED:
            return
        for (channel, _), counts in self._counts.items():
            if channel == delivery.channel:
                counts[delivery.severity, delivery.code] += 1


def _admitted(given: _Given, delivery: Delivery, settings: AlertSettings) -> Admission:
    if delivery.kind in _UNLIMITED:
        return "queued"
    limit, window_s = _limit(delivery.severity, settings)
    alike = sum(
        count
        for (severity, code), count in given.within(delivery.channel, window_s).items()
        if code == delivery.code and _class(severity) == _class(delivery.severity)
    )
    every = given.within(delivery.channel, settings.recipient_window_s)
    others = sum(count for (severity, _), count in every.items() if severity != "critical")
    full = every.total() >= settings.recipient_limit
    if delivery.severity != "critical":
        full = full or others >= settings.recipient_limit - settings.recipient_reserved
    return "held" if full or alike >= limit else "queued"


def _limit(severity: Level, settings: AlertSettings) -> tuple[int, float]:
    """Return how many messages of one code, and in how many seconds."""
    if severity == "critical":
        return settings.critical_limit, settings.critical_window_s
    if severity == "high":
        return settings.error_limit, settings.error_window_s
    return settings.warning_limit, settings.warning_window_s


def _class(severity: str) -> str:
    return severity if severity in {"critical", "high"} else "lower"
