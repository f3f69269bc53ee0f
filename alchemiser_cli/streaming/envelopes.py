"""Events to messages and back: Avro in Confluent's wire format, and headers to filter by.

The headers repeat what the record says, so that a consumer can pass over what is not for it
without decoding it: ``alchemiser.event-type``, ``alchemiser.broker`` and the others of
``HEADERS``, as text in UTF-8.
"""

import io
import json
import struct
from collections.abc import Iterable
from typing import Any

import fastavro
import msgspec
from fastavro.read import SchemaResolutionError

from alchemiser_cli.errors import EnvelopeIncompleteError, MessageUndecodableError
from alchemiser_cli.market.envelope import EventEnvelope, envelope_schema
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.schemas import SchemaCache, WriterSchema

__all__ = [
    "EVENT_TYPE_HEADER",
    "HEADERS",
    "EnvelopeDecoder",
    "EnvelopeEncoder",
    "envelope_headers",
    "header_text",
]

EVENT_TYPE_HEADER = "alchemiser.event-type"
HEADERS = {
    "alchemiser.event-id": "event_id",
    EVENT_TYPE_HEADER: "event_type",
    "alchemiser.broker": "broker",
    "alchemiser.source": "source",
    "alchemiser.correlation-id": "correlation_id",
    "alchemiser.causation-id": "causation_id",
    "alchemiser.payload-type": "payload_type",
    "alchemiser.schema-version": "schema_version",
}
"""Names of the headers, and the field of the envelope that each repeats."""

_MAGIC = 0
_WIRE = struct.Struct(">BI")  # the magic byte and the schema's id


class EnvelopeEncoder:
    """Event to message bytes, under the schema that it registers for ``subject``."""

    def __init__(self, registry: SchemaRegistry, subject: str) -> None:
        """Register the envelope's schema.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        self.schema_id = registry.register(subject, envelope_schema())
        self._start = _WIRE.pack(_MAGIC, self.schema_id)
        self._schema = fastavro.parse_schema(json.loads(envelope_schema()))

    def encode(self, event: EventEnvelope) -> bytes:
        """Return the message's bytes."""
        buffer = io.BytesIO()
        buffer.write(self._start)
        fastavro.schemaless_writer(buffer, self._schema, msgspec.structs.asdict(event))
        return buffer.getvalue()


class EnvelopeDecoder:
    """Message bytes to event, read by the writer's schema and resolved to ours."""

    def __init__(self, schemas: SchemaRegistry | SchemaCache) -> None:
        """Look schemas up in a registry, or the cache of one, when their first message comes."""
        self._schemas = SchemaCache.of(schemas)
        self._reader = fastavro.parse_schema(json.loads(envelope_schema()))

    def decode(self, data: bytes | None) -> EventEnvelope:
        """Return the event in ``data``.

        Raises:
            MessageUndecodableError: ``message-undecodable``, with one of these words as
                ``reason`` in its context: empty, truncated, wrong-magic, unknown-schema,
                wrong-schema, malformed, trailing-bytes, not-an-event.
            RegistryUnreachableError: ``registry-unreachable``; the message may be good.
        """
        if not data:
            raise _undecodable("empty", "It has no value.")
        if len(data) < _WIRE.size:
            raise _undecodable("truncated", f"{len(data)} bytes hold no schema id.")
        magic, schema_id = _WIRE.unpack_from(data)
        if magic != _MAGIC:
            raise _undecodable("wrong-magic", f"It begins with byte {magic} in place of 0.")
        record = self._read(data, schema_id)
        try:
            return msgspec.convert(record, EventEnvelope)
        except msgspec.ValidationError as error:
            raise _undecodable("not-an-event", f"{error}.", schema_id) from error
        except EnvelopeIncompleteError as error:
            raise _undecodable("not-an-event", f"{error}: {error.why}", schema_id) from error

    def _read(self, data: bytes, schema_id: int) -> Any:
        writer = self._writer(schema_id)
        if writer.bounds.needed and (why := writer.bounds.exceeded(data, _WIRE.size)):
            raise _undecodable("malformed", why, schema_id)
        buffer = io.BytesIO(data)
        buffer.seek(_WIRE.size)
        try:
            record = fastavro.schemaless_reader(buffer, writer.parsed, self._reader)
        except SchemaResolutionError as error:
            why = f"Schema {schema_id} does not resolve to an envelope: {error}."
            raise _undecodable("wrong-schema", why, schema_id) from error
        except (EOFError, IndexError) as error:
            raise _undecodable("truncated", "It ends inside the record.", schema_id) from error
        except Exception as error:
            # Arbitrary bytes make fastavro raise whatever its parts raise.
            raise _undecodable("malformed", f"Reading failed: {error!r}.", schema_id) from error
        left = len(data) - buffer.tell()
        if left:
            raise _undecodable("trailing-bytes", f"{left} bytes follow the record.", schema_id)
        return record

    def _writer(self, schema_id: int) -> WriterSchema:
        try:
            return self._schemas.writer(schema_id)
        except MessageUndecodableError as error:
            refusal = _undecodable(str(error.context["reason"]), error.why, schema_id)
            refusal.injected = error.injected
            raise refusal from error


def envelope_headers(event: EventEnvelope) -> list[Header]:
    """Return the headers of the event's message; a field that is None has none."""
    values = ((name, getattr(event, field)) for name, field in HEADERS.items())
    return [(name, str(value).encode()) for name, value in values if value is not None]


def header_text(headers: Iterable[Header], name: str) -> str | None:
    """Return the last header ``name`` as text; None where it is not there or is no UTF-8."""
    text = None
    for key, value in headers:
        if key == name and value is not None:
            try:
                text = value.decode()
            except UnicodeDecodeError:
                text = None
    return text


def _undecodable(reason: str, why: str, schema_id: int | None = None) -> MessageUndecodableError:
    return MessageUndecodableError(
        f"the message is not an event ({reason})",
        why=why,
        next_step="Find its producer by topic, partition and offset; the message stays in Kafka.",
        context={"reason": reason, "schema_id": schema_id},
    )
