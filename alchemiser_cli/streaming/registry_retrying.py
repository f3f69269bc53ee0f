"""A schema registry that is asked again when it did not answer, and left alone when it is down."""

from collections.abc import Callable
from random import Random
from typing import TypeVar

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    CircuitOpenError,
    RegistryUnreachableError,
    RetryExhaustedError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience import (
    BreakerMetrics,
    BreakerPolicy,
    CircuitBreaker,
    Retry,
    RetryPolicy,
)
from alchemiser_cli.streaming.registry import SchemaRegistry

__all__ = ["ATTEMPTS", "RetryingRegistry"]

ATTEMPTS = 5
"""Most attempts of one question."""

_BASE_S, _CAP_S = 0.1, 1.0
_OPEN_S = 1.0
_CLIENT_ERRORS = range(400, 500)
_WORTH_ASKING_AGAIN = {408, 429}  # request timeout, too many requests

Answer = TypeVar("Answer")

_log = get_logger("market_data", "streaming.registry")


class RetryingRegistry:
    """A ``SchemaRegistry`` around another one; every question is safe to repeat.

    A question that finds no answer is asked up to ``ATTEMPTS`` times with growing, jittered
    waits; no attempt starts later than ``deadline_s`` after the first. When that was in vain, a
    circuit breaker refuses further questions for a second at a time, so that a reader of many
    messages does not wait for each. Whatever the way, it fails with ``registry-unreachable``. A
    registry that answers, and refuses the caller, is not asked again.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        clock: Clock,
        *,
        deadline_s: float,
        random: Random | None = None,
    ) -> None:
        """Ask ``registry``; ``random`` draws the waits."""
        self._registry = registry
        self._retry = Retry(
            RetryPolicy(base_s=_BASE_S, cap_s=_CAP_S, attempts=ATTEMPTS, deadline_s=deadline_s),
            clock,
            random=random,
            on_retry=_tell,
        )
        policy = BreakerPolicy(failure_rate=None, consecutive_failures=ATTEMPTS, open_s=_OPEN_S)
        self._breaker = CircuitBreaker("schema-registry", policy, clock)

    def register(self, subject: str, schema: str) -> int:
        """Make ``schema`` the subject's latest and return its id.

        Raises:
            SchemaIncompatibleError: ``schema-incompatible``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        return self._ask(lambda: self._registry.register(subject, schema))

    def schema(self, schema_id: int) -> str:
        """Return the schema with this id.

        Raises:
            SchemaNotFoundError: ``schema-not-found``.
            RegistryUnreachableError: ``registry-unreachable``.
        """
        return self._ask(lambda: self._registry.schema(schema_id))

    def latest(self, subject: str) -> tuple[int, str] | None:
        """Return id and text of the subject's latest schema, or None for an unknown subject.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``.
        """
        return self._ask(lambda: self._registry.latest(subject))

    def compatible(self, subject: str, schema: str) -> bool:
        """Tell whether ``schema`` fits the subject.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``.
        """
        return self._ask(lambda: self._registry.compatible(subject, schema))

    def breaker(self) -> BreakerMetrics:
        """Return what the circuit breaker did up to now."""
        return self._breaker.metrics()

    def close(self) -> None:
        """Close the other registry's connections."""
        self._registry.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        def once() -> Answer | RegistryUnreachableError:
            try:
                return question()
            except RegistryUnreachableError as error:
                if not _is_final(error):
                    raise
                return error  # it does answer: neither asked again nor held against it

        try:
            answer = self._retry.call(self._breaker.call, once)
        except RetryExhaustedError as error:
            raise _last(error) from error
        except CircuitOpenError as error:
            raise _left_alone(error) from error
        if isinstance(answer, RegistryUnreachableError):
            raise answer
        return answer


def _is_final(error: RegistryUnreachableError) -> bool:
    status = error.context.get("status")
    return status in _CLIENT_ERRORS and status not in _WORTH_ASKING_AGAIN


def _last(exhausted: RetryExhaustedError) -> AlchemiserError:
    """Return the last attempt's own error, with what was tried."""
    last = exhausted.__cause__
    if not isinstance(last, RegistryUnreachableError):
        return exhausted
    tried = {name: exhausted.context[name] for name in ("attempts", "waited_s")}
    told = RegistryUnreachableError(
        last.what,
        why=f"{last.why.rstrip('.')}. It was asked {tried['attempts']} times.",
        next_step=last.next_step,
        context={**last.context, **tried},
    )
    told.injected = last.injected
    return told


def _left_alone(refused: CircuitOpenError) -> RegistryUnreachableError:
    error = RegistryUnreachableError(
        "the schema registry was not asked",
        why=f"It did not answer just now. {refused.why}",
        next_step="Check registry.url, its credentials, and that the registry runs.",
        context=refused.context,
    )
    error.retry_after_s = refused.retry_after_s
    error.injected = refused.injected
    return error


def _tell(attempt: int, wait_s: float, error: Exception) -> None:
    _log.warning(
        "registry_retry",
        code=RegistryUnreachableError.code,
        attempt=attempt,
        wait_s=round(wait_s, 3),
        why=getattr(error, "why", repr(error)),
    )
