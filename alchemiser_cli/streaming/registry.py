"""Where schemas live: what a schema registry does for us, and which one a URL names."""

from pathlib import Path
from typing import Protocol

from alchemiser_cli.clock import Clock, SystemClock
from alchemiser_cli.settings.sections import RegistrySettings

__all__ = ["SchemaRegistry", "open_registry", "value_subject"]

_FOLDER_PREFIX = "file:"
_MEMORY_PREFIX = "memory:"


class SchemaRegistry(Protocol):
    """Schemas by id and by subject; schemas are Avro, as JSON text.

    Every method may raise ``registry-unreachable``.
    """

    def register(self, subject: str, schema: str) -> int:
        """Make ``schema`` the subject's latest and return its id; the same one keeps its id.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible`` if readers of the subject's
                latest schema could not be replaced by readers of this one.
        """
        ...

    def schema(self, schema_id: int) -> str:
        """Return the schema with this id.

        Raises:
            SchemaNotFoundError: ``schema-not-found``.
        """
        ...

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None for an unknown subject."""
        ...

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` can read what the subject's latest one wrote."""
        ...

    def close(self) -> None:
        """Close connections; asking again is not allowed after that."""
        ...


def value_subject(topic: str) -> str:
    """Return the subject of a topic's values, by Confluent's topic-name strategy."""
    return f"{topic}-value"


def open_registry(
    settings: RegistrySettings, url: str, clock: Clock | None = None
) -> SchemaRegistry:
    """Return the registry that ``url`` names; nothing is contacted or written yet.

    One over HTTP is asked again within ``settings.timeout_s`` when it does not answer.

    Args:
        settings: credentials and timeout of an HTTP registry.
        url: ``file:FOLDER``, ``http(s)://HOST:PORT``, or ``memory:NAME`` for the one of that
            name, which may be empty, in this process; already resolved and validated.
        clock: waits before a registry is asked again; None for the system's.
    """
    if url.startswith(_FOLDER_PREFIX):
        from alchemiser_cli.streaming.registry_folder import FolderRegistry

        path = url.removeprefix(_FOLDER_PREFIX)
        if path.startswith("//"):  # file:///FOLDER
            path = path.removeprefix("//")
        return FolderRegistry(Path(path))
    if url.startswith(_MEMORY_PREFIX):
        from alchemiser_cli.streaming.registry_memory import shared_registry

        return shared_registry(url.removeprefix(_MEMORY_PREFIX))
    from alchemiser_cli.streaming.registry_http import HttpRegistry
    from alchemiser_cli.streaming.registry_retrying import RetryingRegistry

    registry = HttpRegistry(settings, url)
    return RetryingRegistry(registry, clock or SystemClock(), deadline_s=settings.timeout_s)
