"""What was being done when something failed, carried along without threading it by hand."""

from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import msgspec

__all__ = ["ErrorContext", "context_of", "current_context", "inherit_context", "operation"]


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
_FIELDS = frozenset(ErrorContext.__struct_fields__) - {"operation", "data"}


def current_context() -> ErrorContext:
    """Return the context of the innermost operation that is under way here."""
    innermost = _CURRENT.get()
    return ErrorContext() if innermost is None else innermost.context()


def context_of(error: BaseException) -> ErrorContext:
    """Return the context in which ``error`` left its innermost operation, else the current one."""
    return _kept_context(error) or current_context()


def inherit_context(error: BaseException, cause: BaseException) -> None:
    """Let ``error``, which stands for ``cause``, keep the context of ``cause``."""
    context = _kept_context(cause)
    if context is not None and _kept_context(error) is None:
        _keep_context(error, context)


class operation:  # noqa: N801  reads as the statement that it is: with operation("place order")
    """Name what a block does, for every error that leaves it.

    Fields of ``ErrorContext`` are set as such, all others become ``data``; what is not set here
    comes from the operation around it. Entering only remembers; the context is put together
    when an error asks for it, so that success costs next to nothing.

    Threads and tasks each have their own innermost operation; a task begins with that of the
    code that made it. A generator's operation is seen by its consumer between two values.
    """

    __slots__ = ("_fields", "_name", "around")

    def __init__(self, name: str, /, **fields: Any) -> None:
        """Keep the name and the facts, for one block."""
        self._name = name
        self._fields = fields

    def __enter__(self) -> Self:
        """Become the innermost operation of this thread or task."""
        self.around = _CURRENT.get()
        _CURRENT.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; an error that passes keeps the context of its innermost operation."""
        if error is not None and _kept_context(error) is None:
            _keep_context(error, self.context())
        innermost = _CURRENT.get()
        if innermost is self:
            _CURRENT.set(self.around)
        elif innermost is not None:
            self._unlink(innermost)

    def context(self) -> ErrorContext:
        """Put the context together from the outermost operation to this one."""
        chain = [self]
        while (around := chain[-1].around) is not None:
            chain.append(around)
        known: dict[str, Any] = {}
        data: dict[str, object] = {}
        for one in reversed(chain):
            for key, value in one._fields.items():
                (known if key in _FIELDS else data)[key] = value
        return ErrorContext(operation=self._name, data=data, **known)

    def _unlink(self, innermost: "operation") -> None:
        """Leave out of order, as generators that take turns do.

        In another task's context, where such a generator may be closed, it changes nothing.
        """
        inner: operation | None = innermost
        while inner is not None:
            if inner.around is self:
                inner.around = self.around
                return
            inner = inner.around


_CURRENT: ContextVar[operation | None] = ContextVar("error_operation", default=None)


def _kept_context(error: BaseException) -> ErrorContext | None:
    # A foreign exception may compute its attributes, and fail at that.
    with suppress(Exception):
        found = getattr(error, _ATTRIBUTE, None)
        return found if isinstance(found, ErrorContext) else None
    return None


def _keep_context(error: BaseException, context: ErrorContext) -> None:
    # Some exceptions of C extensions take no attributes; they keep the outer context.
    with suppress(Exception):
        setattr(error, _ATTRIBUTE, context)
