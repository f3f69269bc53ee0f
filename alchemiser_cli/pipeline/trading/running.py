"""Running one service of trading: its consumers side by side, one event at a time."""

import asyncio
from collections.abc import Awaitable
from contextlib import ExitStack, closing, suppress
from functools import partial

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.pipeline.streams import set_aside
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.pipeline.trading.live import (
    LOOK_EVERY_S,
    LiveRun,
    open_kill_switch,
    trading_settings,
)
from alchemiser_cli.pipeline.trading.publishing import Publisher
from alchemiser_cli.pipeline.trading.services import make_service
from alchemiser_cli.pipeline.trading.serving import Serving
from alchemiser_cli.pipeline.trading.warming import advance, warm_up
from alchemiser_cli.pipeline.trading.watching import watching_stages
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import (
    Cluster,
    Consumer,
    ConsumerSnapshot,
    Disposal,
    EventCallback,
    EventConsumer,
    EventProducer,
    Received,
    SchemaRegistry,
    TopicMap,
    ensure_topic,
    open_registry,
)
from alchemiser_cli.trading.activity import Service as ServiceName
from alchemiser_cli.trading.audit import AnchorStore
from alchemiser_cli.trading.control import DeskControl, DeskStatus
from alchemiser_cli.trading.desk import (
    DeskRequest,
    Folded,
    MarketClock,
    fold_trail,
    open_parts,
)
from alchemiser_cli.trading.kill_switch import require_inactive

__all__ = ["run_service"]

_LOG = get_logger("trading", "services")


def run_service(
    settings: Settings, cluster: Cluster, service: ServiceName, run: LiveRun, clock: Clock
) -> DeskStatus:
    """Run ``service`` (strategy, risk or broker) until a limit or ``stop``; return its last word.

    It is idle when neither ticks nor events came. With ``run.market_time`` each service is as late
    as the newest tick that it saw itself, so they differ as much as one lags behind another.

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
        tracing=run.tracing,
    )
    _LOG.info("starting", service=service, broker=run.broker)
    with ExitStack() as stack:
        kill_switch = stack.enter_context(closing(open_kill_switch(settings, clock)))
        if not run.halted:
            require_inactive(kill_switch)
        control = stack.enter_context(DeskControl(settings.run_folder, name))
        folded = await asyncio.to_thread(fold_trail, settings.audit_folder / name, publishes=True)
        now = MarketClock() if run.market_time else clock
        parts, loaded = stack.enter_context(open_parts(settings, request, kill_switch, now))
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
        await warm_up(settings, cluster, run.topic, registry, clock, made.warm, now)
        advance(now, _newest_ns(folded))
        await made.open(folded)
        serving = Serving(made, parts, loaded, control, clock, service)
        _LOG.info("started", service=service, broker=run.broker, restored=folded.lines)
        async with watching_stages(
            settings, parts, loaded, run.database, clock, run.telemetry
        ) as watch:
            serving.findings = watch.findings
            await _Consuming(settings, cluster, registry, run, clock, serving).run()
        serving.raise_failure()
        await serving.look(last=True)
        serving.raise_failure()
    _LOG.info("stopped", service=service, broker=run.broker)
    return serving.status()


class _Consuming:
    """The consumers of one service side by side, until all are idle or one of them fails."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        registry: SchemaRegistry,
        run: LiveRun,
        clock: Clock,
        serving: Serving,
    ) -> None:
        consuming = settings.consumer
        # While Kafka is away, each waits for the one that sends: nothing is set aside for that.
        longest_s = consuming.callback_timeout_s + consuming.max_outage_s
        self._consuming = consuming.model_copy(update={"callback_timeout_s": longest_s})
        self._settings = settings
        self._cluster = cluster
        self._registry = registry
        self._run = run
        self._clock = clock
        self._serving = serving
        self._ended = asyncio.Event()
        self._asides = ExitStack()

    async def run(self) -> None:
        """Consume ticks and events.

        Raises:
            StreamingError: what the first consumer to fail raised.
        """
        inputs = self._serving.service.inputs
        for topic in (self._run.topic, *inputs):
            self._serving.silence.wait_for(topic)
        with self._asides:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._to_end(self._ticks()))
                    for topic, on_event in inputs.items():
                        group.create_task(self._to_end(self._events(topic, on_event)))
                    group.create_task(self._to_end(self._look()))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None  # the first to fail ends the others

    async def _ticks(self) -> None:
        run = self._run
        consumer = Consumer(
            self._settings.kafka,
            self._consuming,
            self._cluster.bootstrap,
            run.topic,
            self._registry,
            self._clock,
            quality=self._settings.quality,
            telemetry=run.telemetry,
        )
        await consumer.run(
            self._serving.on_tick,
            start=run.limits.start,
            max_messages=run.limits.max_messages,
            stop=self._stop,
            aside=self._aside(run.topic),
            on_snapshot=partial(self._seen, run.topic),
            on_outage=run.on_failure,
        )

    async def _events(self, topic: str, on_event: EventCallback) -> None:
        # A group of its own: no topic waits for the rebalance of another.
        group = f"{self._consuming.group}.{topic}"
        consumer = EventConsumer(
            self._settings.kafka,
            self._consuming.model_copy(update={"group": group}),
            self._cluster.bootstrap,
            topic,
            self._registry,
            self._clock,
            telemetry=self._run.telemetry,
        )
        await consumer.run(
            self._serving.guarded(on_event),
            stop=self._stop,
            aside=self._aside(topic),
            on_snapshot=partial(self._seen, topic),
            on_outage=self._run.on_failure,
        )

    async def _look(self) -> None:
        while await self._serving.look():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._ended.wait()
            if self._stop():
                return

    async def _to_end(self, work: Awaitable[None]) -> None:
        try:
            await work
        finally:
            self._ended.set()

    def _stop(self) -> bool:
        if self._ended.is_set() or self._run.stop():
            return True
        return self._serving.silence.lasts(self._run.limits.until_idle_s)

    def _seen(self, topic: str, snapshot: ConsumerSnapshot) -> None:
        if snapshot.partitions:
            self._serving.silence.assigned(topic)
        if snapshot.under_way:
            self._serving.silence.heard()
        if topic == self._run.topic and self._run.on_snapshot is not None:
            self._run.on_snapshot(snapshot)

    def _aside(self, topic: str) -> Disposal:
        run = self._run
        return self._asides.enter_context(
            set_aside(
                self._settings,
                self._cluster,
                self._clock,
                topic,
                on_failed=self._failed,
                telemetry=run.telemetry,
            )
        )

    def _failed(self, _received: Received, error: AlchemiserError) -> None:
        self._run.on_failure(error)


def _newest_ns(folded: Folded) -> int:
    """Return the newest time of what a trail holds, 0 for nothing."""
    signals, decisions = folded.signals[-1:], folded.decisions[-1:]
    times = [one.tick_time_ns for one in signals] + [one.decided_at_ns for one in decisions]
    return max([0, *times, *(one.at_ns for one in folded.executions[-1:])])
