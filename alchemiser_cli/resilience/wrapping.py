"""One decorator for plain and async functions, for everything that calls on their behalf."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["wrapped"]

P = ParamSpec("P")
T = TypeVar("T")


def wrapped(
    function: Callable[P, T], call: Callable[..., Any], call_async: Callable[..., Any]
) -> Callable[P, T]:
    """Return ``function`` going through ``call``, or an async one through ``call_async``."""
    if inspect.iscoroutinefunction(function):

        async def awaiting(*args: P.args, **keywords: P.kwargs) -> Any:
            return await call_async(function, *args, **keywords)

        return cast("Callable[P, T]", functools.wraps(function)(awaiting))

    def calling(*args: P.args, **keywords: P.kwargs) -> T:
        result: T = call(function, *args, **keywords)
        return result

    return functools.wraps(function)(calling)
