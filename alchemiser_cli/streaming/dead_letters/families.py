"""What the headers of a dead letter tell, whoever wrote it.

Four families are known: ours; Kafka Connect's ``__connect.errors`` (KIP-298, text); Spring
Kafka's ``kafka_dlt-`` (DeadLetterPublishingRecoverer, numbers as big-endian binary); and Kafka
Streams' ``__streams.errors`` (KIP-1034, text, without the headers of the message).
"""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.dead_letters import names
from alchemiser_cli.streaming.dead_letters.headers import history_of, last_text

__all__ = ["Failure", "Family", "failure_of"]

Family = Literal["alchemiser", "connect", "spring", "streams", "unknown"]

SPRING = "kafka_dlt-"
STREAMS = "__streams.errors."

_CLASS_SEPARATORS = re.compile(r"[.$]")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message came from and what happened to it; None where its headers do not tell.

    ``reason`` is the class of the failure, ``deliveries`` how often it was tried, and
    ``originals`` the headers that the message had before it failed, in their order.
    """

    family: Family
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    code: str | None = None
    reason: str | None = None
    exception: str | None = None
    message: str | None = None
    stacktrace: str | None = None
    stage: str | None = None
    group: str | None = None
    deliveries: int | None = None
    schema_id: int | None = None
    first_failed_at: str | None = None
    redrives: int = 0
    originals: tuple[Header, ...] = ()


def failure_of(headers: Sequence[Header]) -> Failure:
    """Return what ``headers`` tell; never raises, for they are another program's."""
    begin = _begin_of_ours(headers)
    if begin is not None:
        return _alchemiser(headers[begin:], tuple(headers[:begin]))
    for prefix, read in _FOREIGN.items():
        if any(name.startswith(prefix) for name, _ in headers):
            originals = tuple(header for header in headers if not header[0].startswith(prefix))
            return _with_history(read(headers), originals)
    return _with_history(Failure(family="unknown"), tuple(headers))


def _begin_of_ours(headers: Sequence[Header]) -> int | None:
    """Return where our headers begin: each dead letter gets all of them at once, at the end.

    So those of the message survive even where it was a dead letter of someone else.
    """
    first = f"{names.CONNECT}topic"
    for at in range(len(headers) - 1, -1, -1):
        if headers[at][0] == first:
            return at if any(name == names.CODE for name, _ in headers[at:]) else None
    return None


def _alchemiser(ours: Sequence[Header], originals: tuple[Header, ...]) -> Failure:
    history = history_of(ours)
    return msgspec.structs.replace(
        _connect(ours),
        family="alchemiser",
        code=last_text(ours, names.CODE),
        reason=last_text(ours, names.REASON),
        group=last_text(ours, names.GROUP),
        deliveries=_number(ours, names.DELIVERIES),
        schema_id=_number(ours, names.SCHEMA_ID),
        first_failed_at=history.first_failed_at,
        redrives=history.redrives,
        originals=originals,
    )


def _connect(headers: Sequence[Header]) -> Failure:
    prefix = names.CONNECT
    exception = last_text(headers, f"{prefix}exception.class.name")
    return Failure(
        family="connect",
        topic=last_text(headers, f"{prefix}topic"),
        partition=_number(headers, f"{prefix}partition"),
        offset=_number(headers, f"{prefix}offset"),
        reason=_simple_name(exception),
        exception=exception,
        message=last_text(headers, f"{prefix}exception.message"),
        stacktrace=last_text(headers, f"{prefix}exception.stacktrace"),
        stage=last_text(headers, f"{prefix}stage"),
        group=last_text(headers, f"{prefix}connector.name"),
    )


def _spring(headers: Sequence[Header]) -> Failure:
    # The listener's own exception wraps the one that matters, where there is one.
    wrapper = last_text(headers, f"{SPRING}exception-fqcn")
    exception = last_text(headers, f"{SPRING}exception-cause-fqcn") or wrapper
    return Failure(
        family="spring",
        topic=last_text(headers, f"{SPRING}original-topic"),
        partition=_big_endian(headers, f"{SPRING}original-partition"),
        offset=_big_endian(headers, f"{SPRING}original-offset"),
        reason=_simple_name(exception),
        exception=exception,
        message=last_text(headers, f"{SPRING}exception-message"),
        stacktrace=last_text(headers, f"{SPRING}exception-stacktrace"),
        group=last_text(headers, f"{SPRING}original-consumer-group"),
    )


def _streams(headers: Sequence[Header]) -> Failure:
    # The exception is written as Java prints it: its class, a colon, its message.
    exception = (last_text(headers, f"{STREAMS}exception") or "").partition(":")[0] or None
    return Failure(
        family="streams",
        topic=last_text(headers, f"{STREAMS}topic"),
        partition=_number(headers, f"{STREAMS}partition"),
        offset=_number(headers, f"{STREAMS}offset"),
        reason=_simple_name(exception),
        exception=exception,
        message=last_text(headers, f"{STREAMS}message"),
        stacktrace=last_text(headers, f"{STREAMS}stacktrace"),
    )


_FOREIGN: dict[str, Callable[[Sequence[Header]], Failure]] = {
    names.CONNECT: _connect,
    SPRING: _spring,
    STREAMS: _streams,
}


def _with_history(failure: Failure, originals: tuple[Header, ...]) -> Failure:
    history = history_of(originals)
    return msgspec.structs.replace(
        failure,
        first_failed_at=history.first_failed_at,
        redrives=history.redrives,
        originals=originals,
    )


def _number(headers: Sequence[Header], name: str) -> int | None:
    text = last_text(headers, name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _big_endian(headers: Sequence[Header], name: str) -> int | None:
    found = [value for key, value in headers if key == name and value]
    if not found or len(found[-1]) not in {4, 8}:  # Java's int or long
        return None
    return int.from_bytes(found[-1], "big", signed=True)


def _simple_name(exception: str | None) -> str | None:
    return _CLASS_SEPARATORS.split(exception)[-1] if exception else None
