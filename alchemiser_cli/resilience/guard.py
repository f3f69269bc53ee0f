"""One guarded call: its name for errors, then retries, then the circuit breaker, in that order."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from alchemiser_cli.errors import operation
from alchemiser_cli.errors.context import _CURRENT  # entering by hand costs half of "with"
from alchemiser_cli.resilience.breaker import CircuitBreaker
from alchemiser_cli.resilience.retry import Retry
from alchemiser_cli.resilience.wrapping import wrapped

__all__ = ["Guard"]

P = ParamSpec("P")
T = TypeVar("T")

_innermost, _become = _CURRENT.get, _CURRENT.set


class Guard:
    """Makes calls as part of a named operation, retried, each attempt through the breaker.

    It is also a decorator of plain and of async functions. ``retry`` and ``breaker`` may each be
    None. Every error that leaves it carries the context of the call (``context_of``).
    """

    __slots__ = ("_fields", "_name", "_outermost", "_through", "_through_async")

    def __init__(
        self,
        retry: Retry | None,
        breaker: CircuitBreaker | None,
        *,
        operation: str,
        component: str,
        **fields: Any,
    ) -> None:
        """Keep the parts; ``fields`` are further facts of the context."""
        self._name = operation
        self._fields = {"component": component, **fields}
        self._outermost = _Operation(operation, self._fields, None)
        self._through = _chain(retry and retry.call, breaker and breaker.call)
        self._through_async = _chain(retry and retry.call_async, breaker and breaker.call_async)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` with every call of it guarded."""
        return wrapped(function, self.call, self.call_async)

    def call(self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
        """Call ``function`` under guard.

        Raises:
            RetryExhaustedError: ``retry-exhausted``.
            CircuitOpenError: ``circuit-open``.
            Exception: what ``function`` raised, when it must not be called again.
        """
        around = _innermost()
        # Without an operation around it, all calls share one, which nobody changes.
        here = self._outermost if around is None else _Operation(self._name, self._fields, around)
        _become(here)
        try:
            result: T = self._through(function, *args, **keywords)
        except BaseException as error:
            here.__exit__(type(error), error, None)
            raise
        if _innermost() is here:
            _become(around)
        else:  # a generator that began in there is still under way
            here.__exit__(None, None, None)
        return result

    async def call_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **keywords: P.kwargs
    ) -> T:
        """Await ``function`` under guard; raises as ``call``."""
        around = _innermost()
        here = self._outermost if around is None else _Operation(self._name, self._fields, around)
        _become(here)
        try:
            result: T = await self._through_async(function, *args, **keywords)
        except BaseException as error:
            here.__exit__(type(error), error, None)
            raise
        if _innermost() is here:
            _become(around)
        else:
            here.__exit__(None, None, None)
        return result


class _Operation(operation):
    """An operation that is made entered, from fields put together once for all calls."""

    __slots__ = ()

    def __init__(self, name: str, fields: dict[str, Any], around: operation | None, /) -> None:
        self._name = name
        self._fields = fields
        self.around = around


def _chain(retry: Callable[..., Any] | None, breaker: Callable[..., Any] | None) -> Any:
    if retry is None:
        return breaker or _plain
    return retry if breaker is None else partial(retry, breaker)


def _plain(function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Any:
    return function(*args, **keywords)
