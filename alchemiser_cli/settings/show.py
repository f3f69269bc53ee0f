"""Settings as rows that may be shown: secrets masked, each value with its origin."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from pydantic import BaseModel, SecretStr

from alchemiser_cli.settings.layers import KeyPath
from alchemiser_cli.settings.resolve import Resolved

__all__ = ["SettingRow", "masked_url", "setting_rows"]

MASK = "**********"

# URLs of services keep their host visible; all other secrets are masked whole.
_SERVICE_URLS: set[KeyPath] = {("state", "url"), ("registry", "url"), ("tracking", "uri")}


class SettingRow(msgspec.Struct, frozen=True):
    """One setting: dotted key, value safe to show, and where it came from."""

    key: str
    value: str | int | float | bool | list[str] | None
    source: str


def setting_rows(resolved: Resolved) -> list[SettingRow]:
    """Return every setting in the order of the sections, with secrets masked."""
    return [
        SettingRow(".".join(path), _shown(path, value), resolved.origin(path))
        for path, value in _leaves(resolved.settings)
    ]


def masked_url(url: str) -> str:
    """Return ``url`` with the password of its user part and any query replaced by a mask.

    A user part that is not well formed is masked whole, up to the last ``@``.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{parts.scheme}://{MASK}@{url.rpartition('@')[2].partition('?')[0]}"
    if parts.password is None and not parts.query:
        return url
    netloc = parts.netloc
    if parts.password is not None:
        user, _, host = netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}:{MASK}@{host}"
    query = "&".join(
        item if item.startswith("sslmode=") else f"{item.partition('=')[0]}={MASK}"
        for item in parts.query.split("&")
        if item
    )
    return urlunsplit(parts._replace(netloc=netloc, query=query))


def _leaves(section: BaseModel, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        path = (*prefix, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, path)
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from _leaves(inner, (*path, key))
        else:
            yield path, value


def _shown(path: KeyPath, value: Any) -> str | int | float | bool | list[str] | None:
    if isinstance(value, SecretStr):
        return masked_url(value.get_secret_value()) if path in _SERVICE_URLS else MASK
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value)
