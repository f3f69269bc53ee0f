"""Foreign exceptions as coded errors, at the edge where a library is called."""

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.errors.context import inherit_context
from alchemiser_cli.errors.translations import known, unexpected

__all__ = ["translated", "translating"]

Function = TypeVar("Function", bound=Callable[..., Any])


def translated(error: BaseException, *, doing: str) -> AlchemiserError:
    """Return ``error`` itself where it has a code, else the coded error that it amounts to.

    ``doing`` completes the sentence "could not ...". The coded error has ``error`` as its
    cause, and its context and mark of injection; what nobody knows is ``internal-error``. Of a
    group it is the gravest member's. Never raises.
    """
    if isinstance(error, AlchemiserError):
        return error
    if isinstance(error, BaseExceptionGroup):
        members = [translated(one, doing=doing) for one in error.exceptions]
        return max(members, key=lambda failure: failure.severity.rank)
    try:
        failure = known(error, doing) or unexpected(error, doing)
    except Exception:  # noqa: BLE001  an exception that cannot be examined is still a failure
        failure = unexpected(error, doing)
    failure.__cause__ = error
    failure.injected = _attribute(error, "injected") is True
    inherit_context(failure, error)
    return failure


class translating:  # noqa: N801  reads as the statement that it is: with translating("read ticks")
    """Let every foreign exception leave a block, or a function, as a coded error.

    What ends an iteration, a task or the program is let through, as are coded errors.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        """Keep what is being done; it completes the sentence "could not ..."."""
        self._doing = doing

    def __enter__(self) -> Self:
        """Do nothing: success costs nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise the coded error in the place of a foreign one."""
        if isinstance(error, Exception) and not isinstance(
            error, AlchemiserError | StopIteration | StopAsyncIteration
        ):
            raise translated(error, doing=self._doing)

    def __call__(self, function: Function) -> Function:
        """Decorate a function or a coroutine function.

        Raises:
            TypeError: for a generator function, whose body runs after the call has returned.
        """
        import inspect

        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a generator function takes `with translating(...)` in its body")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def guarded_coroutine(*arguments: Any, **keywords: Any) -> Any:
                with self:
                    return await function(*arguments, **keywords)

            return cast("Function", guarded_coroutine)

        @wraps(function)
        def guarded(*arguments: Any, **keywords: Any) -> Any:
            with self:
                return function(*arguments, **keywords)

        return cast("Function", guarded)


def _attribute(error: BaseException, name: str) -> object:
    try:
        return getattr(error, name, None)
    except Exception:  # noqa: BLE001  whatever a foreign __getattr__ raises
        return None
