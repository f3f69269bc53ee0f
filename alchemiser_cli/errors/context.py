"""What was being done when something failed, carried along without threading it by hand."""

from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import msgspec

__all__ = ["ErrorContext", "context_of", "current_context", "operation"]


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The surroundings of a failure; ``data`` holds further JSON-compatible facts."""

    operation: str = ""
    component: str = ""
    function: str = ""
    request_id: str | None = None
    session_id: str | None = None
    run_id: str | None = None
    order_id: str | None = None
    symbol: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    data: dict[str, object] = {}


_ATTRIBUTE = "alchemiser_context"
_FIELDS = frozenset(ErrorContext.__struct_fields__) - {"data"}


def current_context() -> ErrorContext:
    """Return the context of the innermost operation that is under way here."""
    innermost = _CURRENT.get()
    return ErrorContext() if innermost is None else innermost.context()


def context_of(error: BaseException) -> ErrorContext:
    """Return the context in which ``error`` left its innermost operation, else the current one."""
    found = getattr(error, _ATTRIBUTE, None)
    return found if isinstance(found, ErrorContext) else current_context()


class operation:  # noqa: N801  reads as the statement that it is: with operation("place order")
    """Name what a block does, for every error that leaves it.

    Fields of ``ErrorContext`` are set as such, all others become ``data``; what is not set here
    comes from the operation around it. Entering only remembers; the context is put together
    when an error asks for it, so that success costs next to nothing.
    """

    __slots__ = ("_around", "_fields", "_name", "_token")

    def __init__(self, name: str, **fields: Any) -> None:
        """Keep the name and the facts."""
        self._name = name
        self._fields = fields

    def __enter__(self) -> Self:
        """Become the innermost operation of this thread or task."""
        self._around = _CURRENT.get()
        self._token = _CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; an error that passes keeps the context of its innermost operation."""
        if error is not None and getattr(error, _ATTRIBUTE, None) is None:
            # Some exceptions of C extensions take no attributes; they keep the outer context.
            with suppress(AttributeError, TypeError):
                setattr(error, _ATTRIBUTE, self.context())
        _CURRENT.reset(self._token)

    def context(self) -> ErrorContext:
        """Put the context together from here outwards."""
        around = ErrorContext() if self._around is None else self._around.context()
        known = {key: value for key, value in self._fields.items() if key in _FIELDS}
        rest = {key: value for key, value in self._fields.items() if key not in _FIELDS}
        return msgspec.structs.replace(
            around, operation=self._name, data={**around.data, **rest}, **known
        )


_CURRENT: ContextVar[operation | None] = ContextVar("error_operation", default=None)
