"""Consuming ticks: fetched in one thread, worked off on the event loop, committed when finished.

The guarantee is *at least once*: an offset is committed when every message below it was worked
off or set aside, never earlier; after a crash, what was finished since the last commit comes
again. Order holds for each key; different keys are worked off at once.

Source: the group protocol of KIP-429 (cooperative rebalancing) or KIP-848.
"""

from collections.abc import Callable
from typing import Any

from alchemiser_cli.streaming.column_batches import ColumnBatches, ColumnsCallback
from alchemiser_cli.streaming.columnar import ColumnDecoder
from alchemiser_cli.streaming.conflating import thin
from alchemiser_cli.streaming.group_consumer import GroupConsumer
from alchemiser_cli.streaming.intake import ColumnIntake, TickIntake
from alchemiser_cli.streaming.outages import OutageCallback
from alchemiser_cli.streaming.positions import Start
from alchemiser_cli.streaming.received import TickCallback
from alchemiser_cli.streaming.results import ConsumeResult
from alchemiser_cli.streaming.running import ConsumerRun, SnapshotCallback
from alchemiser_cli.streaming.setting_aside import SetAside

__all__ = ["Consumer"]


class Consumer(GroupConsumer):
    """A consumer of ticks: one topic, in the group of its settings."""

    async def run(
        self,
        on_tick: TickCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        aside: SetAside | None = None,
        on_snapshot: SnapshotCallback | None = None,
        on_outage: OutageCallback | None = None,
    ) -> ConsumeResult:
        """Consume until a stop condition holds, then commit and leave the group.

        Args:
            on_tick: awaited for each tick, for different keys at once and for one key in order,
                for at most ``callback_timeout_s``. What it raises fails that message only; it is
                awaited again first, where the error's class says that this can do no harm.
            start: "earliest", "latest", "committed" (the earliest where nothing was committed)
                or a time in UTC nanoseconds; it holds for the first assignment of a partition.
            max_messages: end after this many.
            until_idle_s: end when no message came for so long, counted from the assignment.
            stop: looked at some ten times a second; what runs then may take
                ``drain_timeout_s``, and what waits is left for the next run.
            aside: where messages go that cannot be read, handled or believed.
            on_snapshot: told how it goes, some ten times a second.
            on_outage: told once of each outage of the brokers or the registry that the run waits
                out by itself, when it begins; called in another thread.

        Raises:
            BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
            TopicMissingError: ``topic-missing``.
            ConsumerGroupUnreadableError: ``consumer-group-unreadable``.
            RegistryUnreachableError: ``registry-unreachable``, at the start or after
                ``max_outage_s``; what it concerns is not committed.
            Exception: what ``aside`` raised; that message is not committed.
        """
        run = self._begin(start, max_messages, until_idle_s, stop, on_snapshot, on_outage)
        intake = self._intake(TickIntake, run)
        thinned = thin if self._settings.latest_only else None
        return await self._in_lanes(run, on_tick, intake, aside, thinned)

    async def run_columns(
        self,
        on_columns: ColumnsCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        aside: SetAside | None = None,
        on_snapshot: SnapshotCallback | None = None,
        on_outage: OutageCallback | None = None,
    ) -> ConsumeResult:
        """Consume as ``run`` does, but batch after batch as columns.

        ``on_columns`` is awaited for one batch at a time, for at most ``callback_timeout_s``.
        When it raises, it is called again with parts of that batch until the messages that fail
        are found: what it does must be safe to do twice.

        Raises:
            StreamingError: as ``run``.
        """
        run = self._begin(start, max_messages, until_idle_s, stop, on_snapshot, on_outage)
        batches = ColumnBatches(
            self._topic,
            on_columns,
            self._tallied(run, aside),
            run.tally,
            run.histogram,
            self._retry,
            self._clock,
            timeout_s=self._settings.callback_timeout_s,
            latest_only=self._settings.latest_only,
            on_change=run.notice,
        )
        return await run.drive(batches, self._intake(ColumnIntake, run))

    def _intake(self, kind: Any, run: ConsumerRun) -> Any:
        decoder = ColumnDecoder(self._schemas, self._clock)
        return kind(self._topic, decoder, run.positions, run.watch, self._clock, self._transit())
