"""Ticks to bytes and back: Avro in Confluent's wire format.

A message is a zero byte, the schema's id as four big-endian bytes, and the Avro record:
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format
"""

import io
import math
import struct
from typing import Any

import fastavro
import msgspec
from fastavro.read import SchemaResolutionError

from alchemiser_cli.clock import Clock
from alchemiser_cli.market.columns import OPTIONAL
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.streaming.avro_tick import TickRecord
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.schemas import SchemaCache, WriterSchema, undecodable

__all__ = ["TickDecoder", "TickEncoder"]

_MAGIC = 0
_HEADER = struct.Struct(">BI")


class TickEncoder:
    """Tick to message bytes, under the schema that it registers for ``subject``."""

    def __init__(self, registry: SchemaRegistry, subject: str) -> None:
        """Register the tick's schema.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        self.schema_id = registry.register(subject, tick_schema())
        self._record = TickRecord(_HEADER.pack(_MAGIC, self.schema_id))

    def encode(self, tick: Tick) -> bytes:
        """Return the message's bytes.

        Raises:
            TypeError: if a field does not hold what its type says.
            ValueError: if a number takes more than 64 bits, or a text is not Unicode.
        """
        return self._record.encode(tick)


class TickDecoder:
    """Message bytes to Tick, read by the writer's schema and resolved to ours."""

    def __init__(self, schemas: SchemaRegistry | SchemaCache, clock: Clock | None = None) -> None:
        """Look schemas up when their first message comes.

        Args:
            schemas: a cache to share, or a registry.
            clock: for the cache that is made of a registry; the system's by default.
        """
        self._schemas = SchemaCache.of(schemas, clock)

    def decode(self, data: bytes | None) -> Tick:
        """Return the tick in ``data``.

        Raises:
            MessageUndecodableError: ``message-undecodable``, with one of these words as
                ``reason`` in its context: empty, truncated, wrong-magic, unknown-schema,
                wrong-schema, malformed, trailing-bytes, not-a-tick, non-finite, non-positive.
            RegistryUnreachableError: ``registry-unreachable``; the message may be good.
        """
        if not data:
            raise undecodable("empty", "It has no value.")
        if len(data) < _HEADER.size:
            raise undecodable("truncated", f"{len(data)} bytes hold no schema id.")
        magic, schema_id = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise undecodable("wrong-magic", f"It begins with byte {magic} in place of 0.")
        return _checked(_read(data, self._schemas.writer(schema_id)), schema_id)


def _read(data: bytes, schema: WriterSchema) -> Any:
    schema_id = schema.schema_id
    if schema.bounds.needed and (why := schema.bounds.exceeded(data, _HEADER.size)):
        raise undecodable("malformed", why, schema_id)
    buffer = io.BytesIO(data)
    buffer.seek(_HEADER.size)
    try:
        record = fastavro.schemaless_reader(buffer, schema.parsed, schema.reader)
    except SchemaResolutionError as error:
        why = f"Schema {schema_id} does not resolve to a tick: {error}."
        raise undecodable("wrong-schema", why, schema_id) from error
    except (EOFError, IndexError) as error:
        why = "It ends inside the record, or names a branch or symbol that does not exist."
        raise undecodable("truncated", why, schema_id) from error
    except Exception as error:
        # Arbitrary bytes make fastavro raise whatever its parts raise.
        raise undecodable("malformed", f"Reading failed: {error!r}.", schema_id) from error
    left = len(data) - buffer.tell()
    if left:
        raise undecodable("trailing-bytes", f"{left} bytes follow the record.", schema_id)
    return record


def _checked(record: Any, schema_id: int) -> Tick:
    try:
        tick = msgspec.convert(record, Tick)
    except msgspec.ValidationError as error:
        raise undecodable("not-a-tick", f"{error}.", schema_id) from error
    if not tick.symbol or not tick.venue or tick.sequence < 1:
        why = "A tick needs a symbol, a venue and a sequence from 1."
        raise undecodable("not-a-tick", why, schema_id)
    if not _all_finite(tick):
        raise undecodable("non-finite", "A number is NaN or infinite.", schema_id)
    if tick.price <= 0:
        raise undecodable("non-positive", f"The price is {tick.price}.", schema_id)
    return tick


def _all_finite(tick: Tick) -> bool:
    total = (
        tick.price
        + tick.size
        + (tick.bid or 0.0)
        + (tick.ask or 0.0)
        + (tick.open or 0.0)
        + (tick.high or 0.0)
        + (tick.low or 0.0)
        + (tick.implied_volatility or 0.0)
    )
    if math.isfinite(total):
        return True  # NaN and infinity do not leave a sum
    numbers = (tick.price, tick.size, *(getattr(tick, name) for name in OPTIONAL))
    return all(math.isfinite(number) for number in numbers if number is not None)
