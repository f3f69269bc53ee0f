"""The embedded Kafka: librdkafka's own mock cluster, driven by ctypes."""

import ctypes
from collections import Counter
from types import TracebackType
from typing import Self

from alchemiser_cli.errors import EmbeddedBrokerFailedError
from alchemiser_cli.streaming.librdkafka import load_library

__all__ = ["EmbeddedKafka"]

_PRODUCER = 0  # rd_kafka_type_t
_CONF_OK = 0  # rd_kafka_conf_res_t
_ERROR_TEXT_BYTES = 512


class EmbeddedKafka:
    """A Kafka cluster inside this process that speaks the real wire protocol on the loopback.

    It is a context manager; the cluster and all its data live as long as the block. Broker ids
    count from 1.

    Known limits, all of them librdkafka's:

    - memory only, and at most 5 MiB or 100,000 message sets a partition: the oldest go first;
    - no index by time: ``offsets_for_times`` answers -1;
    - topics cannot be created or deleted, nor groups listed, by the admin API;
      ``create_topic`` makes them, and so does the first request that names them;
    - plaintext, without authentication, on the loopback.
    """

    def __init__(self, brokers: int = 1) -> None:
        """Prepare a cluster of ``brokers``; nothing listens until the block is entered."""
        self._brokers = brokers
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None
        self._cluster: int | None = None

    def __enter__(self) -> Self:
        """Start the cluster.

        Raises:
            EmbeddedBrokerFailedError: ``embedded-broker-failed`` if librdkafka refuses.
        """
        library = load_library()
        handle = _new_handle(library, self._brokers)
        cluster = library.rd_kafka_handle_mock_cluster(handle)
        if not cluster:
            library.rd_kafka_destroy(handle)
            raise _failed("the embedded Kafka did not start", "librdkafka made no mock cluster.")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        self._library, self._handle, self._cluster = library, handle, cluster
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the cluster; its data is gone."""
        self.close()

    def close(self) -> None:
        """Stop the cluster, if it runs."""
        library, handle = self._library, self._handle
        self._library = self._handle = self._cluster = None
        if library is not None and handle is not None:
            library.rd_kafka_destroy(handle)

    @property
    def brokers(self) -> int:
        """How many brokers the cluster has."""
        return self._brokers

    @property
    def bootstrap(self) -> str:
        """The HOST:PORT list of the running cluster."""
        library, cluster = self._running()
        text: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
        return text.decode()

    def create_topic(self, name: str, partitions: int, replication: int = 1) -> None:
        """Create the topic ``name``; one that exists already stays as it is.

        Raises:
            EmbeddedBrokerFailedError: ``embedded-broker-failed``, for example for more
                replicas than brokers.
        """
        library, cluster = self._running()
        result = library.rd_kafka_mock_topic_create(
            cluster, name.encode(), partitions, min(replication, self._brokers)
        )
        if result and _error_name(library, result) != "TOPIC_ALREADY_EXISTS":
            raise _refused(library, f"the topic {name!r} was not created", result)

    def set_leader(self, topic: str, partition: int, broker: int) -> None:
        """Make ``broker`` the partition's leader.

        Do not leave a partition without a leader (-1): librdkafka 2.16 crashes, and this process
        with it, when a client then writes to it.
        """
        self._call("rd_kafka_mock_partition_set_leader", topic.encode(), partition, broker)

    def broker_down(self, broker: int = -1) -> None:
        """Drop the connections of ``broker`` and accept no new ones; -1 means all brokers."""
        self._call("rd_kafka_mock_broker_set_down", broker)

    def broker_up(self, broker: int = -1) -> None:
        """Let ``broker`` accept connections again; -1 means all brokers."""
        self._call("rd_kafka_mock_broker_set_up", broker)

    def round_trip(self, broker: int, milliseconds: int) -> None:
        """Delay each answer of ``broker`` (-1: of all) by ``milliseconds``."""
        self._call("rd_kafka_mock_broker_set_rtt", broker, milliseconds)

    def push_errors(self, api_key: int, *errors: int) -> None:
        """Answer the next requests of the protocol's ``api_key`` with these error codes, in order.

        The codes are Kafka's, or librdkafka's own: -195 (transport) drops the connection.
        """
        library, cluster = self._running()
        codes = (ctypes.c_int * len(errors))(*errors)
        library.rd_kafka_mock_push_request_errors_array(cluster, api_key, len(errors), codes)

    def clear_errors(self, api_key: int) -> None:
        """Forget the errors still pushed for ``api_key``."""
        library, cluster = self._running()
        library.rd_kafka_mock_clear_request_errors(cluster, api_key)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Forget the records of a partition whose offset is less than ``before``.

        Raises:
            EmbeddedBrokerFailedError: ``embedded-broker-failed``, for example for an offset that
                the partition does not hold.
        """
        function = "rd_kafka_mock_partition_delete_records"
        self._call(function, topic.encode(), partition, before)

    def track_requests(self) -> None:
        """Begin to note which requests come; what was noted before is forgotten."""
        library, cluster = self._running()
        library.rd_kafka_mock_start_request_tracking(cluster)

    def stop_tracking(self) -> None:
        """Note requests no more."""
        library, cluster = self._running()
        library.rd_kafka_mock_stop_request_tracking(cluster)

    def requests(self) -> Counter[int]:
        """Count the requests that came since ``track_requests``, by the protocol's API key."""
        library, cluster = self._running()
        count = ctypes.c_size_t()
        noted = library.rd_kafka_mock_get_requests(cluster, ctypes.byref(count))
        if not noted:
            return Counter()
        try:
            api_key = library.rd_kafka_mock_request_api_key
            return Counter(api_key(noted[index]) for index in range(count.value))
        finally:
            library.rd_kafka_mock_request_destroy_array(noted, count)

    def _call(self, function: str, *arguments: int | bytes) -> None:
        library, cluster = self._running()
        result = getattr(library, function)(cluster, *arguments)
        if result:
            raise _refused(library, f"the embedded Kafka refused {function}", result)

    def _running(self) -> tuple[ctypes.CDLL, int]:
        if self._library is None or self._cluster is None:
            raise _failed("the embedded Kafka is not running", "Its block was left or not entered.")
        return self._library, self._cluster


