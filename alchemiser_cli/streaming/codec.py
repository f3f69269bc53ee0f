"""Ticks to bytes and back: Avro in Confluent's wire format.

A message is a zero byte, the schema's id as four big-endian bytes, and the Avro record:
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format
"""

import io
import json
import math
import struct
from typing import Any

import fastavro
import msgspec
from fastavro.read import SchemaResolutionError

from alchemiser_cli.errors import MessageUndecodableError, SchemaNotFoundError
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.streaming.registry import SchemaRegistry

__all__ = ["TickDecoder", "TickEncoder"]

_MAGIC = 0
_HEADER = struct.Struct(">BI")
_OPTIONAL = ("bid", "ask", "open", "high", "low", "implied_volatility")


class TickEncoder:
    """Tick to message bytes, under the schema that it registers for ``subject``."""

    def __init__(self, registry: SchemaRegistry, subject: str) -> None:
        """Register the tick's schema.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        self.schema_id = registry.register(subject, tick_schema())
        self._header = _HEADER.pack(_MAGIC, self.schema_id)
        self._schema = fastavro.parse_schema(json.loads(tick_schema()))

    def encode(self, tick: Tick) -> bytes:
        """Return the message's bytes."""
        buffer = io.BytesIO()
        buffer.write(self._header)
        fastavro.schemaless_writer(buffer, self._schema, msgspec.structs.asdict(tick))
        return buffer.getvalue()


class TickDecoder:
    """Message bytes to Tick, read by the writer's schema and resolved to ours."""

    def __init__(self, registry: SchemaRegistry) -> None:
        """Look schemas up in ``registry`` when their first message comes."""
        self._registry = registry
        self._own = json.loads(tick_schema())
        self._reader = fastavro.parse_schema(json.loads(tick_schema()))
        # id -> (writer's schema, reader's schema or None where both are the same)
        self._schemas: dict[int, tuple[Any, Any]] = {}

    def decode(self, data: bytes | None) -> Tick:
        """Return the tick in ``data``.

        Raises:
            MessageUndecodableError: ``message-undecodable``, with one of these words as
                ``reason`` in its context: empty, truncated, wrong-magic, unknown-schema,
                wrong-schema, malformed, trailing-bytes, not-a-tick, non-finite, non-positive.
            RegistryUnreachableError: ``registry-unreachable``; the message may be good.
        """
        if not data:
            raise _undecodable("empty", "It has no value.")
        if len(data) < _HEADER.size:
            raise _undecodable("truncated", f"{len(data)} bytes hold no schema id.")
        magic, schema_id = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise _undecodable("wrong-magic", f"It begins with byte {magic} in place of 0.")
        writer, reader = self._schemas.get(schema_id) or self._look_up(schema_id)
        return _checked(_read(data, writer, reader, schema_id), schema_id)

    def _look_up(self, schema_id: int) -> tuple[Any, Any]:
        try:
            schema = json.loads(self._registry.schema(schema_id))
            parsed = fastavro.parse_schema(schema)
        except SchemaNotFoundError as error:
            raise _undecodable("unknown-schema", error.what, schema_id) from error
        except (ValueError, TypeError, KeyError, fastavro.schema.SchemaParseException) as error:
            why = f"Schema {schema_id} cannot be parsed: {error!r}."
            raise _undecodable("wrong-schema", why, schema_id) from error
        pair = parsed, None if schema == self._own else self._reader
        self._schemas[schema_id] = pair
        return pair


def _read(data: bytes, writer: Any, reader: Any, schema_id: int) -> Any:
    buffer = io.BytesIO(data)
    buffer.seek(_HEADER.size)
    try:
        record = fastavro.schemaless_reader(buffer, writer, reader)
    except SchemaResolutionError as error:
        why = f"Schema {schema_id} does not resolve to a tick: {error}."
        raise _undecodable("wrong-schema", why, schema_id) from error
    except (EOFError, IndexError) as error:
        why = "It ends inside the record, or names a branch or symbol that does not exist."
        raise _undecodable("truncated", why, schema_id) from error
    except Exception as error:
        # Arbitrary bytes make fastavro raise whatever its parts raise.
        raise _undecodable("malformed", f"Reading failed: {error!r}.", schema_id) from error
    left = len(data) - buffer.tell()
    if left:
        raise _undecodable("trailing-bytes", f"{left} bytes follow the record.", schema_id)
    return record


def _checked(record: Any, schema_id: int) -> Tick:
    try:
        tick = msgspec.convert(record, Tick)
    except msgspec.ValidationError as error:
        raise _undecodable("not-a-tick", f"{error}.", schema_id) from error
    if not tick.symbol or not tick.venue or tick.sequence < 1:
        why = "A tick needs a symbol, a venue and a sequence from 1."
        raise _undecodable("not-a-tick", why, schema_id)
    numbers = [tick.price, tick.size]
    numbers += [number for name in _OPTIONAL if (number := getattr(tick, name)) is not None]
    if not all(map(math.isfinite, numbers)):
        raise _undecodable("non-finite", "A number is NaN or infinite.", schema_id)
    if tick.price <= 0:
        raise _undecodable("non-positive", f"The price is {tick.price}.", schema_id)
    return tick


def _undecodable(reason: str, why: str, schema_id: int | None = None) -> MessageUndecodableError:
    return MessageUndecodableError(
        f"the message is not a tick ({reason})",
        why=why,
        next_step="Find its producer by topic, partition and offset; the message stays in Kafka.",
        context={"reason": reason, "schema_id": schema_id},
    )
