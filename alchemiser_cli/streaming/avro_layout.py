"""How the fields of a writer's schema lie in a message, so that many can be read side by side."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from alchemiser_cli.market.columns import KINDS, OPTIONAL

__all__ = ["LONGEST_FIXED_PART", "FieldLayout", "layout_of"]

Wire = Literal["varint", "string", "fixed"]

_TYPES = {
    "symbol": "string",
    "venue": "string",
    "kind": "enum",
    "sequence": "long",
    "event_time_ns": "long",
    "price": "double",
    "size": "double",
} | dict.fromkeys(OPTIONAL, "double")
_RECORD, _ENUM = "alchemiser.market.Tick", "alchemiser.market.TickKind"
_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_WIRES: dict[str, Wire] = {
    "int": "varint",
    "long": "varint",
    "enum": "varint",
    "string": "string",
    "bytes": "string",
}
_LONGEST_FIXED = 64
_MOST_NULLS = 7  # whose branches fit into one word
LONGEST_FIXED_PART = 2_048  # bytes of a record, the contents of strings aside
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """One field of the writer's record.

    ``target`` is the tick's field that it fills, or None for one that is passed over. ``width``
    is the number of bytes where ``wire`` is fixed. ``branch`` is the value's place in a union
    with null, 0 or 1, or None for a field that is no union. ``kinds`` are the codes of the
    enum's symbols by their index, -1 for a symbol that is no kind of tick. ``nulls`` counts the
    optional fields of the tick from this one on, up to seven, whose branch 0 is null.
    """

    wire: Wire
    target: str | None = None
    width: int = 0
    branch: int | None = None
    kinds: tuple[int, ...] = ()
    nulls: int = 0


def layout_of(schema: Any) -> tuple[FieldLayout, ...] | None:
    """Return the fields of ``schema`` in their order, or None if they cannot be read as columns.

    Args:
        schema: a writer's schema as fastavro parsed it.

    Records with arrays, maps, nested records, logical types, promoted numbers or a missing
    field of the tick are left to fastavro, record by record.
    """
    if not isinstance(schema, dict) or (schema.get("type"), schema.get("name")) != (
        "record",
        _RECORD,
    ):
        return None
    layouts = []
    for field in schema["fields"]:
        layout = _field(field["name"], field["type"])
        if layout is None:
            return None
        layouts.append(layout)
    found = {layout.target for layout in layouts}
    needed = _TYPES.keys() - set(OPTIONAL)
    longest = sum(layout.width + 2 * _LONGEST_VARINT for layout in layouts)
    return _with_nulls(layouts) if needed <= found and longest <= LONGEST_FIXED_PART else None


def _with_nulls(layouts: list[FieldLayout]) -> tuple[FieldLayout, ...]:
    counted: list[FieldLayout] = []
    nulls = 0
    for layout in reversed(layouts):
        nulls = min(nulls + 1, _MOST_NULLS) if layout.target and layout.branch == 1 else 0
        counted.append(replace(layout, nulls=nulls))
    return tuple(reversed(counted))


def _field(name: str, schema: Any) -> FieldLayout | None:
    branch = None
    if isinstance(schema, list):
        if len(schema) != 2 or schema.count("null") != 1:
            return None
        branch = 1 - schema.index("null")
        schema = schema[branch]
    kind = schema["type"] if isinstance(schema, dict) else schema
    if not isinstance(kind, str) or (isinstance(schema, dict) and "logicalType" in schema):
        return None
    if name in _TYPES:
        return _target(name, kind, schema, branch)
    return _passed_over(kind, schema, branch)


def _target(name: str, kind: str, schema: Any, branch: int | None) -> FieldLayout | None:
    if kind != _TYPES[name] or (branch is not None and name not in OPTIONAL):
        return None
    if kind == "enum":
        return _kinds(name, schema)
    if kind == "double":
        return FieldLayout("fixed", name, _WIDTHS[kind], branch)
    return FieldLayout(_WIRES[kind], name)


def _kinds(name: str, schema: Any) -> FieldLayout | None:
    if schema["name"] != _ENUM:
        return None
    codes = {symbol: code for code, symbol in enumerate(KINDS)}
    kinds = tuple(codes.get(symbol, -1) for symbol in schema["symbols"])
    return FieldLayout("varint", name, kinds=kinds)


def _passed_over(kind: str, schema: Any, branch: int | None) -> FieldLayout | None:
    width = schema["size"] if kind == "fixed" else _WIDTHS.get(kind)
    if width is not None:
        return FieldLayout("fixed", None, width, branch) if width <= _LONGEST_FIXED else None
    return FieldLayout(_WIRES[kind], None, branch=branch) if kind in _WIRES else None
