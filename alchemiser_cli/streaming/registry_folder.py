"""A schema registry that is a folder: one file a schema, one file a subject."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from alchemiser_cli.errors import RegistryUnreachableError, SchemaNotFoundError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.streaming.compatibility import incompatibilities
from alchemiser_cli.streaming.files import locked, make_private_folder, write_atomically
from alchemiser_cli.streaming.registry_schemas import (
    canonical,
    parsed_schema,
    possible_ids,
    refuse_incompatible,
)

__all__ = ["FolderRegistry"]

_GET = fault_point("registry.get")


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
        if _GET.armed is not None:
            _GET.strike()
        parsed = parsed_schema(subject, schema)
        make_private_folder(self._folder)
        with locked(self._folder / ".lock"):
            versions = self._versions(subject)
            if versions:
                refuse_incompatible(subject, parsed, (versions[-1], self.schema(versions[-1])))
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
        if _GET.armed is not None:
            _GET.strike()
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
        self._refuse_altered(schema_id, text)
        self._schemas[schema_id] = text
        return text

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None.

        Raises:
            RegistryUnreachableError: ``registry-unreachable`` if a file cannot be read.
        """
        if _GET.armed is not None:
            _GET.strike()
        versions = self._versions(subject)
        return (versions[-1], self.schema(versions[-1])) if versions else None

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` can read what the subject's latest one wrote.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible`` if ``schema`` is no Avro schema.
            RegistryUnreachableError: ``registry-unreachable`` if a file cannot be read.
        """
        parsed = parsed_schema(subject, schema)
        latest = self.latest(subject)
        return latest is None or not incompatibilities(parsed, json.loads(latest[1]))

    def close(self) -> None:
        """Do nothing: a folder holds no connection."""

    def _add(self, parsed: Any) -> int:
        text = canonical(parsed)
        paths = ((one, self._schema_path(one)) for one in possible_ids(text))
        schema_id, path = next(one for one in paths if self._read(one[1]) in {None, text})
        if not path.exists():
            write_atomically(path, text.encode())
        return schema_id

    def _refuse_altered(self, schema_id: int, text: str) -> None:
        """Refuse a text that did not get this id: it would misread what was written."""
        for one in possible_ids(canonical(json.loads(text))):
            if one == schema_id:
                return
            if not self._schema_path(one).exists():
                why = "it was changed after it was registered"
                raise _damaged(self._schema_path(schema_id), why)

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
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(path, str(error)) from error
        return text

    def _schema_path(self, schema_id: int) -> Path:
        return self._folder / f"schema-{schema_id}.json"

    def _subject_path(self, subject: str) -> Path:
        return self._folder / f"subject-{quote(subject, safe='')}.json"


def _damaged(path: Path, why: str) -> RegistryUnreachableError:
    return RegistryUnreachableError(
        f"the registry's file {path.name} cannot be used",
        why=f"Reading it failed: {why}.",
        next_step=f"Restore {path} from a copy, or remove it and start the producer again.",
        context={"path": str(path)},
    )
