"""Whether a new Avro schema can read what an old one wrote: Avro 1.12, "Schema Resolution"."""

from collections.abc import Iterator
from typing import Any

from fastavro.schema import parse_schema

__all__ = ["incompatibilities"]

# A writer's primitive type -> the other reader types that it may be promoted to.
_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


def incompatibilities(reader: Any, writer: Any) -> list[str]:
    """Return every reason why ``reader`` cannot read all that ``writer`` can write.

    Both are schemas as parsed from JSON. An empty list means backward compatible: ``reader``
    may replace ``writer``.

    Raises:
        fastavro.schema.SchemaParseException: one of them is not an Avro schema.
        fastavro.schema.UnknownType: one of them names a type that it does not define.
    """
    return list(_Resolution(reader, writer).differences())


class _Resolution:
    """One comparison: the two schemas and the named types that each defines."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader_names: dict[str, Any] = {}
        self._writer_names: dict[str, Any] = {}
        self._reader = parse_schema(reader, self._reader_names, _write_hint=False)
        self._writer = parse_schema(writer, self._writer_names, _write_hint=False)
        self._under_way: set[tuple[str, str]] = set()  # recursive records end here

    def differences(self) -> Iterator[str]:
        return self._compare(self._reader, self._writer, "")

    def _compare(self, reader: Any, writer: Any, at: str) -> Iterator[str]:
        reader = self._reader_names.get(reader, reader) if isinstance(reader, str) else reader
        writer = self._writer_names.get(writer, writer) if isinstance(writer, str) else writer
        if isinstance(writer, list):
            for branch in writer:
                yield from self._compare(reader, branch, at)
        elif isinstance(reader, list):
            if not any(self._reads(branch, writer, at) for branch in reader):
                yield f"{at or 'the schema'}: no branch of the union reads {_kind(writer)}"
        else:
            yield from self._compare_plain(reader, writer, at)

    def _reads(self, reader: Any, writer: Any, at: str) -> bool:
        return next(self._compare(reader, writer, at), None) is None

    def _compare_plain(self, reader: Any, writer: Any, at: str) -> Iterator[str]:
        reads, writes = _kind(reader), _kind(writer)
        if reads != writes:
            if reads not in _PROMOTIONS.get(writes, ()):
                yield f"{at or 'the schema'}: {reads} cannot read {writes}"
        elif reads == "array":
            yield from self._compare(reader["items"], writer["items"], f"{at}[]")
        elif reads == "map":
            yield from self._compare(reader["values"], writer["values"], f"{at}{{}}")
        elif reads in {"record", "error", "enum", "fixed"}:
            yield from self._compare_named(reader, writer, at)

    def _compare_named(self, reader: Any, writer: Any, at: str) -> Iterator[str]:
        pair = reader["name"], writer["name"]
        if pair in self._under_way:
            return
        if not _same_name(reader, writer):
            yield f"{at or 'the schema'}: {pair[0]} cannot read {pair[1]}"
            return
        if _kind(reader) == "fixed":
            if reader["size"] != writer["size"]:
                yield f"{at or 'the schema'}: size {reader['size']} is not {writer['size']}"
            return
        if _kind(reader) == "enum":
            missing = set(writer["symbols"]) - set(reader["symbols"])
            if missing and "default" not in reader:
                yield f"{at or 'the schema'}: lacks the symbols {', '.join(sorted(missing))}"
            return
        self._under_way.add(pair)
        yield from self._compare_fields(reader, writer, at)
        self._under_way.discard(pair)

    def _compare_fields(self, reader: Any, writer: Any, at: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", ())]
            source = next((written[name] for name in names if name in written), None)
            path = f"{at}.{field['name']}".lstrip(".")
            if source is not None:
                yield from self._compare(field["type"], source["type"], path)
            elif "default" not in field:
                yield f"{path}: is new and has no default"


def _kind(schema: Any) -> str:
    if isinstance(schema, str):
        return schema
    if isinstance(schema, list):
        return "union"
    return str(schema["type"])


def _same_name(reader: Any, writer: Any) -> bool:
    accepted = {reader["name"], *reader.get("aliases", ())}
    short = {name.rpartition(".")[2] for name in accepted}
    return writer["name"] in accepted or writer["name"].rpartition(".")[2] in short
