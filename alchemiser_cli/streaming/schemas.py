"""Schemas by their id: those of a registry, parsed once, and the ids that it does not know."""

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from alchemiser_cli.clock import NS_PER_SECOND, Clock, SystemClock
from alchemiser_cli.errors import MessageUndecodableError, SchemaNotFoundError
from alchemiser_cli.market.ticks import tick_schema
from alchemiser_cli.streaming.avro_bounds import Bounds
from alchemiser_cli.streaming.registry import SchemaRegistry

__all__ = ["SchemaCache", "WriterSchema", "undecodable"]

_UNKNOWN_LIMIT = 1_024
_ASK_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that messages were written with, as fastavro parsed it.

    ``reader`` is our tick's schema, to resolve to, or None where the writer's is the same.
    """

    schema_id: int
    parsed: Any
    reader: Any
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class _Unknown:
    """An id without a schema: when it was asked for, why it has none, and whether on purpose."""

    asked_ns: int
    reason: str
    why: str
    injected: bool

    def error(self, schema_id: int) -> MessageUndecodableError:
        refusal = undecodable(self.reason, self.why, schema_id)
        refusal.injected = self.injected
        return refusal


class SchemaCache:
    """The schemas of one registry; safe to share between threads.

    A schema never changes under its id, so a known one is kept for good. An id that is unknown,
    or whose schema is none, is remembered for ``ask_again_s``; of these there are at most
    ``unknown_limit``. While that many are remembered, further unknown ids are refused without
    asking: a flood of garbage costs the registry at most that many questions in that time.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        clock: Clock,
        *,
        unknown_limit: int = _UNKNOWN_LIMIT,
        ask_again_s: float = _ASK_AGAIN_S,
    ) -> None:
        """Ask ``registry`` for a schema when its first message comes."""
        self._registry = registry
        self._clock = clock
        self._unknown_limit = unknown_limit
        self._ask_again_ns = round(ask_again_s * NS_PER_SECOND)
        self._own = json.loads(tick_schema())
        self._reader = fastavro.parse_schema(json.loads(tick_schema()))
        self._known: dict[int, WriterSchema] = {}
        self._unknown: OrderedDict[int, _Unknown] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls, schemas: "SchemaRegistry | SchemaCache", clock: Clock | None = None
    ) -> "SchemaCache":
        """Return ``schemas`` itself where it is a cache, else a cache of that registry."""
        return schemas if isinstance(schemas, SchemaCache) else cls(schemas, clock or SystemClock())

    def writer(self, schema_id: int) -> WriterSchema:
        """Return the schema with this id.

        Raises:
            MessageUndecodableError: ``message-undecodable``, for the reason unknown-schema or,
                if the registry's text is no schema, wrong-schema.
            RegistryUnreachableError: ``registry-unreachable``; nothing is remembered of it.
        """
        return self._known.get(schema_id) or self._look_up(schema_id)

    def _look_up(self, schema_id: int) -> WriterSchema:
        with self._lock:
            if (known := self._known.get(schema_id)) is not None:
                return known
            self._forget_old()
            if (refused := self._unknown.get(schema_id)) is not None:
                raise refused.error(schema_id)
            if len(self._unknown) >= self._unknown_limit:
                why = f"The registry was not asked: {len(self._unknown)} ids were unknown just now."
                raise undecodable("unknown-schema", why, schema_id)
            return self._ask(schema_id)

    def _ask(self, schema_id: int) -> WriterSchema:
        try:
            schema = json.loads(self._registry.schema(schema_id))
            parsed = fastavro.parse_schema(schema)
        except SchemaNotFoundError as error:
            refused = self._refusal(schema_id, "unknown-schema", error.what, error.injected)
            raise refused from error
        except (
            ValueError,
            TypeError,
            KeyError,
            RecursionError,
            SchemaParseException,
            UnknownType,
        ) as error:
            why = f"Schema {schema_id} cannot be parsed: {error!r}."
            raise self._refusal(schema_id, "wrong-schema", why) from error
        reader = None if schema == self._own else self._reader
        known = self._known[schema_id] = WriterSchema(schema_id, parsed, reader, Bounds(parsed))
        return known

    def _refusal(
        self, schema_id: int, reason: str, why: str, injected: bool = False
    ) -> MessageUndecodableError:
        unknown = _Unknown(self._clock.monotonic_ns(), reason, why, injected)
        self._unknown[schema_id] = unknown
        return unknown.error(schema_id)

    def _forget_old(self) -> None:
        before_ns = self._clock.monotonic_ns() - self._ask_again_ns
        while self._unknown and next(iter(self._unknown.values())).asked_ns <= before_ns:
            self._unknown.popitem(last=False)


def undecodable(reason: str, why: str, schema_id: int | None = None) -> MessageUndecodableError:
    """Return the refusal of a message, with the one word that tells why."""
    return MessageUndecodableError(
        f"the message is not a tick ({reason})",
        why=why,
        next_step="Find its producer by topic, partition and offset; the message stays in Kafka.",
        context={"reason": reason, "schema_id": schema_id},
    )
