"""Running one service of trading: its consumers side by side, one event at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.streams import set_aside
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.pipeline.trading.live import (
    LOOK_EVERY_S,
    LiveRun,
    open_kill_switch,
    trading_settings,
)
from alchemiser_cli.pipeline.trading.publishing import Publisher
from alchemiser_cli.pipeline.trading.services import Service, make_service
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import (
    Cluster,
    Consumer,
    EventCallback,
    EventConsumer,
    EventProducer,
    Received,
    SchemaRegistry,
    StopConsuming,
    TopicMap,
    ensure_topic,
    open_registry,
    read_back,
)
from alchemiser_cli.trading.activity import Service as ServiceName
from alchemiser_cli.trading.audit import AnchorStore
from alchemiser_cli.trading.control import DeskControl, DeskStatus
from alchemiser_cli.trading.desk import DeskParts, DeskRequest, MarketClock, fold_trail, open_parts
from alchemiser_cli.trading.desk.status import status_of
from alchemiser_cli.trading.kill_switch import require_inactive
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["run_service"]

TELL_EVERY_S = 1.0

_LOG = get_logger("trading", "services")


def run_service(
    settings: Settings, cluster: Cluster, service: ServiceName, run: LiveRun, clock: Clock
) -> DeskStatus:
    """Run ``service`` (strategy, risk or broker) until a limit or ``stop``; return its last word.

    Raises:
        KillSwitchActiveError: ``kill-switch-active``, unless ``run.halted``.
        TradingRunningError: ``trading-running``; AuditLockedError ``audit-locked``.
        AuditLostError: ``audit-lost``: trading was halted.
        StreamingError: as ``consume_ticks``.
    """
    return asyncio.run(_run(settings, cluster, service, run, clock))


async def _run(
    settings: Settings, cluster: Cluster, service: ServiceName, run: LiveRun, clock: Clock
) -> DeskStatus:
    settings = trading_settings(settings, run.broker, service)
    name = f"{run.broker}.{service}"
    anchors = None if run.database is None else AnchorStore(run.database)
    request = DeskRequest(
        broker=run.broker,
        run_id=run.run_id,
        trail=name,
        # Only one service runs the strategies; the others need what they trade.
        names=run.names if service == "strategy" else (),
        chained=run.names,
        key=run.key,
        kinds=strategy_kinds(settings, clock),
        service=service,
        on_failure=run.on_failure,
        anchor=None if anchors is None else anchors.save,
        anchored=None if anchors is None else anchors.load(name),
        telemetry=run.telemetry,
    )
    _LOG.info("starting", service=service, broker=run.broker)
    with ExitStack() as stack:
        kill_switch = stack.enter_context(closing(open_kill_switch(settings, clock)))
        if not run.halted:
            require_inactive(kill_switch)
        control = stack.enter_context(DeskControl(settings.run_folder, name))
        folded = await asyncio.to_thread(fold_trail, settings.audit_folder / name)
        now = MarketClock() if run.market_time else clock
        parts, loaded = stack.enter_context(open_parts(settings, request, kill_switch, now))
        run.on_loaded(loaded)
        topics = TopicMap(run.broker)
        for topic in (run.topic, *topics.names):
            ensure_topic(settings.kafka, settings.topics, cluster, topic)
        registry = stack.enter_context(
            closing(open_registry(settings.registry, settings.registry_url, clock))
        )
        producer = stack.enter_context(
            EventProducer(settings.kafka, cluster.bootstrap, topics, registry)
        )
        publisher = Publisher(producer, parts.trail, clock, service)
        made = make_service(service, parts, topics, publisher)
        for tick, _received in await asyncio.to_thread(
            read_back,
            settings.kafka,
            cluster.bootstrap,
            run.topic,
            settings.consumer.group,
            registry,
            clock,
            settings.trading.warm_up,
        ):
            made.warm(tick)
        await made.open(folded)
        serving = _Serving(made, parts, loaded, control, clock, service)
        _LOG.info("started", service=service, broker=run.broker, restored=folded.lines)
        await _consume(settings, cluster, registry, run, clock, serving)
        serving.raise_failure()
        async with serving.lock:
            await made.look()
            serving.tell()
    _LOG.info("stopped", service=service, broker=run.broker)
    return serving.status()


async def _consume(
    settings: Settings,
    cluster: Cluster,
    registry: SchemaRegistry,
    run: LiveRun,
    clock: Clock,
    serving: "_Serving",
) -> None:
    """Consume ticks and events side by side until the ticks end, or one of them fails."""
    kafka, consuming, bootstrap = settings.kafka, settings.consumer, cluster.bootstrap
    ended = asyncio.Event()

    def stop() -> bool:
        return ended.is_set() or run.stop()

    with ExitStack() as asides:

        async def ticks() -> None:
            aside = asides.enter_context(
                set_aside(settings, cluster, clock, run.topic, telemetry=run.telemetry)
            )
            consumer = Consumer(
                kafka,
                consuming,
                bootstrap,
                run.topic,
                registry,
                clock,
                quality=settings.quality,
                telemetry=run.telemetry,
            )
            await consumer.run(
                serving.on_tick,
                start=run.limits.start,
                max_messages=run.limits.max_messages,
                until_idle_s=run.limits.until_idle_s,
                stop=stop,
                aside=aside,
                on_snapshot=run.on_snapshot,
            )

        async def events(topic: str, on_event: EventCallback) -> None:
            aside = asides.enter_context(
                set_aside(settings, cluster, clock, topic, telemetry=run.telemetry)
            )
            consumer = EventConsumer(
                kafka, consuming, bootstrap, topic, registry, clock, telemetry=run.telemetry
            )
            await consumer.run(serving.guarded(on_event), start="earliest", stop=stop, aside=aside)

        async def ending(work: Awaitable[None]) -> None:
            try:
                await work
            finally:
                ended.set()

        async def looking() -> None:
            while not stop():
                await serving.look()
                await asyncio.sleep(LOOK_EVERY_S)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ending(ticks()))
                for topic, on_event in serving.service.inputs.items():
                    group.create_task(ending(events(topic, on_event)))
                group.create_task(ending(looking()))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first to fail ends the others


class _Serving:
    """One service at work: gives it one thing at a time, and keeps what ended it."""

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
        self.lock = asyncio.Lock()
        self._parts = parts
        self._loaded = loaded
        self._control = control
        self._clock = clock
        self._name = name
        self._started_ns = clock.now_ns()
        self._told_ns = 0
        self._handled: dict[str, str] = {}
        self._failure: Exception | None = None

    async def on_tick(self, tick: Tick, received: Received) -> None:
        origin = Origin(received.topic, received.partition, received.offset)
        if isinstance(self._parts.clock, MarketClock):
            self._parts.clock.advance_to(tick.event_time_ns)
        await self._one(lambda: self.service.on_tick(tick, origin))

    def guarded(self, on_event: EventCallback) -> EventCallback:
        async def guarded(event: EventEnvelope, received: Received) -> None:
            await self._one(lambda: on_event(event, received))

        return guarded

    async def look(self) -> None:
        try:
            async with self.lock:
                await self.service.look()
                for request in self._control.requests():
                    self._handled[request.id] = await self.service.ask(request)
                    self._control.done(request)
                    self._told_ns = 0
                now_ns = self._clock.monotonic_ns()
                if now_ns - self._told_ns >= TELL_EVERY_S * NS_PER_SECOND:
                    self._told_ns = now_ns
                    self.tell()
        except AlchemiserError as error:
            self._failure = self._failure or error
            raise

    def tell(self) -> None:
        self._control.tell(self.status())

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def status(self) -> DeskStatus:
        return status_of(
            self._parts,
            self._loaded,
            self.service.tally,
            self.service.counts,
            service=self._name,
            started_ns=self._started_ns,
            findings=[],
            handled=self._handled,
        )

    async def _one(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._failure is not None:
            raise StopConsuming
        async with self.lock:
            try:
                await work()
            except AlchemiserError as error:
                self._failure = error
                raise StopConsuming from error
