"""Kafka: the embedded cluster, codecs, registries, producers, the consumer, dead letters."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alchemiser_cli.streaming.acknowledged import (
        AcknowledgedProducer,
        Header,
        Outgoing,
        Sent,
    )
    from alchemiser_cli.streaming.codec import (
        TickDecoder,
        TickEncoder,
    )
    from alchemiser_cli.streaming.column_batches import (
        ColumnsCallback,
    )
    from alchemiser_cli.streaming.columnar import (
        ColumnDecoder,
        DecodedColumns,
    )
    from alchemiser_cli.streaming.consumer import (
        Consumer,
    )
    from alchemiser_cli.streaming.dead_letters import (
        DeadLetter,
        DeadLetterLimit,
        DeadLetterListing,
        DeadLetterReader,
        DeadLetters,
        Failure,
        ListedLetter,
        Quarantine,
        ReasonCount,
        RedriveMemory,
        Redriver,
        RedriveResult,
        RedriveStep,
        Selection,
        count_by_reason,
        dead_letter_topic,
        implausible,
        list_letters,
        quarantine_topic,
        reason_of,
    )
    from alchemiser_cli.streaming.discovery import (
        Cluster,
        ServedBroker,
        Serving,
        find_served,
        open_cluster,
        own_cluster,
        serve,
    )
    from alchemiser_cli.streaming.disposal import (
        Disposal,
        FailureCallback,
    )
    from alchemiser_cli.streaming.embedded import (
        EmbeddedKafka,
    )
    from alchemiser_cli.streaming.envelopes import (
        EnvelopeDecoder,
        EnvelopeEncoder,
        envelope_headers,
        header_text,
    )
    from alchemiser_cli.streaming.event_consumer import (
        EventConsumer,
    )
    from alchemiser_cli.streaming.events import (
        EventProducer,
    )
    from alchemiser_cli.streaming.feed_publisher import (
        ORIGIN_HEADER,
        FeedLimits,
        FeedResult,
        publish_feed,
        run_feed,
    )
    from alchemiser_cli.streaming.librdkafka import (
        library_version,
    )
    from alchemiser_cli.streaming.outages import (
        OutageCallback,
    )
    from alchemiser_cli.streaming.playback import (
        ReplayResult,
        replay,
    )
    from alchemiser_cli.streaming.positions import (
        Start,
    )
    from alchemiser_cli.streaming.probe import (
        ClockSkew,
        ClusterInfo,
        GroupOffset,
        broker_clock_skew,
        broker_metadata,
        consumer_group_lag,
        consumer_group_offsets,
    )
    from alchemiser_cli.streaming.producer import (
        TickProducer,
    )
    from alchemiser_cli.streaming.reading_back import (
        read_back,
    )
    from alchemiser_cli.streaming.received import (
        EventCallback,
        Received,
        StopConsuming,
        TickCallback,
    )
    from alchemiser_cli.streaming.registry import (
        SchemaRegistry,
        open_registry,
        value_subject,
    )
    from alchemiser_cli.streaming.results import (
        ConsumeResult,
        ConsumerSnapshot,
        EventsResult,
        LatencyMs,
        PartitionProgress,
    )
    from alchemiser_cli.streaming.running import (
        SnapshotCallback,
    )
    from alchemiser_cli.streaming.schemas import (
        SchemaCache,
    )
    from alchemiser_cli.streaming.setting_aside import (
        OnlyCounted,
        SetAside,
    )
    from alchemiser_cli.streaming.topic_map import (
        TopicMap,
        companion_topic,
    )
    from alchemiser_cli.streaming.topics import (
        ensure_companion,
        ensure_topic,
        require_topic,
    )

__all__ = [
    "ORIGIN_HEADER",
    "AcknowledgedProducer",
    "ClockSkew",
    "Cluster",
    "ClusterInfo",
    "ColumnDecoder",
    "ColumnsCallback",
    "ConsumeResult",
    "Consumer",
    "ConsumerSnapshot",
    "DeadLetter",
    "DeadLetterLimit",
    "DeadLetterListing",
    "DeadLetterReader",
    "DeadLetters",
    "DecodedColumns",
    "Disposal",
    "EmbeddedKafka",
    "EnvelopeDecoder",
    "EnvelopeEncoder",
    "EventCallback",
    "EventConsumer",
    "EventProducer",
    "EventsResult",
    "Failure",
    "FailureCallback",
    "FeedLimits",
    "FeedResult",
    "GroupOffset",
    "Header",
    "LatencyMs",
    "ListedLetter",
    "OnlyCounted",
    "OutageCallback",
    "Outgoing",
    "PartitionProgress",
    "Quarantine",
    "ReasonCount",
    "Received",
    "RedriveMemory",
    "RedriveResult",
    "RedriveStep",
    "Redriver",
    "ReplayResult",
    "SchemaCache",
    "SchemaRegistry",
    "Selection",
    "Sent",
    "ServedBroker",
    "Serving",
    "SetAside",
    "SnapshotCallback",
    "Start",
    "StopConsuming",
    "TickCallback",
    "TickDecoder",
    "TickEncoder",
    "TickProducer",
    "TopicMap",
    "broker_clock_skew",
    "broker_metadata",
    "companion_topic",
    "consumer_group_lag",
    "consumer_group_offsets",
    "count_by_reason",
    "dead_letter_topic",
    "ensure_companion",
    "ensure_topic",
    "envelope_headers",
    "find_served",
    "header_text",
    "implausible",
    "library_version",
    "list_letters",
    "open_cluster",
    "open_registry",
    "own_cluster",
    "publish_feed",
    "quarantine_topic",
    "read_back",
    "reason_of",
    "replay",
    "require_topic",
    "run_feed",
    "serve",
    "value_subject",
]

# Names are imported when they are first used: a check of librdkafka's version, which lives in
# this package too, then loads neither confluent_kafka nor fastavro.
_HOMES = {
    "acknowledged": (
        "AcknowledgedProducer",
        "Header",
        "Outgoing",
        "Sent",
    ),
    "codec": (
        "TickDecoder",
        "TickEncoder",
    ),
    "column_batches": ("ColumnsCallback",),
    "columnar": (
        "ColumnDecoder",
        "DecodedColumns",
    ),
    "consumer": ("Consumer",),
    "dead_letters": (
        "DeadLetter",
        "DeadLetterLimit",
        "DeadLetterListing",
        "DeadLetterReader",
        "DeadLetters",
        "Failure",
        "ListedLetter",
        "Quarantine",
        "ReasonCount",
        "RedriveMemory",
        "RedriveResult",
        "RedriveStep",
        "Redriver",
        "Selection",
        "count_by_reason",
        "dead_letter_topic",
        "implausible",
        "list_letters",
        "quarantine_topic",
        "reason_of",
    ),
    "discovery": (
        "Cluster",
        "ServedBroker",
        "Serving",
        "find_served",
        "open_cluster",
        "own_cluster",
        "serve",
    ),
    "disposal": (
        "Disposal",
        "FailureCallback",
    ),
    "embedded": ("EmbeddedKafka",),
    "envelopes": (
        "EnvelopeDecoder",
        "EnvelopeEncoder",
        "envelope_headers",
        "header_text",
    ),
    "event_consumer": ("EventConsumer",),
    "events": ("EventProducer",),
    "feed_publisher": (
        "FeedLimits",
        "FeedResult",
        "ORIGIN_HEADER",
        "publish_feed",
        "run_feed",
    ),
    "handling": (
        "OnlyCounted",
        "SetAside",
    ),
    "librdkafka": ("library_version",),
    "outages": ("OutageCallback",),
    "playback": (
        "ReplayResult",
        "replay",
    ),
    "positions": ("Start",),
    "probe": (
        "ClockSkew",
        "ClusterInfo",
        "GroupOffset",
        "broker_clock_skew",
        "broker_metadata",
        "consumer_group_lag",
        "consumer_group_offsets",
    ),
    "producer": ("TickProducer",),
    "reading_back": ("read_back",),
    "received": (
        "EventCallback",
        "Received",
        "StopConsuming",
        "TickCallback",
    ),
    "registry": (
        "SchemaRegistry",
        "open_registry",
        "value_subject",
    ),
    "results": (
        "ConsumeResult",
        "ConsumerSnapshot",
        "EventsResult",
        "LatencyMs",
        "PartitionProgress",
    ),
    "running": ("SnapshotCallback",),
    "schemas": ("SchemaCache",),
    "setting_aside": ("OnlyCounted", "SetAside"),
    "topic_map": (
        "TopicMap",
        "companion_topic",
    ),
    "topics": (
        "ensure_companion",
        "ensure_topic",
        "require_topic",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
