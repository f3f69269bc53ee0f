"""Checks of Kafka: the bootstrap list, the broker, the topics and the consumer group."""

from functools import partial

from alchemiser_cli.checks import Check
from alchemiser_cli.preflight.setup import Setup

__all__ = ["ANSWERS", "checks"]

ANSWERS = "broker answers"
TOPICS = "topics exist or can be made"


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``kafka``."""
    check = partial(setup.check, "kafka")
    formed = "bootstrap list is well formed"
    return [
        check(formed, "bootstrap-malformed", lambda: _bootstrap(setup)),
        check(ANSWERS, "broker-unreachable", lambda: _answers(setup), needs=(formed,), retry=True),
        check(
            TOPICS,
            "topic-missing",
            lambda: _topics(setup),
            needs=(ANSWERS,),
            retry=True,
        ),
        check(
            "consumer group can be read",
            "consumer-group-unreadable",
            lambda: _group(setup),
            needs=(TOPICS,),
            retry=True,
        ),
    ]


def _bootstrap(setup: Setup) -> str:
    # The settings were refused before this if the list were not well formed.
    kafka = setup.settings.kafka
    return kafka.bootstrap if kafka.mode == "external" else "not used: kafka.mode is embedded"


def _answers(setup: Setup) -> str:
    cluster, found = setup.cluster, setup.cluster_info
    return f"{cluster.bootstrap} ({cluster.origin}), {len(found.brokers)} broker(s)"


def _topics(setup: Setup) -> str:
    from alchemiser_cli.streaming import ensure_topic

    settings, name = setup.settings, setup.settings.topics.ticks
    partitions = ensure_topic(settings.kafka, settings.topics, setup.cluster, name)
    return f"{name}, {partitions} partition(s)"


def _group(setup: Setup) -> str:
    from alchemiser_cli.streaming import consumer_group_offsets, require_topic

    settings, bootstrap = setup.settings, setup.cluster.bootstrap
    topic = settings.topics.ticks
    offsets = consumer_group_offsets(
        settings.kafka,
        settings.consumer,
        bootstrap,
        topic,
        require_topic(settings.kafka, bootstrap, topic),
    )
    committed = sum(1 for one in offsets if one.committed_offset is not None)
    return f"{settings.consumer.group}, offsets in {committed} of {len(offsets)} partition(s)"
