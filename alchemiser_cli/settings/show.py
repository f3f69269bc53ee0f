"""Settings as rows that may be shown: secrets masked, each value with its origin."""

from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr

from alchemiser_cli.settings.layers import KeyPath
from alchemiser_cli.settings.resolve import Resolved
from alchemiser_cli.settings.urls import MASK, SERVICE_URLS, masked_url

__all__ = ["SettingRow", "setting_rows"]


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
        return masked_url(value.get_secret_value()) if path in SERVICE_URLS else MASK
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value)
