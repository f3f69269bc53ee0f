"""A schema registry that is a folder: one file a schema, one file a subject."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from alchemiser_cli.errors import (
    RegistryUnreachableError,
    SchemaIncompatibleError,
    SchemaNotFoundError,
)
from alchemiser_cli.streaming.compatibility import incompatibilities
from alchemiser_cli.streaming.files import locked, make_private_folder, write_atomically

__all__ = ["FolderRegistry"]

_LARGEST_ID = 2**31 - 1  # the wire format's id is a signed 32-bit number


class FolderRegistry:
    """A ``SchemaRegistry`` in ``folder``; safe to share between processes and threads.

    A schema's id is taken from the hash of its content, so the same schema has the same id in
    every folder, and bytes written against one home can be read against another. Schemas and
    versions are only ever added. Compatibility is BACKWARD.
    """

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which ``register`` makes when it is missing."""
        self._folder = folder
        self._schemas: dict[int, str] = {}

    def register(self, subject: str, schema: str) -> int:
        """Make ``schema`` the subject's latest and return its id.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``, also for text that is no schema.
            RegistryUnreachableError: ``registry-unreachable`` if a file is damaged.
            HomeNotWritableError: ``home-not-writable``.
            DiskFullError: ``disk-full``.
        """
        parsed = _parsed(subject, schema)
        make_private_folder(self._folder)
        with locked(self._folder / ".lock"):
            versions = self._versions(subject)
            if versions:
                self._refuse_incompatible(subject, parsed, versions[-1])
            schema_id = self._add(parsed)
            if versions[-1:] != [schema_id]:
                content = msgspec.json.encode([*versions, schema_id])
                write_atomically(self._subject_path(subject), content)
        return schema_id

    def schema(self, schema_id: int) -> str:
        """Return the schema with this id.

        Raises:
            SchemaNotFoundError: ``schema-not-found``.
            RegistryUnreachableError: ``registry-unreachable`` if its file cannot be read.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        text = self._read(self._schema_path(schema_id))
        if text is None:
            raise SchemaNotFoundError(
                f"no schema has the id {schema_id}",
                why=f"The registry folder {self._folder} holds no such file.",
                next_step="Point registry.url at the registry that the producer used.",
                context={"schema_id": schema_id, "folder": str(self._folder)},
            )
        self._schemas[schema_id] = text
        return text

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None.

        Raises:
            RegistryUnreachableError: ``registry-unreachable`` if a file cannot be read.
        """
        versions = self._versions(subject)
        return (versions[-1], self.schema(versions[-1])) if versions else None

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` can read what the subject's latest one wrote.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible`` if ``schema`` is no Avro schema.
            RegistryUnreachableError: ``registry-unreachable`` if a file cannot be read.
        """
        parsed = _parsed(subject, schema)
        latest = self.latest(subject)
        return latest is None or not incompatibilities(parsed, json.loads(latest[1]))

    def close(self) -> None:
        """Do nothing: a folder holds no connection."""

    def _refuse_incompatible(self, subject: str, parsed: Any, latest: int) -> None:
        reasons = incompatibilities(parsed, json.loads(self.schema(latest)))
        if reasons:
            raise SchemaIncompatibleError(
                f"the new schema of {subject!r} cannot replace schema {latest}",
                why=f"It cannot read what was written: {'; '.join(reasons)}.",
                next_step="Give new fields a default, and keep the types and names of old ones.",
                context={"subject": subject, "latest": latest, "reasons": reasons},
            )

    def _add(self, parsed: Any) -> int:
        text = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).digest()
        schema_id = int.from_bytes(digest[:4], "big") % _LARGEST_ID + 1
        while (there := self._read(self._schema_path(schema_id))) is not None:
            if there == text:
                return schema_id
            schema_id = schema_id % _LARGEST_ID + 1  # another schema's hash begins alike
        write_atomically(self._schema_path(schema_id), text.encode())
        return schema_id

    def _versions(self, subject: str) -> list[int]:
        path = self._subject_path(subject)
        text = self._read(path)
        try:
            return [] if text is None else msgspec.json.decode(text, type=list[int])
        except msgspec.DecodeError as error:
            raise _damaged(path, str(error)) from error

    def _read(self, path: Path) -> str | None:
        try:
            text = path.read_text(encoding="utf-8")
            json.loads(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        return text

    def _schema_path(self, schema_id: int) -> Path:
        return self._folder / f"schema-{schema_id}.json"

    def _subject_path(self, subject: str) -> Path:
        return self._folder / f"subject-{quote(subject, safe='')}.json"


def _parsed(subject: str, schema: str) -> Any:
    try:
        parsed = json.loads(schema)
        parse_schema(parsed, _write_hint=False)
    except (ValueError, TypeError, KeyError, SchemaParseException, UnknownType) as error:
        raise SchemaIncompatibleError(
            f"the schema for {subject!r} is not an Avro schema",
            why=f"Parsing it failed: {error!r}.",
            next_step="Correct the schema's JSON text.",
            context={"subject": subject},
        ) from error
    return parsed


def _damaged(path: Path, why: str) -> RegistryUnreachableError:
    return RegistryUnreachableError(
        f"the registry's file {path.name} cannot be used",
        why=f"Reading it failed: {why}.",
        next_step=f"Restore {path} from a copy, or remove it and start the producer again.",
        context={"path": str(path)},
    )
