"""Consuming events: the same guarantees as for ticks, each message an envelope.

The guarantee is *at least once*, in order for each key: see ``alchemiser_cli.streaming.consumer``.
Who acts on events therefore remembers ids, and drops what it has seen.
"""

from collections.abc import Callable, Collection

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings.sections import ConsumerSettings, KafkaSettings
from alchemiser_cli.streaming.envelopes import EnvelopeDecoder
from alchemiser_cli.streaming.event_intake import EventIntake
from alchemiser_cli.streaming.group_consumer import GroupConsumer
from alchemiser_cli.streaming.outages import OutageCallback
from alchemiser_cli.streaming.positions import Start
from alchemiser_cli.streaming.received import EventCallback
from alchemiser_cli.streaming.registry import SchemaRegistry
from alchemiser_cli.streaming.results import EventsResult
from alchemiser_cli.streaming.running import SnapshotCallback
from alchemiser_cli.streaming.schemas import SchemaCache
from alchemiser_cli.streaming.setting_aside import SetAside
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["EventConsumer"]


class EventConsumer(GroupConsumer):
    """A consumer of the events of one topic, in the group of its settings.

    ``latest_only`` of the settings does not hold here: every event counts.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: ConsumerSettings,
        bootstrap: str,
        topic: str,
        schemas: SchemaRegistry | SchemaCache,
        clock: Clock,
        *,
        event_types: Collection[str] | None = None,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Prepare a consumer of ``topic``; nothing is contacted yet.

        ``event_types`` are those that are wanted, None for all. The others are counted as
        skipped; where their header names the type, they are not even decoded.
        """
        super().__init__(kafka, settings, bootstrap, topic, schemas, clock, telemetry=telemetry)
        self._event_types = event_types

    async def run(
        self,
        on_event: EventCallback,
        *,
        start: Start = "committed",
        max_messages: int | None = None,
        until_idle_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        aside: SetAside | None = None,
        on_snapshot: SnapshotCallback | None = None,
        on_outage: OutageCallback | None = None,
    ) -> EventsResult:
        """Consume until a stop condition holds, then commit and leave the group.

        Args:
            on_event: awaited for each wanted event, for different keys at once and for one key in
                order, for at most ``callback_timeout_s``. What it raises fails that message only;
                it is awaited again first, where the error's class says that this can do no harm.
                ``StopConsuming`` ends the run, and its message comes again.
            start: as for ``Consumer.run``, where the group committed nothing too.
            max_messages: end after this many, skipped ones included.
            until_idle_s: end when no message came for so long, counted from the assignment.
            stop: looked at some ten times a second.
            aside: where messages go that cannot be read or handled, for example ``Disposal``
                with its dead letters.
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
        intake = EventIntake(
            self._topic,
            EnvelopeDecoder(self._schemas),
            self._event_types,
            run.positions,
            self._clock,
            self._transit(),
        )
        result = await self._in_lanes(run, on_event, intake, aside)
        return EventsResult(**msgspec.structs.asdict(result), skipped=run.tally.skipped)
