"""One service of trading at work: one thing at a time, and what ended it."""

import asyncio
from collections.abc import Awaitable, Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, MessageUndecodableError
from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.trading.services import Service
from alchemiser_cli.pipeline.trading.warming import advance
from alchemiser_cli.streaming import EventCallback, Received, StopConsuming
from alchemiser_cli.trading.control import DeskControl, DeskStatus
from alchemiser_cli.trading.desk import DeskParts
from alchemiser_cli.trading.desk.status import status_of
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["Serving", "Silence"]

TELL_EVERY_S = 1.0
REMEMBERED = 20


class Silence:
    """How long nothing came on any input, counted from when all of them were assigned."""

    def __init__(self, clock: Clock) -> None:
        """Wait for no input yet."""
        self._clock = clock
        self._missing: set[str] = set()
        self._since_ns = clock.monotonic_ns()

    def wait_for(self, topic: str) -> None:
        """Count nothing before ``topic`` is assigned."""
        self._missing.add(topic)

    def assigned(self, topic: str) -> None:
        """Take note that ``topic`` is being read."""
        if topic in self._missing:
            self._missing.remove(topic)
            self.heard()

    def heard(self) -> None:
        """Begin to count anew."""
        self._since_ns = self._clock.monotonic_ns()

    def lasts(self, seconds: float | None) -> bool:
        """Tell whether it has lasted so long; never for None."""
        if seconds is None or self._missing:
            return False
        return self._clock.monotonic_ns() - self._since_ns >= seconds * NS_PER_SECOND


class Serving:
    """One service at work: gives it one thing at a time, and keeps what ended it.

    What cannot be read, or fails before anything of it is on record, is set aside. What fails
    later ends the service: at the next start it is finished from the record.
    """

    def __init__(
        self,
        service: Service,
        parts: DeskParts,
        loaded: LoadedStrategies,
        control: DeskControl,
        clock: Clock,
        name: str,
    ) -> None:
        self.service = service
        self._lock = asyncio.Lock()
        self._parts = parts
        self._loaded = loaded
        self._control = control
        self._clock = clock
        self._name = name
        self.findings: Callable[[], list[str]] = list
        self._started_ns = clock.now_ns()
        self.silence = Silence(clock)
        self._told_ns: int | None = None
        self._handled: dict[str, str] = {}
        self._failure: BaseException | None = None

    async def on_tick(self, tick: Tick, received: Received) -> None:
        """Give it a tick."""
        origin = Origin(received.topic, received.partition, received.offset)

        async def work() -> None:
            advance(self._parts.clock, tick.event_time_ns)
            await self.service.on_tick(tick, origin)

        await self._one(work)

    def guarded(self, on_event: EventCallback) -> EventCallback:
        """Return ``on_event``, one at a time with everything else."""

        async def guarded(event: EventEnvelope, received: Received) -> None:
            await self._one(lambda: on_event(event, received))

        return guarded

    async def look(self, *, last: bool = False) -> bool:
        """Do what is due and what is asked; False where the service has failed."""
        async with self._lock:
            if self._failure is not None:
                return False
            try:
                await self._look(last=last)
            except AlchemiserError as error:
                self._failure = error
                return False
        return True

    def raise_failure(self) -> None:
        """Raise what ended the service, if anything did.

        Raises:
            AlchemiserError: that; any other exception is a fault of ours.
        """
        if self._failure is not None:
            raise self._failure

    def status(self) -> DeskStatus:
        """Return what the service says of itself now."""
        return status_of(
            self._parts,
            self._loaded,
            self.service.tally,
            self.service.counts,
            service=self._name,
            started_ns=self._started_ns,
            at_ns=self._clock.now_ns(),
            findings=self.findings(),
            handled=self._handled,
        )

    async def _look(self, *, last: bool) -> None:
        await self.service.look()
        for request in self._control.requests():
            answer = await self.service.ask(request)
            if answer is None:  # it stays asked, also over a restart
                continue
            self._handled[request.id] = answer
            self._handled = dict(list(self._handled.items())[-REMEMBERED:])
            self._control.done(request)
            self._told_ns = None
        if last:
            await self.service.publisher.mark()
            await self.service.close()
        now_ns = self._clock.monotonic_ns()
        due = self._told_ns is None or now_ns - self._told_ns >= TELL_EVERY_S * NS_PER_SECOND
        if due or last:
            self._told_ns = now_ns
            self._control.tell(self.status())

    async def _one(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            if self._failure is not None:
                raise StopConsuming
            before = self._parts.trail.head.sequence
            try:
                await work()
            except BaseException as error:
                begun = self._parts.trail.head.sequence != before
                refused = isinstance(error, MessageUndecodableError)
                if begun or (isinstance(error, AlchemiserError) and not refused):
                    self._failure = error
                    raise StopConsuming from error
                raise
            finally:
                self.silence.heard()
