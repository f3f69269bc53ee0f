"""The root of every failure the system knows: what happened, why, and what to do next."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar

from alchemiser_cli.exits import ExitCode

__all__ = ["AlchemiserError", "RetrySafety", "Severity", "error_class", "error_classes"]


class Severity(StrEnum):
    """How much an error matters to the operator, from least to most."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position in the order LOW < MEDIUM < HIGH < CRITICAL."""
        return list(Severity).index(self)


class RetrySafety(StrEnum):
    """Whether doing the failed operation again can do harm."""

    SAFE = "safe"
    IF_IDEMPOTENT = "safe-if-idempotent"
    NEVER = "never"


_BY_CODE: dict[str, type["AlchemiserError"]] = {}


class AlchemiserError(Exception):
    """Base of all failures; concrete subclasses declare a stable kebab-case ``code``.

    A subclass without a ``code`` of its own is a family and is never raised itself.

    ``injected`` marks an error that was caused on purpose, from birth to notification.
    ``retry_after_s`` is how long the other side asked to be left alone, in seconds.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity] = Severity.HIGH
    recoverable: ClassVar[bool] = False
    retry_safety: ClassVar[RetrySafety] = RetrySafety.NEVER
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Register the class under its code; two classes with one code are a defect."""
        super().__init_subclass__(**keywords)
        code = cls.__dict__.get("code")
        if code is None:
            return
        if code in _BY_CODE:
            raise TypeError(f"error code {code!r} is declared twice")
        _BY_CODE[code] = cls

    def __init__(
        self,
        what: str,
        *,
        why: str,
        next_step: str,
        context: Mapping[str, object] | None = None,
    ) -> None:
        """Say ``what`` happened, ``why``, and the operator's ``next_step``.

        ``context`` holds JSON-compatible facts for the journal; never secrets.
        """
        if "code" not in type(self).__dict__:
            raise TypeError(f"{type(self).__name__} is a family of errors, not an error")
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step
        self.injected = False
        self.retry_after_s: float | None = None
        self.context: dict[str, object] = dict(context or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep every part, and what was noted since, when the error crosses a process boundary."""
        noted = {**self.__dict__, "context": dict(self.context)}
        return _rebuild, (type(self), self.what, self.why, self.next_step), noted


def error_class(code: str) -> type[AlchemiserError] | None:
    """Return the class registered for ``code``, or None."""
    return _BY_CODE.get(code)


def error_classes() -> Iterator[type[AlchemiserError]]:
    """Yield every concrete error class in the order of its code."""
    for code in sorted(_BY_CODE):
        yield _BY_CODE[code]


def _rebuild(
    kind: type[AlchemiserError],
    what: str,
    why: str,
    next_step: str,
) -> AlchemiserError:
    return kind(what, why=why, next_step=next_step)
