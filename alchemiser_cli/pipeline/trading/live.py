"""Trading on the ticks in Kafka, all stages in one process: the desk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass

import msgspec

from alchemiser_cli import __version__
from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.market import Tick
from alchemiser_cli.pipeline.streams import ConsumeLimits, set_aside
from alchemiser_cli.pipeline.trading.dataset import SECTIONS, result_of
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.pipeline.trading.starting import log_services
from alchemiser_cli.pipeline.trading.warming import advance, warm_up
from alchemiser_cli.pipeline.trading.watching import watching_stages
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.streaming import (
    Cluster,
    Consumer,
    Received,
    SnapshotCallback,
    StopConsuming,
    ensure_topic,
    open_registry,
)
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.tracing import NO_TRACING, Tracing
from alchemiser_cli.trading.audit import AnchorStore
from alchemiser_cli.trading.control import DeskControl
from alchemiser_cli.trading.desk import (
    Desk,
    DeskKeeper,
    DeskRequest,
    DeskResult,
    MarketClock,
    fold_trail,
    open_parts,
)
from alchemiser_cli.trading.kill_switch import KillSwitch, require_inactive
from alchemiser_cli.trading.runs import Fed, RunRecord, save_run
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["LiveRun", "open_kill_switch", "trade_live", "trading_settings"]

LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class LiveRun:
    """How to trade live; ``names`` are the strategies, None for those of the settings.

    With ``halted``, it starts although the kill switch is set: only flattening passes then. With
    ``market_time``, it is as late as the newest tick says: for ticks of the past. ``key`` signs
    the trail; ``database`` keeps its head, and what the stages do.
    """

    run_id: str
    topic: str
    limits: ConsumeLimits
    broker: str = "paper"
    names: Sequence[str] | None = None
    halted: bool = False
    market_time: bool = False
    key: bytes | None = None
    stop: Callable[[], bool] = lambda: False
    on_failure: Callable[[AlchemiserError], object] = lambda _error: None
    on_snapshot: SnapshotCallback | None = None
    database: StateDatabase | None = None
    telemetry: Telemetry = SILENT
    tracing: Tracing = NO_TRACING


def trade_live(settings: Settings, cluster: Cluster, run: LiveRun, clock: Clock) -> DeskResult:
    """Trade until a limit or ``stop``; the state goes on where the broker's trail ended.

    Raises:
        KillSwitchActiveError: ``kill-switch-active``, unless ``run.halted``.
        TradingRunningError: ``trading-running``; AuditLockedError ``audit-locked``.
        AuditLostError: ``audit-lost``: trading was halted.
        BrokerInactiveError: ``broker-inactive``; TradingClientError its refusals.
        StreamingError: as ``consume_ticks``.
    """
    return asyncio.run(_trade(settings, cluster, run, clock))


def open_kill_switch(settings: Settings, clock: Clock, *, quiet: bool = False) -> KillSwitch:
    """Attach to the kill switch of this home; a ``quiet`` one, for drills, logs no change."""
    return KillSwitch(settings.shm.directory, settings.kill_switch_file, clock, quiet=quiet)


def trading_settings(settings: Settings, broker: str, service: str) -> Settings:
    """Return the settings of one service: its own consumer group, one callback at a time."""
    group = f"{settings.consumer.group}.{broker}.{service}"
    consumer = settings.consumer.model_copy(update={"group": group, "concurrency": 1})
    return settings.model_copy(update={"consumer": consumer})


async def _trade(settings: Settings, cluster: Cluster, run: LiveRun, clock: Clock) -> DeskResult:
    settings = trading_settings(settings, run.broker, "desk")
    anchors = None if run.database is None else AnchorStore(run.database)
    request = DeskRequest(
        broker=run.broker,
        run_id=run.run_id,
        trail=run.broker,
        names=run.names,
        key=run.key,
        kinds=strategy_kinds(settings, clock),
        on_failure=run.on_failure,
        anchor=None if anchors is None else anchors.save,
        anchored=None if anchors is None else anchors.load(run.broker),
        telemetry=run.telemetry,
        tracing=run.tracing,
    )
    log_services("starting", run.broker)
    with ExitStack() as stack:
        kill_switch = stack.enter_context(closing(open_kill_switch(settings, clock)))
        if not run.halted:
            require_inactive(kill_switch)
        control = stack.enter_context(DeskControl(settings.run_folder, run.broker))
        folded = fold_trail(settings.audit_folder / run.broker)
        now = MarketClock() if run.market_time else clock
        parts, loaded = stack.enter_context(open_parts(settings, request, kill_switch, now))
        advance(now, parts.trail.head.at_ns)
        desk = Desk(parts)
        await desk.open(folded)
        log_services("started", run.broker)
        registry = stack.enter_context(
            closing(open_registry(settings.registry, settings.registry_url, clock))
        )
        ensure_topic(settings.kafka, settings.topics, cluster, run.topic)
        await warm_up(settings, cluster, run.topic, registry, clock, desk.warm, now)
        feeding = _Feeding(desk, now)
        aside = stack.enter_context(
            set_aside(settings, cluster, clock, run.topic, telemetry=run.telemetry)
        )
        consumer = Consumer(
            settings.kafka,
            settings.consumer,
            cluster.bootstrap,
            run.topic,
            registry,
            clock,
            quality=settings.quality,
            telemetry=run.telemetry,
        )
        record = _record(settings, run, loaded, clock)
        save_run(settings.trading_folder, record)
        async with watching_stages(
            settings, parts, loaded, run.database, clock, run.telemetry
        ) as watch:
            keeper = DeskKeeper(desk, loaded, control, clock, findings=watch.findings)
            async with _looking(keeper, feeding):
                await consumer.run(
                    feeding.on_tick,
                    start=run.limits.start,
                    max_messages=run.limits.max_messages,
                    until_idle_s=run.limits.until_idle_s,
                    stop=run.stop,
                    aside=aside,
                    on_snapshot=run.on_snapshot,
                    on_outage=run.on_failure,
                )
            feeding.raise_failure()
            await desk.close()
            await keeper.look()
        result = result_of(desk, loaded)
        ended = msgspec.structs.replace(
            record,
            ended_at=iso_from_ns(clock.now_ns()),
            fed=Fed(topic=run.topic, offsets=feeding.offsets),
            ticks=result.ticks,
            signals=result.signals,
        )
        save_run(settings.trading_folder, ended)
    log_services("stopped", run.broker)
    return result


class _Feeding:
    """Gives ticks to the desk one at a time, and keeps what ended it."""

    def __init__(self, desk: Desk, now: Clock) -> None:
        self._desk = desk
        self._now = now
        self._failure: Exception | None = None
        self.lock = asyncio.Lock()
        self.offsets: dict[int, tuple[int, int]] = {}

    async def on_tick(self, tick: Tick, received: Received) -> None:
        if self._failure is not None:
            raise StopConsuming
        place, offset = received.partition, received.offset
        origin = Origin(received.topic, place, offset)
        async with self.lock:
            advance(self._now, tick.event_time_ns)
            try:
                await self._desk.on_tick(tick, origin)
            except Exception as error:
                # A desk that could not finish a tick, be it for a defect, must not go on to the
                # next one: the tick is not committed, and comes again after a restart.
                self.failed(error)
                raise StopConsuming from error
        first, _end = self.offsets.get(place, (offset, offset))
        self.offsets[place] = (first, offset + 1)

    def failed(self, error: Exception) -> None:
        self._failure = self._failure or error

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


@asynccontextmanager
async def _looking(keeper: DeskKeeper, feeding: _Feeding) -> AsyncIterator[None]:
    """Let the keeper look around beside the ticks, for the length of the block."""

    async def look() -> None:
        while True:
            async with feeding.lock:
                try:
                    await keeper.look()
                except AlchemiserError as error:
                    feeding.failed(error)
                    return
            await asyncio.sleep(LOOK_EVERY_S)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _record(settings: Settings, run: LiveRun, loaded: LoadedStrategies, clock: Clock) -> RunRecord:
    strategies = loaded.by_broker.get(run.broker, ())
    return RunRecord(
        run_id=run.run_id,
        broker=run.broker,
        app_version=__version__,
        started_at=iso_from_ns(clock.now_ns()),
        trail=run.broker,
        fed=Fed(topic=run.topic),
        strategies={one.strategy_id: one.param_hash for one in strategies},
        sections=settings.model_dump(mode="json", include=set(SECTIONS)),
    )
