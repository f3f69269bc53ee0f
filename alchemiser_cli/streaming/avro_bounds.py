"""Messages that claim more than they hold, found before a reader believes them.

fastavro skips as many array items as a message counts, though the message be long at its end,
and follows a schema that contains itself until the stack overflows: ten bytes of garbage would
stop the process for hours, and five thousand would kill it. Schemas without arrays, maps and
recursion cannot do that and need no such check.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["Bounds"]

_DEEPEST = 64
_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_LONGS = {"int", "long", "enum"}
_RECORDS = {"record", "error"}
_REPEATING = {"array", "map"}
_SIZED = {"string", "bytes"}
_STEPS, _STEPS_A_BYTE = 4_096, 4
_MORE = 0x80  # the bit that says that a number goes on
_LONGEST_SHIFT = 70


class Bounds:
    """What a writer's schema lets a message claim."""

    def __init__(self, parsed: Any) -> None:
        """Take a schema as fastavro parsed it."""
        self._schema = parsed
        self._named = parsed.get("__named_schemas", {}) if isinstance(parsed, dict) else {}
        self.needed = any(self._repeats(part) for part in _parts(parsed))

    def exceeded(self, data: bytes, begin: int) -> str | None:
        """Return what the record at ``begin`` claims beyond its bytes or any sense, or None.

        A record that is wrong in other ways is left to the reader.
        """
        try:
            _Walk(self._named, data, begin).skip(self._schema, 0)
        except _ExceededError as error:
            return str(error)
        except IndexError:
            return None  # the reader ends there too, and says how
        return None

    def _repeats(self, part: Any) -> bool:
        if isinstance(part, str):
            return part in self._named  # used again, perhaps inside itself
        return isinstance(part, dict) and part.get("type") in _REPEATING


class _ExceededError(Exception):
    """A message claims what it cannot hold."""


class _Walk:
    """Passing over one record; every value costs a step, and steps are limited by the bytes."""

    def __init__(self, named: dict[str, Any], data: bytes, at: int) -> None:
        self._named = named
        self._data = data
        self._at = at
        self._steps = _STEPS + _STEPS_A_BYTE * len(data)

    def skip(self, schema: Any, depth: int) -> None:
        self._steps -= 1
        if depth > _DEEPEST or self._steps < 0:
            raise _ExceededError("It nests too deep, or repeats what takes no bytes.")
        if isinstance(schema, list):
            self.skip(schema[self._long()], depth + 1)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in _RECORDS:
            for field in schema["fields"]:
                self.skip(field["type"], depth + 1)
        elif kind in _REPEATING:
            self._skip_blocks(schema, depth)
        elif kind in _LONGS:
            self._long()
        elif kind in _SIZED:
            self._skip_sized()
        elif kind == "fixed":
            self._at += schema["size"]
        elif kind in _WIDTHS:
            self._at += _WIDTHS[kind]
        else:
            self.skip(self._named[kind] if isinstance(kind, str) else kind, depth + 1)

    def _skip_blocks(self, schema: Any, depth: int) -> None:
        while (count := self._long()) != 0:
            if count < 0:  # then its size in bytes follows
                self._skip_sized()
                continue
            left = len(self._data) - self._at
            if count > left:
                raise _ExceededError(f"It counts {count} items in {left} bytes.")
            for _ in range(count):
                if "values" in schema:
                    self._skip_sized()  # the key
                self.skip(schema.get("items", schema.get("values")), depth + 1)

    def _skip_sized(self) -> None:
        size = self._long()
        if not 0 <= size <= len(self._data) - self._at:
            raise IndexError("a size beyond the message")
        self._at += size

    def _long(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < _MORE:
                break
            shift += 7
            if shift >= _LONGEST_SHIFT:
                raise _ExceededError("A number takes more than 64 bits.")
        return (number >> 1) ^ -(number & 1)


def _parts(schema: Any) -> Iterator[Any]:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += [field["type"] for field in part.get("fields", ())]
            waiting += [part[key] for key in ("items", "values") if key in part]
            if not isinstance(part["type"], str):
                waiting.append(part["type"])
