"""A schema registry inside this process, for an embedded Kafka that ends with it."""

import json
import threading

from alchemiser_cli.errors import SchemaNotFoundError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.streaming.compatibility import incompatibilities
from alchemiser_cli.streaming.registry_schemas import (
    canonical,
    parsed_schema,
    possible_ids,
    refuse_incompatible,
)

__all__ = ["MemoryRegistry", "shared_registry"]

_GET = fault_point("registry.get")


class MemoryRegistry:
    """A ``SchemaRegistry`` in memory; safe to share between threads.

    A schema has the same id as in a folder registry. Compatibility is BACKWARD.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._schemas: dict[int, str] = {}
        self._latest: dict[str, int] = {}

    def register(self, subject: str, schema: str) -> int:
        """Make ``schema`` the subject's latest and return its id.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``, also for text that is no schema.
        """
        if _GET.armed is not None:
            _GET.strike()
        parsed = parsed_schema(subject, schema)
        text = canonical(parsed)
        with self._lock:
            if (latest := self._latest.get(subject)) is not None:
                refuse_incompatible(subject, parsed, (latest, self._schemas[latest]))
            ids = possible_ids(text)
            schema_id = next(one for one in ids if self._schemas.setdefault(one, text) == text)
            self._latest[subject] = schema_id
        return schema_id

    def schema(self, schema_id: int) -> str:
        """Return the schema with this id.

        Raises:
            SchemaNotFoundError: ``schema-not-found``.
        """
        if _GET.armed is not None:
            _GET.strike()
        text = self._schemas.get(schema_id)
        if text is None:
            raise SchemaNotFoundError(
                f"no schema has the id {schema_id}",
                why="The registry in this process does not hold it.",
                next_step="Point registry.url at the registry that the producer used.",
                context={"schema_id": schema_id},
            )
        return text

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None."""
        if _GET.armed is not None:
            _GET.strike()
        schema_id = self._latest.get(subject)
        return None if schema_id is None else (schema_id, self._schemas[schema_id])

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` can read what the subject's latest one wrote.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible`` if ``schema`` is no Avro schema.
        """
        parsed = parsed_schema(subject, schema)
        latest = self.latest(subject)
        return latest is None or not incompatibilities(parsed, json.loads(latest[1]))

    def close(self) -> None:
        """Do nothing: who shares the registry goes on using it."""


_SHARED: dict[str, MemoryRegistry] = {}
_SHARED_LOCK = threading.Lock()


def shared_registry(name: str = "") -> MemoryRegistry:
    """Return the registry that goes by ``name`` in this process; it lasts as long."""
    with _SHARED_LOCK:
        return _SHARED.setdefault(name, MemoryRegistry())
