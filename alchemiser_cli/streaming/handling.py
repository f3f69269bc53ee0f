"""One message to its end: its callback, tried again where that is safe, or set aside."""

import asyncio
from typing import Any

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    MessageProcessingError,
    RetryExhaustedError,
)
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience import Retry
from alchemiser_cli.streaming.lanes import Turn, WorkItem
from alchemiser_cli.streaming.received import MessageCallback, Received, StopConsuming
from alchemiser_cli.streaming.setting_aside import TalliedAside
from alchemiser_cli.telemetry import Histogram

__all__ = [
    "CallbackEndedError",
    "Handling",
    "pass_to_handle",
    "processing_failed",
]

_NS_PER_SECOND = 1_000_000_000

_HANDLE = fault_point("streaming.handle")

_log = get_logger("market_data", "streaming.consumer")


class Handling:
    """What ``Lanes`` does with each message."""

    def __init__(
        self,
        callback: MessageCallback,
        aside: TalliedAside,
        latencies: list[float],
        seconds: Histogram,
        retry: Retry,
        clock: Clock,
        timeout_s: float,
    ) -> None:
        """Bind the callback and where its failures go.

        ``latencies`` takes seconds from the poll to the callback's end, ``seconds`` observes
        each callback alone.
        """
        self._callback: Any = callback
        self._aside = aside
        self._latencies = latencies
        self._seconds = seconds
        self._retry = retry
        self._clock = clock
        self._timeout_s = timeout_s

    async def __call__(self, item: WorkItem, turn: Turn) -> None:
        """Work one message off.

        Raises:
            Exception: what setting it aside raised; the message is not finished then.
        """
        received, clock = item.received, self._clock
        content = received.content
        if received.violation is not None or received.undecodable is not None:
            await self._aside.unusable(received)
            return
        if content is None:
            self._aside.skipped()
            return
        started_ns = turn.since_ns = clock.monotonic_ns()
        try:
            if _HANDLE.armed is not None:
                await pass_to_handle()
            await self._callback(content, received)
        except StopConsuming:
            raise
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  it is that message's
            turn.since_ns = None
            failure, deliveries = await self._again(error, item, turn)
            if failure is not None:
                await self._aside.failed(received, failure, deliveries)
                return
        ended_ns = clock.monotonic_ns()
        turn.since_ns = None
        if turn.timed_out:  # it took no notice of being ended, and ended by itself
            turn.timed_out = False
            if turn.task is not None:
                turn.task.uncancel()
        self._aside.worked_off(1)
        self._latencies.append((ended_ns - item.taken_ns) / _NS_PER_SECOND)
        self._seconds.observe((ended_ns - started_ns) / _NS_PER_SECOND)

    async def _again(
        self, error: BaseException, item: WorkItem, turn: Turn
    ) -> tuple[AlchemiserError | None, int]:
        """Return why the message failed for good, None if it did not, and the deliveries."""
        deliveries = 1
        first: list[BaseException] = [error]

        async def attempt() -> None:
            nonlocal deliveries
            if first:
                raise _as_exception(first.pop(), turn, self._timeout_s)
            deliveries += 1
            turn.since_ns = self._clock.monotonic_ns()
            try:
                if _HANDLE.armed is not None:
                    await pass_to_handle()
                await self._callback(item.received.content, item.received)
            except (Exception, asyncio.CancelledError) as again:
                raise _as_exception(again, turn, self._timeout_s) from again
            finally:
                turn.since_ns = None

        try:
            await self._retry.call_async(attempt)
        except StopConsuming:
            raise
        except Exception as final:  # noqa: BLE001  one message must not fail its batch
            return processing_failed(item.received, final, deliveries), deliveries
        return None, deliveries


class CallbackEndedError(Exception):
    """A callback was ended from outside: by its timeout, or because it cancelled itself.

    ``injected`` says that it was a fault on purpose that took the time.
    """

    def __init__(self, why: str, ended: BaseException) -> None:
        """Say why, and what ended it."""
        super().__init__(why)
        self.injected: bool = getattr(ended, "injected", False)


async def pass_to_handle() -> None:
    """Pass the fault point before a callback; whoever is ended in it knows that it was that.

    Raises:
        AlchemiserError: the error that the fault names.
    """
    try:
        await _HANDLE.strike_async()
    except asyncio.CancelledError as ended:
        vars(ended)["injected"] = True
        raise


def _as_exception(error: BaseException, turn: Turn, timeout_s: float) -> Exception:
    """Return what a callback raised; raises CancelledError where we ourselves are to end."""
    task = turn.task
    if turn.timed_out:
        turn.timed_out = False
        if task is not None:
            task.uncancel()
        return CallbackEndedError(f"The callback ran longer than {timeout_s:g} s.", error)
    if isinstance(error, asyncio.CancelledError):
        if task is not None and task.cancelling():
            raise error
        return CallbackEndedError("The callback was cancelled.", error)
    if isinstance(error, Exception):
        return error
    raise error


def processing_failed(
    received: Received, error: Exception, deliveries: int
) -> MessageProcessingError:
    """Return, and log, ``message-processing-failed`` for what a callback ended with."""
    cause: BaseException = error
    if isinstance(error, RetryExhaustedError) and error.__cause__ is not None:
        cause = error.__cause__
    why = str(cause) if isinstance(cause, CallbackEndedError) else f"The callback raised {cause!r}."
    if deliveries > 1:
        why += f" It was tried {deliveries} times."
    failure = MessageProcessingError(
        f"the callback for {_named(received)} failed",
        why=why,
        next_step="Correct the callback; `alchemiser dlq list` shows the message and `alchemiser "
        "dlq redrive` sends it again.",
        context={
            "topic": received.topic,
            "partition": received.partition,
            "offset": received.offset,
            "deliveries": deliveries,
            "reason": getattr(cause, "code", type(cause).__name__),
        },
    )
    failure.__cause__ = cause
    failure.injected = getattr(cause, "injected", False)
    _log.warning(
        "streaming_message_processing_failed",
        code=failure.code,
        why=why,
        topic=received.topic,
        partition=received.partition,
        offset=received.offset,
    )
    return failure


def _named(received: Received) -> str:
    if received.event is not None:
        return f"an event {received.event.event_type}"
    return f"a tick of {received.tick.symbol if received.tick else '?'}"
