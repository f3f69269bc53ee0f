"""What is wrong with a configuration: every problem at once, each with its place and mend."""

import difflib
import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ValidationError

from alchemiser_cli.settings.layers import KeyPath, Layer

__all__ = ["Problem", "validation_problems"]

_OWN_ERRORS = {
    "bootstrap_malformed": (
        "bootstrap-malformed",
        "Write HOST:PORT, and a comma between several: broker-1:9092,broker-2:9092.",
    ),
    "url_malformed": ("url-malformed", "Correct the URL's form."),
}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: ``code`` is an error code, ``key`` a dotted setting or a file."""

    code: str
    key: str
    message: str
    next_step: str
    origin: str = ""


def validation_problems(
    error: ValidationError, model: type[BaseModel], layers: Iterable[Layer]
) -> list[Problem]:
    """Translate pydantic's report; values are left out, for they may be secret."""
    found = []
    strongest_first = tuple(layers)
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in detail["loc"] if part != "[key]")
        origin = next((o for layer in strongest_first if (o := layer.origin(path))), "default")
        key = ".".join(path)
        if detail["type"] == "extra_forbidden":
            code, message = "setting-unknown", f"{key} is not a setting"
            next_step = _suggestion(path, model)
        else:
            code, next_step = _OWN_ERRORS.get(
                detail["type"], ("setting-invalid", "`alchemiser config schema` shows its type.")
            )
            message = detail["msg"]
        found.append(Problem(code, key, message, next_step, origin))
    return found


def _suggestion(path: KeyPath, model: type[BaseModel]) -> str:
    names = _names_at(path[:-1], model)
    near = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {'.'.join((*path[:-1], near[0]))}?"
    return f"Valid names here: {', '.join(names)}."


def _names_at(path: KeyPath, model: type[BaseModel]) -> list[str]:
    """Return the valid names of the section at ``path``."""
    current: Any = model
    for part in path:
        if _is_model(current):
            current = current.model_fields[part].annotation
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        if get_origin(current) in (Union, types.UnionType):
            current = next((kind for kind in get_args(current) if _is_model(kind)), current)
    return sorted(current.model_fields) if _is_model(current) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
