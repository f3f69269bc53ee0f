"""Masking what looks like a secret, however deep it lies."""

import re
from typing import Any

from pydantic import SecretStr

__all__ = ["MASK", "redacted"]

MASK = "**********"

_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|authorization|signing_?key", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@")


def redacted(name: str, value: Any) -> Any:
    """Return ``value``, masked where its name or its form is a secret's."""
    if isinstance(value, SecretStr) or (value is not None and _SECRET_NAME.search(name)):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if "://" in value else value
    if isinstance(value, dict):
        return {key: redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted("", inner) for inner in value]
    return value
