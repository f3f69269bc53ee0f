"""Trying again, where that can do no harm: tried first, built only after a failure."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import ParamSpec, TypeVar

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    CircuitOpenError,
    RetryExhaustedError,
    RetrySafety,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience.budget import RetryBudget
from alchemiser_cli.resilience.schedule import RetryPolicy
from alchemiser_cli.resilience.wording import code_of, text_of
from alchemiser_cli.resilience.wrapping import wrapped

__all__ = ["OnRetry", "Retry"]

P = ParamSpec("P")
T = TypeVar("T")

OnRetry = Callable[[int, float, Exception], None]
"""Told before each wait: which attempt failed (from 1), the wait in seconds, and the error."""

_LIMITS = {
    "attempts": "The retry policy allows no more attempts",
    "deadline": "The next attempt would begin after the deadline",
    "budget": "The component's retry budget is used up",
}

_log = get_logger("application", "retry")


class Retry:
    """Calls functions under a policy; also a decorator of plain and of async functions.

    An error that must not be retried is raised as it is: one of retry safety ``never``, one
    that is only safe if idempotent from a caller that did not say ``idempotent()``, a foreign
    exception that the policy does not list. An error that may be retried and still fails when
    the attempts, the deadline or the budget are used up comes out as ``retry-exhausted``, raised
    from the last error; its context has ``attempts``, ``waited_s`` and ``limit``.

    A wait is the policy's, drawn with full jitter, after the ``retry_after_s`` that the error
    names: nobody comes back earlier than asked, nor all at the same moment.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_idempotent",
        "_on_retry",
        "_random",
        "_sleep",
        "_timed",
        "policy",
    )

    def __init__(
        self,
        policy: RetryPolicy,
        clock: Clock,
        *,
        budget: RetryBudget | None = None,
        random: Random | None = None,
        on_retry: OnRetry | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        idempotent: bool = False,
    ) -> None:
        """Bind the policy to its surroundings; ``sleep`` is for async calls (asyncio's if None)."""
        self.policy = policy
        self._clock = clock
        self._budget = budget
        self._random = random or Random()  # noqa: S311  spreads load, keeps no secret
        self._on_retry = on_retry
        self._sleep = sleep
        self._idempotent = idempotent
        self._timed = policy.deadline_s is not None

    def idempotent(self) -> "Retry":
        """Return the same for calls that may be carried out twice without harm."""
        return Retry(
            self.policy,
            self._clock,
            budget=self._budget,
            random=self._random,
            on_retry=self._on_retry,
            sleep=self._sleep,
            idempotent=True,
        )

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return ``function`` with every call of it retried."""
        return wrapped(function, self.call, self.call_async)

    def call(self, function: Callable[P, T], /, *args: P.args, **keywords: P.kwargs) -> T:
        """Call ``function``, again where that may help.

        Raises:
            RetryExhaustedError: ``retry-exhausted``.
            Exception: what ``function`` raised, when it must not be called again.
        """
        if (budget := self._budget) is not None:
            budget.calls += 1
        started_ns = self._clock.monotonic_ns() if self._timed else 0
        try:
            return function(*args, **keywords)
        except Exception as error:
            if not self.may_retry(error):
                raise
            failures = _Failures(self, started_ns)
            wait_s = failures.wait_after(error)
        while True:
            self._clock.sleep(wait_s)
            try:
                return function(*args, **keywords)
            except Exception as error:
                if not self.may_retry(error):
                    raise
                wait_s = failures.wait_after(error)

    async def call_async(
        self, function: Callable[P, Awaitable[T]], /, *args: P.args, **keywords: P.kwargs
    ) -> T:
        """Await ``function``, again where that may help; raises as ``call``."""
        if (budget := self._budget) is not None:
            budget.calls += 1
        started_ns = self._clock.monotonic_ns() if self._timed else 0
        try:
            return await function(*args, **keywords)
        except Exception as error:
            if not self.may_retry(error):
                raise
            failures = _Failures(self, started_ns)
            wait_s = failures.wait_after(error)
        sleep = self._sleep or _asyncio_sleep()
        while True:
            await sleep(wait_s)
            try:
                return await function(*args, **keywords)
            except Exception as error:
                if not self.may_retry(error):
                    raise
                wait_s = failures.wait_after(error)

    def may_retry(self, error: Exception) -> bool:
        """Tell whether doing it again after ``error`` can do no harm."""
        if isinstance(error, CircuitOpenError):
            # Without a time it is isolated, and only a person ends that.
            return self.policy.wait_for_circuit and error.retry_after_s is not None
        if isinstance(error, AlchemiserError):
            safety = error.retry_safety
            return safety is RetrySafety.SAFE or (
                safety is RetrySafety.IF_IDEMPOTENT and self._idempotent
            )
        return isinstance(error, self.policy.foreign)

    def tell(self, attempt: int, wait_s: float, error: Exception) -> None:
        """Tell the hook of a failed attempt; a hook that fails does not end the retry."""
        if self._on_retry is None:
            return
        try:
            self._on_retry(attempt, wait_s, error)
        except Exception as fault:  # noqa: BLE001  whatever a hook raises
            _log.warning("retry_hook_failed", error=repr(fault))


class _Failures:
    """The state of one call that failed at least once."""

    __slots__ = ("_count", "_retry", "_started_ns", "_waited_s")

    def __init__(self, retry: Retry, started_ns: int) -> None:
        self._retry = retry
        self._started_ns = started_ns
        self._count = 0
        self._waited_s = 0.0

    def wait_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next attempt, or raise that there is none."""
        retry, self._count = self._retry, self._count + 1
        policy = retry.policy
        if self._count >= policy.attempts:
            raise self._exhausted(error, "attempts") from error
        wait_s = policy.wait_s(self._count, retry._random)  # noqa: SLF001  the state of its call
        wait_s += max(0.0, getattr(error, "retry_after_s", None) or 0.0)
        if policy.deadline_s is not None:
            elapsed_s = (retry._clock.monotonic_ns() - self._started_ns) / 1e9  # noqa: SLF001
            if elapsed_s + wait_s > policy.deadline_s:
                raise self._exhausted(error, "deadline") from error
        if retry._budget is not None and not retry._budget.take():  # noqa: SLF001
            raise self._exhausted(error, "budget") from error
        retry.tell(self._count, wait_s, error)
        self._waited_s += wait_s
        return wait_s

    def _exhausted(self, error: Exception, limit: str) -> RetryExhaustedError:
        code = code_of(error)
        times = "once" if self._count == 1 else f"{self._count} times"
        exhausted = RetryExhaustedError(
            f"tried {times}, and it failed with {code}",
            why=f"{_LIMITS[limit]}; the last failure said: {text_of(error)}",
            next_step=getattr(error, "next_step", "See the cause of this error."),
            context={
                "attempts": self._count,
                "waited_s": self._waited_s,
                "limit": limit,
                "last": code,
            },
        )
        exhausted.injected = getattr(error, "injected", False)
        return exhausted


def _asyncio_sleep() -> Callable[[float], Awaitable[object]]:
    import asyncio

    return asyncio.sleep
