"""One batch: callbacks for different keys at once, for one key in order, failures kept apart."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError, MessageProcessingError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.streaming.offsets import OffsetTracker

__all__ = ["Batch", "BatchWorker", "FailureCallback", "Received", "Tally", "TickCallback"]

_LATENCIES_KEPT = 100_000
_NS_PER_MS = 1_000_000

_log = get_logger("market_data", "streaming.consumer")


class Received(msgspec.Struct, frozen=True):
    """One message as it came: with its ``tick``, or else with why it is ``undecodable``."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    tick: Tick | None = None
    undecodable: AlchemiserError | None = None

    @property
    def place(self) -> tuple[str, int]:
        """The message's topic and partition."""
        return self.topic, self.partition


TickCallback = Callable[[Tick, Received], Awaitable[None]]
FailureCallback = Callable[[Received, AlchemiserError], Awaitable[None]]


@dataclass(frozen=True)
class Batch:
    """Messages of one poll, and when it returned (monotonic nanoseconds)."""

    messages: Sequence[Received]
    taken_ns: int


@dataclass
class Tally:
    """What became of all messages so far."""

    consumed: int = 0
    processed: int = 0
    failed: int = 0
    latencies_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))


class BatchWorker:
    """Works batches off and keeps the tally.

    A failed message goes to ``on_failed`` first and counts as finished after that, so it is
    committed only when whoever keeps failed messages has it.
    """

    def __init__(
        self,
        on_tick: TickCallback,
        on_failed: FailureCallback | None,
        offsets: OffsetTracker,
        callback_timeout_s: float,
        clock: Clock,
    ) -> None:
        """Prepare for batches whose messages are followed in ``offsets``."""
        self._on_tick = on_tick
        self._on_failed = on_failed
        self._offsets = offsets
        self._callback_timeout_s = callback_timeout_s
        self._clock = clock
        self.tally = Tally()

    async def work(self, batch: Batch) -> None:
        """Work one batch off to its end, whatever its messages do.

        Raises:
            Exception: what ``on_failed`` raised first; that key's later messages are unfinished.
        """
        tally = self.tally
        processed, failed = tally.processed, tally.failed
        by_key: dict[tuple[str, int, bytes | None], list[Received]] = {}
        for message in batch.messages:
            self._offsets.begin(message.place, message.offset)
            by_key.setdefault((*message.place, message.key), []).append(message)
        tally.consumed += len(batch.messages)
        ends = await asyncio.gather(
            *(self._in_order(messages, batch.taken_ns) for messages in by_key.values()),
            return_exceptions=True,
        )
        counts = {
            "messages": len(batch.messages),
            "processed": tally.processed - processed,
            "failed": tally.failed - failed,
        }
        if counts["failed"]:
            _log.warning("streaming_batch_partial_failure", **counts)
        duration_ms = (self._clock.monotonic_ns() - batch.taken_ns) / _NS_PER_MS
        _log.info(
            "batch_processed_summary", **counts, keys=len(by_key), duration_ms=round(duration_ms, 3)
        )
        for end in ends:
            if end is not None:
                raise end

    async def _in_order(self, messages: list[Received], taken_ns: int) -> None:
        for message in messages:
            error = await self._process(message)
            if error is None:
                self.tally.processed += 1
                self.tally.latencies_ns.append(self._clock.monotonic_ns() - taken_ns)
            else:
                self.tally.failed += 1
                if self._on_failed is not None:
                    await self._on_failed(message, error)
            self._offsets.finish(message.place, message.offset)

    async def _process(self, message: Received) -> AlchemiserError | None:
        if message.tick is None:
            return _log_undecodable(message)
        deadline = asyncio.timeout(self._callback_timeout_s)
        try:
            async with deadline:
                await self._on_tick(message.tick, message)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # we are asked to end; otherwise the callback cancelled only itself
            return _log_failed(message, "The callback was cancelled.", None)
        except Exception as error:  # noqa: BLE001  one message must not fail its batch
            why = f"The callback raised {error!r}."
            if deadline.expired():
                why = f"The callback ran longer than {self._callback_timeout_s:g} s."
            return _log_failed(message, why, error)
        return None


def _log_undecodable(message: Received) -> AlchemiserError | None:
    error = message.undecodable
    if error is not None:
        _log.warning(
            "deserialization_error",
            code=error.code,
            why=error.why,
            reason=error.context.get("reason"),
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
        )
    return error


def _log_failed(message: Received, why: str, cause: Exception | None) -> MessageProcessingError:
    where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    error = MessageProcessingError(
        f"the message at {message.topic}[{message.partition}] offset {message.offset} failed",
        why=why,
        next_step="Read the callback's traceback in the log; the rest of the batch went on.",
        context={**where, "cause_code": getattr(cause, "code", None)},
    )
    error.__cause__ = cause
    _log.error(
        "streaming_message_processing_failed", code=error.code, why=why, exc_info=cause, **where
    )
    return error
