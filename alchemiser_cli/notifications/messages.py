"""What goes through a channel: one delivery of the ledger, and what a channel answered."""

from typing import Literal, Protocol

import msgspec

from alchemiser_cli.notifications.alert import Level

__all__ = ["Channel", "Delivery", "DeliveryKind", "DeliveryState", "Message", "Outcome"]

DeliveryKind = Literal["alert", "repeat", "escalation", "resolved", "digest", "test"]
DeliveryState = Literal["queued", "sending", "sent", "failed", "held", "digested", "cancelled"]
"""``failed`` is given up; ``held`` is beyond a rate limit, and ``digested`` told in a digest."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a person reads: a subject of one line, and the body as plain text and as HTML."""

    subject: str
    text: str
    html: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message through one channel; times are UTC nanoseconds, None where it has not happened.

    ``incident`` is None for a digest or a test. ``digest`` is the delivery that told of a held one.
    """

    id: str
    incident: str | None
    channel: str
    kind: DeliveryKind
    severity: Level
    code: str
    subject: str
    text: str
    html: str
    state: DeliveryState = "queued"
    queued_ns: int
    due_ns: int
    attempts: int = 0
    leased_until_ns: int | None = None
    sent_ns: int | None = None
    error: str = ""
    digest: str | None = None

    @property
    def message(self) -> Message:
        """What is sent."""
        return Message(subject=self.subject, text=self.text, html=self.html)


class Outcome(msgspec.Struct, frozen=True):
    """What a channel answered: ``error`` is empty where it took the message.

    ``retry_after_s`` is how long it asks to be left alone. ``final`` is True where another attempt
    cannot help, for example at an address that is none. ``injected`` is a failure of chaos.
    """

    error: str = ""
    retry_after_s: float | None = None
    final: bool = False
    injected: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the message was taken."""
        return not self.error


class Channel(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """Its name in the settings, under ``notifications``."""
        ...

    def send(self, message: Message, *, severity: Level) -> Outcome:
        """Hand a message over, and wait for the answer; it never raises for what a service does."""
        ...
