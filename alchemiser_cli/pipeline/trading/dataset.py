"""Trading on a dataset: the whole chain over the past, as fast as it goes, at the market's time.

Its account, trail and kill switch are its own: nothing of it touches what trades live.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from alchemiser_cli import __version__
from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.market import Dataset, open_dataset
from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
from alchemiser_cli.settings import Settings
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.trading.desk import (
    Desk,
    DeskRequest,
    DeskResult,
    Folded,
    MarketClock,
    open_parts,
)
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.runs import Fed, RunRecord, save_run
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["SECTIONS", "DatasetRun", "result_of", "trade_dataset"]

SECTIONS = ("options", "trading", "risk", "paper", "market", "strategies")
"""The sections of the settings that decide on what a run does; none of them holds a secret."""

TELL_EVERY = 64
HOLD_REPORT_TICKS = 20
"""An unchanged hold is put on record again after as many ticks at the earliest."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DatasetRun:
    """What to trade on; ``names`` are the strategies, None for those of the settings."""

    fed: Fed
    run_id: str
    broker: str = "paper"
    names: Sequence[str] | None = None
    key: bytes | None = None
    on_progress: Progress = lambda _done, _total: None
    on_failure: Callable[[AlchemiserError], object] = lambda _error: None
    stop: Callable[[], bool] = lambda: False
    telemetry: Telemetry = SILENT


def trade_dataset(settings: Settings, run: DatasetRun, clock: Clock) -> DeskResult:
    """Trade on the dataset of ``run``, keep its record and its trail, and return what it did.

    Raises:
        DatasetNotFoundError: ``dataset-not-found``, and what ``open_dataset`` raises.
        StrategyNotFoundError: ``strategy-not-found``.
        AuditLostError: ``audit-lost``.
    """
    fed = run.fed
    dataset = open_dataset(
        fed.dataset or settings.market.dataset,
        symbol=fed.symbol,
        start_ns=fed.start_ns,
        end_ns=fed.end_ns,
        limit=fed.limit,
    )
    run = replace(run, fed=msgspec.structs.replace(fed, dataset=dataset.name))
    settings = _for_the_past(settings, dataset)
    if dataset.kind == "bar":
        # A bar is proof that the exchange traded; a day's is stamped with the usual close, also
        # on the days that end early.
        paper = settings.paper.model_copy(update={"market_hours": False})
        settings = settings.model_copy(update={"paper": paper})
    with tempfile.TemporaryDirectory(prefix="alchemiser-") as scratch:
        return asyncio.run(_trade(settings, run, dataset, Path(scratch), clock))


def _for_the_past(settings: Settings, dataset: Dataset) -> Settings:
    """Return the settings with what makes no sense at the speed of a replay changed."""
    # A replay can be made again: nothing of it waits for the disk.
    audit = settings.audit.model_copy(update={"fsync": "never"})
    # Where a tick comes a day, an hourly report of what is held would be a line for each of them.
    span_s = (dataset.last_event_time_ns - dataset.first_event_time_ns) / NS_PER_SECOND
    least_s = HOLD_REPORT_TICKS * span_s / max(1, len(dataset) - 1)
    report_s = max(settings.trading.hold_report_s, least_s)
    trading = settings.trading.model_copy(update={"hold_report_s": report_s})
    return settings.model_copy(update={"audit": audit, "trading": trading})


async def _trade(
    settings: Settings, run: DatasetRun, dataset: Dataset, scratch: Path, clock: Clock
) -> DeskResult:
    market = MarketClock()
    market.advance_to(dataset.first_event_time_ns)
    request = DeskRequest(
        broker=run.broker,
        run_id=run.run_id,
        trail=run.run_id,
        names=run.names,
        key=run.key,
        kinds=strategy_kinds(settings, clock),
        on_failure=run.on_failure,
        telemetry=run.telemetry,
    )
    with (
        closing(
            KillSwitch(scratch, scratch / "kill_switch.json", clock, quiet=True)
        ) as kill_switch,
        open_parts(settings, request, kill_switch, market) as (parts, loaded),
    ):
        desk = Desk(parts)
        record = _record(settings, run, loaded, clock)
        save_run(settings.trading_folder, record)
        await desk.open(Folded())
        await _feed(desk, market, dataset, run)
        await desk.close()
        result = result_of(desk, loaded)
    save_run(
        settings.trading_folder,
        msgspec.structs.replace(
            record,
            ended_at=iso_from_ns(clock.now_ns()),
            ticks=result.ticks,
            signals=result.signals,
        ),
    )
    return result


async def _feed(desk: Desk, market: MarketClock, dataset: Dataset, run: DatasetRun) -> None:
    total, topic = len(dataset), f"dataset:{dataset.name}"
    day = None
    for row, tick in enumerate(dataset):
        if not row % TELL_EVERY:
            run.on_progress(row, total)
            if run.stop():
                return
        market.advance_to(tick.event_time_ns)
        today = desk.parts.hours.day_of(tick.event_time_ns)
        if day is not None and today != day:
            _new_day(desk)
        day = today
        await desk.on_tick(tick, Origin(topic, 0, row))
    run.on_progress(total, total)


def _new_day(desk: Desk) -> None:
    """Trade again after a day that was stopped: an operator would have looked at it overnight."""
    if desk.parts.kill_switch.active:
        desk.parts.kill_switch.clear("a new day of the replay", "replay")
    if desk.parts.gate.trading_state != "active":
        desk.risk.change_state("active", "a new day of the replay")


def result_of(desk: Desk, loaded: LoadedStrategies) -> DeskResult:
    """Return what ``desk`` did."""
    parts, tally = desk.parts, desk.tally
    head = parts.trail.head
    return DeskResult(
        run_id=parts.run_id,
        broker=parts.broker.name,
        ticks=tally.ticks,
        signals=tally.signals,
        approved=tally.approved,
        denied=dict(sorted(tally.denied.items())),
        orders=desk.orders.counts.submitted,
        fills=desk.orders.counts.executed,
        by_strategy=dict(sorted(tally.by_strategy.items())),
        disabled={**loaded.disabled.get(parts.broker.name, {}), **parts.disabled},
        account=parts.book.snapshot(),
        equity_curve=tally.curve,
        trail=head.trail,
        audit_head=head.hash,
    )


def _record(
    settings: Settings, run: DatasetRun, loaded: LoadedStrategies, clock: Clock
) -> RunRecord:
    plain: dict[str, Any] = settings.model_dump(mode="json", include=set(SECTIONS))
    strategies = loaded.by_broker.get(run.broker, ())
    return RunRecord(
        run_id=run.run_id,
        broker=run.broker,
        app_version=__version__,
        started_at=iso_from_ns(clock.now_ns()),
        trail=run.run_id,
        fed=run.fed,
        strategies={one.strategy_id: one.param_hash for one in strategies},
        sections=plain,
    )
