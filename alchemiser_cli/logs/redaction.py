"""Masking what looks like a secret, however deep it lies."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
from pydantic import SecretStr

__all__ = ["MASK", "redacted"]

MASK = "**********"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|authorization|(api|signing|private)[_-]?key",
    re.IGNORECASE,
)
# Up to the last @: a password may hold one, and / too where nobody encoded it.
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s\"']+@")


def redacted(name: str, value: Any) -> Any:
    """Return ``value``, masked where its name or its form is a secret's.

    Never raises: what cannot be looked through is not shown.
    """
    try:
        return _masked(name, value)
    except Exception as error:  # noqa: BLE001  a value that contains itself, a foreign mapping
        return f"<{type(value).__name__} that raised {type(error).__name__}>"


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr) or (value is not None and _SECRET_NAME.search(name)):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if "://" in value else value
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    elif is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", inner) for inner in value]
    return value
