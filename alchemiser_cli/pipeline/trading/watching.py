"""Watching over a desk while it runs: what its stages do goes to the state database and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import Settings
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.telemetry import Telemetry
from alchemiser_cli.trading.activity_store import ActivityReporter, ActivityStore
from alchemiser_cli.trading.desk import DeskParts
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.strategies import LoadedStrategies, StrategyStatusStore
from alchemiser_cli.trading.validator import StateSource, Validator, WatchedBroker

__all__ = ["StageWatch", "watching_stages"]

TELL_STRATEGIES_S = 120.0

_LOG = get_logger("trading", "trading.watching")


class StageWatch:
    """What the last look at the stages found, in words."""

    def __init__(self) -> None:
        """Begin without a finding."""
        self._findings: list[str] = []

    def findings(self) -> list[str]:
        """Return what is wrong, as the last look found it."""
        return self._findings

    async def keep_looking(self, validator: Validator, every_s: float) -> None:
        """Look again and again, in a thread: it reads the database."""
        while True:
            report = await asyncio.to_thread(validator.look)
            self._findings = [f"{one.stage}: {one.issue}: {one.detail}" for one in report.findings]
            await asyncio.sleep(every_s)


@asynccontextmanager
async def watching_stages(
    settings: Settings,
    parts: DeskParts,
    loaded: LoadedStrategies,
    database: StateDatabase | None,
    clock: Clock,
    telemetry: Telemetry,
) -> AsyncIterator[StageWatch]:
    """Report what the stages of ``parts`` and its strategies do, and validate it, in the block.

    Without a database nothing is reported. The validator of one service looks at those of all.
    """
    watch = StageWatch()
    store = None if database is None else ActivityStore(database)
    reporting = nullcontext() if store is None else ActivityReporter([parts.activity], store)
    with reporting:
        if database is None:
            yield watch
            return
        hours = TradingHours(settings.market.calendar)  # the desk's own belongs to its thread
        watched = WatchedBroker(parts.broker.name, lambda: len(parts.host.running), hours.is_open)
        validator = Validator(
            [watched], [StateSource(database)], settings.trading, clock, telemetry
        )
        tasks = [
            asyncio.create_task(watch.keep_looking(validator, settings.trading.validate_every_s)),
            asyncio.create_task(_keep_telling(StrategyStatusStore(database), parts, loaded, clock)),
        ]
        try:
            yield watch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_telling(
    store: StrategyStatusStore, parts: DeskParts, loaded: LoadedStrategies, clock: Clock
) -> None:
    """Say now and again which strategies run: who falls silent counts as gone."""
    while True:
        for name, why in parts.disabled.items():
            loaded = loaded.without(parts.broker.name, name, why)
        try:
            await asyncio.to_thread(store.save, loaded, clock.now_ns())
        except AlchemiserError as error:
            _LOG.warning("strategy status not written", code=error.code, why=error.why)
        await asyncio.sleep(TELL_STRATEGIES_S)
