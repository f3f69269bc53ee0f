"""A schema registry behind Confluent's HTTP interface."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from alchemiser_cli.errors import (
    AlchemiserError,
    RegistryUnreachableError,
    SchemaIncompatibleError,
    SchemaNotFoundError,
)
from alchemiser_cli.faults import fault_point
from alchemiser_cli.settings.sections import RegistrySettings

__all__ = ["HttpRegistry"]

_NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 404, 409, 422

_GET = fault_point("registry.get")

Answer = TypeVar("Answer")


class HttpRegistry:
    """A ``SchemaRegistry`` at an ``http(s)`` URL; schemas are cached by their id."""

    def __init__(self, settings: RegistrySettings, url: str) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            settings: user name, password and ``timeout_s``.
            url: its own user name and password count where the settings have none.
        """
        self._url, user, password = _without_credentials(url)
        if settings.username is not None:
            user = settings.username
            password = settings.password.get_secret_value() if settings.password else ""
        conf: dict[str, Any] = {
            "url": self._url,
            "timeout": settings.timeout_s,
            "max.retries": 0,  # trying again is the caller's decision
        }
        if user:
            conf["basic.auth.user.info"] = f"{user}:{password}"
        self._timeout_s = settings.timeout_s
        self._client = SchemaRegistryClient(conf)

    def register(self, subject: str, schema: str) -> int:
        """Make ``schema`` the subject's latest and return its id.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        return self._ask(
            f"register a schema for {subject!r}",
            lambda: self._client.register_schema(subject, Schema(schema, "AVRO")),
        )

    def schema(self, schema_id: int) -> str:
        """Return the schema with this id.

        Raises:
            SchemaNotFoundError: ``schema-not-found``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        text = self._ask(
            f"give schema {schema_id}", lambda: self._client.get_schema(schema_id).schema_str
        )
        if text is None:
            raise self._unreachable(f"give schema {schema_id}", "The answer holds no schema.")
        return text

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None for an unknown subject.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``.
        """
        self._client.clear_latest_caches()  # type: ignore[no-untyped-call]  # the library's gap
        try:
            version = self._ask(
                f"give the latest schema of {subject!r}",
                lambda: self._client.get_latest_version(subject),
            )
        except SchemaNotFoundError:
            return None
        if version.schema_id is None or version.schema.schema_str is None:
            raise self._unreachable(f"give {subject!r}", "The answer holds no schema.")
        return version.schema_id, version.schema.schema_str

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` fits the subject by the registry's own compatibility level.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``.
        """
        try:
            return self._ask(
                f"compare a schema with {subject!r}",
                lambda: self._client.test_compatibility(subject, Schema(schema, "AVRO")),
            )
        except SchemaNotFoundError:
            return True  # nothing was written under this subject yet

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, wish: str, call: Callable[[], Answer]) -> Answer:
        if _GET.armed is not None:
            self._pass(wish)
        try:
            return call()
        except SchemaRegistryError as error:
            raise self._refused(wish, error) from error
        except Exception as error:
            # The client lets its HTTP library's errors through, and that library changed
            # between releases: whatever it raises, the registry did not answer.
            raise self._unreachable(wish, repr(error)) from error

    def _pass(self, wish: str) -> None:
        """Pass the fault point; a registry that hangs is given up after its timeout."""
        struck: list[Exception] = []

        def strike() -> None:
            try:
                _GET.strike()
            except Exception as error:  # noqa: BLE001  it is raised where it is waited for
                struck.append(error)

        thread = threading.Thread(target=strike, name="alchemiser-registry-fault", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if thread.is_alive():
            given_up = self._unreachable(wish, f"No answer within {self._timeout_s:g} s.")
            given_up.injected = True
            raise given_up
        if struck:
            raise struck[0]

    def _refused(self, wish: str, error: SchemaRegistryError) -> AlchemiserError:
        what = f"the schema registry did not {wish}"
        context: dict[str, object] = {"url": self._url, "status": error.http_status_code}
        why = f"It answered {error.http_status_code}: {error.error_message}."
        if error.http_status_code == _NOT_FOUND:
            return SchemaNotFoundError(
                what,
                why=why,
                next_step="Check the subject or id, and that registry.url is the producer's.",
                context=context,
            )
        if error.http_status_code in {_CONFLICT, _UNPROCESSABLE}:
            return SchemaIncompatibleError(
                what,
                why=why,
                next_step="Give new fields a default, and keep the types and names of old ones.",
                context=context,
            )
        return self._unreachable(wish, why, error.http_status_code)

    def _unreachable(
        self, wish: str, why: str, status: int | None = None
    ) -> RegistryUnreachableError:
        return RegistryUnreachableError(
            f"the schema registry did not {wish}",
            why=why,
            next_step="Check registry.url, its credentials, and that the registry runs.",
            context={"url": self._url, "status": status},
        )


def _without_credentials(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return bare, unquote(parts.username or ""), unquote(parts.password or "")
