"""The librdkafka that the confluent_kafka wheel carries, found and loaded by ctypes.

This module imports neither confluent_kafka nor any other heavy package, so that a check can
ask for the library's version in a few milliseconds.
"""

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from alchemiser_cli.errors import EmbeddedBrokerFailedError

__all__ = ["library_path", "library_version", "load_library"]

_POINTER = ctypes.c_void_p
_TEXT = ctypes.c_char_p
_BROKER_ID = ctypes.c_int32
_ERROR = ctypes.c_int

# name -> (result, arguments), as declared in rdkafka.h and rdkafka_mock.h.
_PROTOTYPES: dict[str, tuple[type | None, list[type]]] = {
    "rd_kafka_version": (ctypes.c_int, []),
    "rd_kafka_err2name": (_TEXT, [_ERROR]),
    "rd_kafka_conf_new": (_POINTER, []),
    "rd_kafka_conf_destroy": (None, [_POINTER]),
    "rd_kafka_conf_set": (ctypes.c_int, [_POINTER, _TEXT, _TEXT, _TEXT, ctypes.c_size_t]),
    "rd_kafka_conf_set_log_cb": (None, [_POINTER, _POINTER]),
    "rd_kafka_new": (_POINTER, [ctypes.c_int, _POINTER, _TEXT, ctypes.c_size_t]),
    "rd_kafka_destroy": (None, [_POINTER]),
    "rd_kafka_handle_mock_cluster": (_POINTER, [_POINTER]),
    "rd_kafka_mock_cluster_bootstraps": (_TEXT, [_POINTER]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [_POINTER, ctypes.c_int32]),
    "rd_kafka_mock_topic_create": (_ERROR, [_POINTER, _TEXT, ctypes.c_int, ctypes.c_int]),
    "rd_kafka_mock_partition_set_leader": (
        _ERROR,
        [_POINTER, _TEXT, ctypes.c_int32, _BROKER_ID],
    ),
    "rd_kafka_mock_broker_set_down": (_ERROR, [_POINTER, _BROKER_ID]),
    "rd_kafka_mock_broker_set_up": (_ERROR, [_POINTER, _BROKER_ID]),
    "rd_kafka_mock_broker_set_rtt": (_ERROR, [_POINTER, _BROKER_ID, ctypes.c_int]),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        [_POINTER, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(_ERROR)],
    ),
    "rd_kafka_mock_clear_request_errors": (None, [_POINTER, ctypes.c_int16]),
    "rd_kafka_mock_partition_delete_records": (
        _ERROR,
        [_POINTER, _TEXT, ctypes.c_int32, ctypes.c_int64],
    ),
    "rd_kafka_mock_start_request_tracking": (None, [_POINTER]),
    "rd_kafka_mock_stop_request_tracking": (None, [_POINTER]),
    "rd_kafka_mock_get_requests": (
        ctypes.POINTER(_POINTER),
        [_POINTER, ctypes.POINTER(ctypes.c_size_t)],
    ),
    "rd_kafka_mock_request_api_key": (ctypes.c_int16, [_POINTER]),
    "rd_kafka_mock_request_destroy_array": (None, [ctypes.POINTER(_POINTER), ctypes.c_size_t]),
}


def library_path() -> str:
    """Return the path or system name of the librdkafka that would be loaded.

    The wheel's own library comes first (beside the package on Linux, inside it on macOS), then
    whatever the system's linker finds.

    Raises:
        EmbeddedBrokerFailedError: ``embedded-broker-failed`` if there is none.
    """
    for candidate in _bundled():
        return str(candidate)
    system = ctypes.util.find_library("rdkafka")
    if system is None:
        raise EmbeddedBrokerFailedError(
            "librdkafka was not found",
            why="Neither the confluent-kafka wheel nor the system carries the library.",
            next_step="Install the wheel: `pip install --force-reinstall confluent-kafka`.",
        )
    return system


@functools.cache
def load_library() -> ctypes.CDLL:
    """Load librdkafka once and declare the functions that we call.

    Raises:
        EmbeddedBrokerFailedError: ``embedded-broker-failed`` if it is missing, cannot be loaded
            or lacks one of those functions.
    """
    path = library_path()
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise EmbeddedBrokerFailedError(
            "librdkafka cannot be used",
            why=str(error),
            next_step="Reinstall the wheel: `pip install --force-reinstall confluent-kafka`.",
            context={"library": path},
        ) from error
    return library


def library_version() -> tuple[int, int, int]:
    """Return librdkafka's version as (major, minor, revision).

    Raises:
        EmbeddedBrokerFailedError: ``embedded-broker-failed`` if it cannot be loaded.
    """
    packed = int(load_library().rd_kafka_version())  # 0xMMmmrrxx, see rdkafka.h
    return packed >> 24 & 0xFF, packed >> 16 & 0xFF, packed >> 8 & 0xFF


def _bundled() -> Iterator[Path]:
    spec = importlib.util.find_spec("confluent_kafka")
    for folder in spec.submodule_search_locations or () if spec else ():
        package = Path(folder)
        yield from sorted((package.parent / "confluent_kafka.libs").glob("librdkafka-*.so*"))
        yield from sorted((package / ".dylibs").glob("librdkafka*.dylib"))
