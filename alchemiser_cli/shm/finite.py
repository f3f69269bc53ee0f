"""Whether the numbers of a record are finite: no price is NaN, and no size infinite."""

import dataclasses
from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec
from msgspec import inspect

__all__ = ["bad_field_of"]

_ITEMS = (inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType)
_FIELDS = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.NamedTupleType,
    inspect.TypedDictType,
)


def bad_field_of(kind: type[msgspec.Struct]) -> Callable[[Any], str | None]:
    """Return a function that names the first field of a ``kind`` that is NaN or infinite, or holds
    such a number; None where all are finite.

    Which fields can hold a float is found out once, from their types.
    """  # noqa: D205  one sentence
    described = inspect.type_info(kind)
    fields = described.fields if isinstance(described, inspect.StructType) else ()
    plain = [one.name for one in fields if isinstance(one.type, inspect.FloatType)]
    deep = [
        one.name
        for one in fields
        if not isinstance(one.type, inspect.FloatType) and _may_hold_float(one.type, set())
    ]

    def bad_field(record: Any) -> str | None:
        for name in plain:
            if not isfinite(getattr(record, name)):
                return name
        for name in deep:
            if not _all_finite(getattr(record, name)):
                return name
        return None

    return bad_field


def _may_hold_float(kind: inspect.Type, seen: set[type]) -> bool:  # noqa: PLR0911  a kind each
    if isinstance(kind, inspect.AnyType | inspect.FloatType):
        return True
    if isinstance(kind, inspect.Metadata):
        return _may_hold_float(kind.type, seen)
    if isinstance(kind, inspect.UnionType):
        return any(_may_hold_float(one, seen) for one in kind.types)
    if isinstance(kind, inspect.TupleType):
        return any(_may_hold_float(one, seen) for one in kind.item_types)
    if isinstance(kind, inspect.DictType):
        return _may_hold_float(kind.key_type, seen) or _may_hold_float(kind.value_type, seen)
    if isinstance(kind, _ITEMS):
        return _may_hold_float(kind.item_type, seen)
    if isinstance(kind, _FIELDS):
        if kind.cls in seen:  # a type that holds itself
            return False
        seen.add(kind.cls)
        return any(_may_hold_float(one.type, seen) for one in kind.fields)
    return False


def _all_finite(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(_all_finite(key) and _all_finite(one) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_all_finite(one) for one in value)
    if isinstance(value, msgspec.Struct):
        return all(_all_finite(getattr(value, name)) for name in value.__struct_fields__)
    if dataclasses.is_dataclass(value):
        return all(_all_finite(getattr(value, one.name)) for one in dataclasses.fields(value))
    return True
