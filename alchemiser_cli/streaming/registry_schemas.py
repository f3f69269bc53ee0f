"""What our own registries agree on: which text is a schema, its id, and what may follow it."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from alchemiser_cli.errors import SchemaIncompatibleError
from alchemiser_cli.streaming.compatibility import incompatibilities

__all__ = ["canonical", "parsed_schema", "possible_ids", "refuse_incompatible"]

_LARGEST_ID = 2**31 - 1  # the wire format's id is a signed 32-bit number


def parsed_schema(subject: str, schema: str) -> Any:
    """Return the JSON text ``schema`` as Python objects, once it is known to be Avro.

    Raises:
        SchemaIncompatibleError: ``schema-incompatible``.
    """
    try:
        parsed = json.loads(schema)
        parse_schema(parsed, _write_hint=False)
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        SchemaParseException,
        UnknownType,
    ) as error:
        raise SchemaIncompatibleError(
            f"the schema for {subject!r} is not an Avro schema",
            why=f"Parsing it failed: {error!r}.",
            next_step="Correct the schema's JSON text.",
            context={"subject": subject},
        ) from error
    return parsed


def canonical(parsed: Any) -> str:
    """Return the one JSON text for a schema, whatever its spacing and order of keys."""
    return json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def possible_ids(text: str) -> Iterator[int]:
    """Yield the ids that a schema may have: one by its hash, then those that follow.

    The second is for the case that another schema has the first.
    """
    digest = hashlib.sha256(text.encode()).digest()
    schema_id = int.from_bytes(digest[:4], "big") % _LARGEST_ID + 1
    while True:
        yield schema_id
        schema_id = schema_id % _LARGEST_ID + 1


def refuse_incompatible(subject: str, parsed: Any, latest: tuple[int, str]) -> None:
    """Refuse a schema that cannot read what the subject's latest one wrote (BACKWARD).

    Raises:
        SchemaIncompatibleError: ``schema-incompatible``.
    """
    reasons = incompatibilities(parsed, json.loads(latest[1]))
    if reasons:
        raise SchemaIncompatibleError(
            f"the new schema of {subject!r} cannot replace schema {latest[0]}",
            why=f"It cannot read what was written: {'; '.join(reasons)}.",
            next_step="Give new fields a default, and keep the types and names of old ones.",
            context={"subject": subject, "latest": latest[0], "reasons": reasons},
        )