def _new_handle(library: ctypes.CDLL, brokers: int) -> int:
    conf = library.rd_kafka_conf_new()
    text = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
    for name, value in (("test.mock.num.brokers", str(brokers)), ("log_level", "0")):
        done = library.rd_kafka_conf_set(conf, name.encode(), value.encode(), text, len(text))
        if done != _CONF_OK:
            library.rd_kafka_conf_destroy(conf)
            raise _failed(f"{brokers} embedded brokers cannot be made", text.value.decode())
    library.rd_kafka_conf_set_log_cb(conf, None)  # without it the library writes on stderr
    handle = library.rd_kafka_new(_PRODUCER, conf, text, len(text))  # owns conf on success
    if not handle:
        library.rd_kafka_conf_destroy(conf)
        raise _failed("the embedded Kafka did not start", text.value.decode())
    return int(handle)


def _error_name(library: ctypes.CDLL, result: int) -> str:
    name: bytes = library.rd_kafka_err2name(result)
    return name.decode()


def _refused(library: ctypes.CDLL, what: str, result: int) -> EmbeddedBrokerFailedError:
    return _failed(what, f"librdkafka answered {_error_name(library, result)}.")


def _failed(what: str, why: str) -> EmbeddedBrokerFailedError:
    return EmbeddedBrokerFailedError(
        what,
        why=why,
        next_step="Check the number of brokers and the installed confluent-kafka, or set "
        "kafka.mode = external and point kafka.bootstrap at a real cluster.",
    )
