"""Backward compatibility: what is called compatible can really be read."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.streaming.compatibility import incompatibilities


def record(*fields, name="R"):
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


COLOURS = {"type": "enum", "name": "E", "symbols": ["red", "green"]}
LIST = {
    "type": "record",
    "name": "L",
    "fields": [field("value", "int"), field("next", ["null", "L"], default=None)],
}


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (record(field("a", "long")), record(field("a", "int"))),
        (record(field("a", "double")), record(field("a", "float"))),
        (record(field("a", "string")), record(field("a", "bytes"))),
        (record(field("a", "int"), field("b", "int", default=0)), record(field("a", "int"))),
        (record(field("a", "int")), record(field("a", "int"), field("b", "string"))),
        (record(field("b", "int", aliases=["a"])), record(field("a", "int"))),
        (record(field("a", ["null", "int"])), record(field("a", "int"))),
        (record(field("a", ["null", "long", "string"])), record(field("a", ["null", "int"]))),
        (record(field("a", "long")), record(field("a", ["int", "long"]))),
        (
            record(field("a", {**COLOURS, "symbols": ["red", "green", "blue"]})),
            record(field("a", COLOURS)),
        ),
        (
            record(field("a", {**COLOURS, "symbols": ["red"], "default": "red"})),
            record(field("a", COLOURS)),
        ),
        (
            record(field("a", {"type": "array", "items": "long"})),
            record(field("a", {"type": "array", "items": "int"})),
        ),
        (LIST, LIST),
    ],
)
def test_a_schema_that_reads_all_of_the_old_one_is_compatible(reader, writer):
    assert incompatibilities(reader, writer) == []


@pytest.mark.parametrize(
    ("reader", "writer", "reason"),
    [
        (record(field("a", "int")), record(field("a", "long")), "a: int cannot read long"),
        (record(field("a", "int"), field("b", "int")), record(field("a", "int")), "no default"),
        (record(field("a", "int")), record(field("a", ["null", "int"])), "cannot read null"),
        (record(field("a", ["null", "int"])), record(field("a", "string")), "no branch"),
        (record(field("a", {**COLOURS, "symbols": ["red"]})), record(field("a", COLOURS)), "green"),
        (record(name="S"), record(name="R"), "S cannot read R"),
        (
            record(field("a", {"type": "map", "values": "int"})),
            record(field("a", {"type": "map", "values": "string"})),
            "cannot read string",
        ),
        (
            record(field("a", {"type": "fixed", "name": "F", "size": 4})),
            record(field("a", {"type": "fixed", "name": "F", "size": 8})),
            "size 4 is not 8",
        ),
        (
            {**LIST, "fields": [field("value", "string"), LIST["fields"][1]]},
            LIST,
            "string cannot read int",
        ),
    ],
)
def test_a_schema_that_cannot_read_the_old_one_says_where(reader, writer, reason):
    assert reason in " ".join(incompatibilities(reader, writer))


PRIMITIVES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
    "bytes": st.binary(max_size=5).filter(lambda data: data.isascii()),
}
KINDS = st.sampled_from(sorted(PRIMITIVES))
TYPES = KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True)


@st.composite
def schemas_and_values(draw):
    """Draw writer, reader, and a value of the writer."""
    names = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4))
    types = {name: draw(TYPES) for name in names}
    writer = record(*(field(name, kind) for name, kind in types.items()))
    kept = [
        field(name, draw(st.just(types[name]) | TYPES)) for name in names if draw(st.booleans())
    ]
    added = [field("e", "int", default=1)] if draw(st.booleans()) else []
    value = {}
    for name, kind in types.items():
        chosen = draw(st.sampled_from(kind)) if isinstance(kind, list) else kind
        value[name] = (
            (chosen, draw(PRIMITIVES[chosen]))
            if isinstance(kind, list)
            else draw(PRIMITIVES[chosen])
        )
    return writer, record(*kept, *added), value


@given(schemas_and_values())
def test_whatever_is_called_compatible_is_read_by_fastavro(drawn):
    writer, reader, value = drawn
    if incompatibilities(reader, writer):
        return
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(writer), value)
    buffer.seek(0)
    fastavro.schemaless_reader(buffer, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    assert buffer.read() == b""
