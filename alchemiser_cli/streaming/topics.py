"""Topics: which ones we use, and making those that are missing."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from alchemiser_cli.errors import TopicMissingError
from alchemiser_cli.settings.sections import KafkaSettings, TopicSettings
from alchemiser_cli.streaming.clients import admin_client
from alchemiser_cli.streaming.discovery import Cluster
from alchemiser_cli.streaming.failures import broker_unreachable, kafka_error
from alchemiser_cli.streaming.probe import ClusterInfo, broker_metadata
from alchemiser_cli.streaming.topic_map import companion_topic

__all__ = ["ensure_companion", "ensure_topic", "partitions_of", "require_topic"]


def require_topic(kafka: KafkaSettings, bootstrap: str, name: str) -> int:
    """Return the topic's number of partitions.

    Raises:
        TopicMissingError: ``topic-missing``; nothing is created.
        BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
    """
    return partitions_of(broker_metadata(kafka, bootstrap), name, bootstrap)


def partitions_of(info: ClusterInfo, name: str, bootstrap: str) -> int:
    """Return the number of partitions that ``info`` lists for the topic ``name``.

    Raises:
        TopicMissingError: ``topic-missing``.
    """
    if name not in info.topics:
        raise _missing(name, bootstrap, "The cluster does not list it.", sorted(info.topics))
    return info.topics[name]


def ensure_topic(kafka: KafkaSettings, topics: TopicSettings, cluster: Cluster, name: str) -> int:
    """Create the topic ``name`` unless it exists, and return its number of partitions.

    An existing topic keeps its shape. A served cluster of another process makes a topic at the
    first request that names it, with librdkafka's four partitions and not with ours.

    Raises:
        TopicMissingError: ``topic-missing`` if the cluster refuses to create it.
        BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
    """
    bootstrap = cluster.bootstrap
    if cluster.embedded is not None:
        cluster.embedded.create_topic(name, topics.partitions, topics.replication)
        return require_topic(kafka, bootstrap, name)
    known = broker_metadata(kafka, bootstrap).topics
    if name in known:
        return known[name]
    admin = admin_client(kafka, bootstrap)
    if cluster.origin == "served":
        _name_it(admin, kafka, bootstrap, name)
    else:
        _create(admin, kafka, topics, bootstrap, name)
    return require_topic(kafka, bootstrap, name)


def ensure_companion(
    kafka: KafkaSettings,
    topics: TopicSettings,
    cluster: Cluster | str,
    source: str,
    suffix: str,
) -> int:
    """Create ``SOURCE.SUFFIX`` unless it exists, with the partitions that ``source`` has.

    A message that is set aside then keeps its partition, and what is redriven its order. Returns
    how many partitions the companion has: one that exists keeps its shape, and a served cluster
    of another process gives each topic librdkafka's four.

    Args:
        kafka: how to reach the cluster.
        topics: replicas of what we make.
        cluster: the cluster, or the bootstrap list of one that may be of any kind.
        source: the topic that messages are set aside from, which exists.
        suffix: ``dlq`` or ``quarantine``.

    Raises:
        TopicForbiddenError: ``topic-forbidden`` where Kafka does not take the companion's name.
        TopicMissingError: ``topic-missing`` if there is no source, or the cluster refuses to
            create the companion.
        BrokerUnreachableError: ``broker-unreachable`` after ``request_timeout_s``.
    """
    name = companion_topic(source, suffix)
    bootstrap = cluster if isinstance(cluster, str) else cluster.bootstrap
    info = broker_metadata(kafka, bootstrap)
    shaped = topics.model_copy(update={"partitions": partitions_of(info, source, bootstrap)})
    if name in info.topics:
        return info.topics[name]
    if isinstance(cluster, str):
        cluster = Cluster(bootstrap, "served" if info.embedded else "external")
    return ensure_topic(kafka, shaped, cluster, name)


def _name_it(admin: AdminClient, kafka: KafkaSettings, bootstrap: str, name: str) -> None:
    try:
        admin.list_topics(name, timeout=kafka.request_timeout_s)
    except KafkaException as error:
        cause = kafka_error(error)
        raise broker_unreachable(bootstrap, cause.str(), cause.name()) from error


def _create(
    admin: AdminClient, kafka: KafkaSettings, topics: TopicSettings, bootstrap: str, name: str
) -> None:
    wanted = NewTopic(name, topics.partitions, topics.replication)
    answers = admin.create_topics([wanted], request_timeout=kafka.request_timeout_s)
    try:
        answers[name].result()
    except KafkaException as error:
        cause = kafka_error(error)
        if cause.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise _missing(name, bootstrap, f"Creating it failed: {cause.str()}.") from error


def _missing(
    name: str, bootstrap: str, why: str, known: list[str] | None = None
) -> TopicMissingError:
    return TopicMissingError(
        f"the topic {name!r} does not exist",
        why=why,
        next_step=f"Check topics.ticks or --topic; `alchemiser replay --topic {name}` makes it, "
        "or the cluster's administrator.",
        context={"topic": name, "bootstrap": bootstrap, "known": (known or [])[:20]},
    )
