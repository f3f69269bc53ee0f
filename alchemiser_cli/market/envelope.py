"""The envelope of every event that is not market data: what it is, whose it is, what caused it.

Ids are UUIDs of version 7 (RFC 9562, section 5.7), whose text sorts by time.
"""

import json
import re
import secrets
import uuid
from importlib import resources
from typing import Any, TypeVar

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import EnvelopeIncompleteError, MessageUndecodableError
from alchemiser_cli.errors.context import current_context

__all__ = ["EventEnvelope", "broker_name", "envelope_schema", "event"]

_EVENT_TYPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
# A dot would let one broker's topics look like another's: `a` and `a.b`.
_BROKER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TEXTS = (
    "event_type",
    "broker",
    "source",
    "event_id",
    "correlation_id",
    "causation_id",
    "payload_type",
)
_LARGEST_LONG = 2**63 - 1
_LARGEST_INT = 2**31 - 1
_NS_PER_MS = 1_000_000
_FRACTION_BITS, _RANDOM_BITS = 12, 62

Content = TypeVar("Content")


class EventEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One event; ``event`` makes it and fills in the ids.

    Times are UTC nanoseconds: when it happened, and when the event was made. ``causation_id``
    is the event that caused it, None for the first of a story; all events of a story share
    ``correlation_id``. ``payload`` is JSON text in UTF-8 and ``payload_type`` the name of its
    type, of which ``schema_version`` counts the versions from 1: what was sent cannot change
    any more with the object that it was made from.

    Raises:
        EnvelopeIncompleteError: ``envelope-incomplete`` where a field is empty, has not the
            form that its use needs, or does not fit the schema's numbers.
    """

    event_id: str
    event_type: str
    broker: str
    source: str
    occurred_at_ns: int
    recorded_at_ns: int
    causation_id: str | None = None
    correlation_id: str
    schema_version: int = 1
    payload_type: str
    payload: bytes

    def __post_init__(self) -> None:
        """Refuse an event that does not say what it is and whose it is."""
        for name in _TEXTS:
            text = getattr(self, name)
            if not text and (text is not None or name != "causation_id"):
                raise _incomplete(self, name, "It is empty.")
            if text is not None and not text.isprintable():
                raise _incomplete(self, name, "It holds what cannot be printed.")
        if not _EVENT_TYPE.fullmatch(self.event_type):
            why = "It is words of a-z, 0-9, - and _ with dots between, as in `signal.raw`."
            raise _incomplete(self, "event_type", why)
        broker_name(self.broker, event_type=self.event_type)
        if not 1 <= self.schema_version <= _LARGEST_INT:
            raise _incomplete(self, "schema_version", "Versions count from 1.")
        for name in ("occurred_at_ns", "recorded_at_ns"):
            if not 0 <= getattr(self, name) <= _LARGEST_LONG:
                raise _incomplete(self, name, "It is no time in UTC nanoseconds since 1970.")

    def content(self, kind: type[Content]) -> Content:
        """Return the payload as ``kind``, any type that msgspec decodes JSON to.

        Raises:
            MessageUndecodableError: ``message-undecodable`` with the reason ``wrong-payload``.
        """
        try:
            return msgspec.json.decode(self.payload, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MessageUndecodableError(
                f"the payload of the event {self.event_type!r} is not a {_name_of(kind)}",
                why=f"{error}.",
                next_step="Compare payload_type and schema_version with what the reader expects.",
                context={
                    "reason": "wrong-payload",
                    "event_id": self.event_id,
                    "event_type": self.event_type,
                    "payload_type": self.payload_type,
                    "schema_version": self.schema_version,
                },
            ) from error


def event(
    event_type: str,
    payload: object,
    *,
    broker: str,
    source: str,
    clock: Clock,
    occurred_at_ns: int | None = None,
    caused_by: EventEnvelope | None = None,
    schema_version: int = 1,
) -> EventEnvelope:
    """Return a new event about ``payload``, a struct, dataclass, mapping or other JSON content.

    Args:
        event_type: what happened, for example ``signal.raw``.
        payload: numbers in it are finite.
        broker: the trading broker that it belongs to.
        source: the component that says so.
        clock: tells when the event is recorded.
        occurred_at_ns: when it happened, in UTC nanoseconds; None for now.
        caused_by: the event that led to this one, whose correlation id it takes over. Without a
            cause the correlation id is the request id of the operation that is under way, else
            its run id, else the event's own id.
        schema_version: version of the payload's type.

    Raises:
        EnvelopeIncompleteError: ``envelope-incomplete``, also for a payload that JSON cannot
            hold.
    """
    now_ns = clock.now_ns()
    event_id = _uuid7(now_ns)
    return EventEnvelope(
        event_id=event_id,
        event_type=event_type,
        broker=broker,
        source=source,
        occurred_at_ns=now_ns if occurred_at_ns is None else occurred_at_ns,
        recorded_at_ns=now_ns,
        causation_id=None if caused_by is None else caused_by.event_id,
        correlation_id=_correlation() or event_id
        if caused_by is None
        else caused_by.correlation_id,
        schema_version=schema_version,
        payload_type=type(payload).__name__,
        payload=_json(payload, event_type, broker),
    )


def broker_name(name: str, **context: object) -> str:
    """Return ``name`` if it can be a trading broker's: 1 to 64 of A-Z, a-z, 0-9, - and _.

    ``context`` is added to the error's.

    Raises:
        EnvelopeIncompleteError: ``envelope-incomplete``.
    """
    if not _BROKER.fullmatch(name):
        raise EnvelopeIncompleteError(
            f"{name!r} cannot be a broker's name",
            why="A name is 1 to 64 letters, digits, - and _; topics begin with it, and a dot "
            "ends it there.",
            next_step="Give the broker as the settings name it, under `brokers`.",
            context={"broker": name, **context},
        )
    return name


def envelope_schema() -> str:
    """Return the Avro schema of an envelope as JSON text."""
    return (resources.files(__package__) / "schemas" / "envelope.avsc").read_text(encoding="utf-8")


def _uuid7(at_ns: int) -> str:
    """Return an id of that time; its twelve bits after the millisecond are a fraction of it.

    That is method 3 of RFC 9562, section 6.2: ids sort to 244 ns.
    """
    milliseconds, rest_ns = divmod(at_ns, _NS_PER_MS)
    fraction = (rest_ns << _FRACTION_BITS) // _NS_PER_MS
    bits = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62
    return str(uuid.UUID(int=bits | secrets.randbits(_RANDOM_BITS)))


def _correlation() -> str | None:
    context = current_context()
    return context.request_id or context.run_id


def _json(payload: object, event_type: str, broker: str) -> bytes:
    try:
        plain: Any = msgspec.to_builtins(payload, str_keys=True)
        # msgspec writes a number that is not finite as null, which nobody would notice.
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EnvelopeIncompleteError(
            f"the payload of the event {event_type!r} cannot be written as JSON",
            why=f"{error}.",
            next_step="Send a struct, dataclass or mapping of text, finite numbers, times, lists.",
            context={"event_type": event_type, "broker": broker, "field": "payload"},
        ) from error


def _incomplete(envelope: EventEnvelope, field: str, why: str) -> EnvelopeIncompleteError:
    return EnvelopeIncompleteError(
        f"an event was to be sent with {field} = {getattr(envelope, field)!r}",
        why=why,
        next_step=f"Give {field} where the event is made: event(...) asks for what it needs.",
        context={
            "field": field,
            "event_type": envelope.event_type,
            "broker": envelope.broker,
            "source": envelope.source,
        },
    )


def _name_of(kind: object) -> str:
    return getattr(kind, "__name__", None) or str(kind)
