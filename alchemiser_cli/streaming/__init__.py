"""Kafka: the embedded cluster, Avro codec, schema registries, producer, replay and consumer."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alchemiser_cli.streaming.batches import (
        FailureCallback,
        Received,
        TickCallback,
    )
    from alchemiser_cli.streaming.codec import TickDecoder, TickEncoder
    from alchemiser_cli.streaming.consumer import (
        Consumer,
        ConsumeResult,
        LatencyMs,
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
    from alchemiser_cli.streaming.embedded import EmbeddedKafka
    from alchemiser_cli.streaming.librdkafka import library_version
    from alchemiser_cli.streaming.membership import PartitionProgress
    from alchemiser_cli.streaming.playback import ReplayResult, replay
    from alchemiser_cli.streaming.positions import Start
    from alchemiser_cli.streaming.probe import (
        ClockSkew,
        ClusterInfo,
        GroupOffset,
        broker_clock_skew,
        broker_metadata,
        consumer_group_offsets,
    )
    from alchemiser_cli.streaming.producer import TickProducer
    from alchemiser_cli.streaming.registry import (
        SchemaRegistry,
        open_registry,
        value_subject,
    )
    from alchemiser_cli.streaming.topics import ensure_topic, require_topic

__all__ = [
    "ClockSkew",
    "Cluster",
    "ClusterInfo",
    "ConsumeResult",
    "Consumer",
    "EmbeddedKafka",
    "FailureCallback",
    "GroupOffset",
    "LatencyMs",
    "PartitionProgress",
    "Received",
    "ReplayResult",
    "SchemaRegistry",
    "ServedBroker",
    "Serving",
    "Start",
    "TickCallback",
    "TickDecoder",
    "TickEncoder",
    "TickProducer",
    "broker_clock_skew",
    "broker_metadata",
    "consumer_group_offsets",
    "ensure_topic",
    "find_served",
    "library_version",
    "open_cluster",
    "open_registry",
    "own_cluster",
    "replay",
    "require_topic",
    "serve",
    "value_subject",
]

# Names are imported when they are first used: a check of librdkafka's version, which lives in
# this package too, then loads neither confluent_kafka nor fastavro.
_HOMES = {
    "batches": ("FailureCallback", "Received", "TickCallback"),
    "codec": ("TickDecoder", "TickEncoder"),
    "consumer": ("Consumer", "ConsumeResult", "LatencyMs"),
    "discovery": (
        "Cluster",
        "ServedBroker",
        "Serving",
        "find_served",
        "open_cluster",
        "own_cluster",
        "serve",
    ),
    "embedded": ("EmbeddedKafka",),
    "librdkafka": ("library_version",),
    "membership": ("PartitionProgress",),
    "playback": ("ReplayResult", "replay"),
    "positions": ("Start",),
    "probe": (
        "ClockSkew",
        "ClusterInfo",
        "GroupOffset",
        "broker_clock_skew",
        "broker_metadata",
        "consumer_group_offsets",
    ),
    "producer": ("TickProducer",),
    "registry": ("SchemaRegistry", "open_registry", "value_subject"),
    "topics": ("ensure_topic", "require_topic"),
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
