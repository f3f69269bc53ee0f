"""The headers of a dead letter: those of the message as they were, then what happened to it."""

import traceback
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from alchemiser_cli.errors import AlchemiserError, MessageUndecodableError
from alchemiser_cli.logs.redaction import redacted
from alchemiser_cli.streaming.acknowledged import Header
from alchemiser_cli.streaming.dead_letters import names
from alchemiser_cli.streaming.received import Received

__all__ = ["History", "failure_headers", "history_of", "last_text", "reason_of", "schema_id_of"]

MAX_TRACE_BYTES = 8_192

_SCHEMA_HEADER_BYTES = 5  # Confluent's wire format: a zero byte, then the schema's id
_DECODER = "alchemiser_cli.streaming.codec.TickDecoder"
_CONSUMER = "alchemiser_cli.streaming.consumer.Consumer"


class History(msgspec.Struct, frozen=True):
    """What a message's headers tell of its earlier lives; the time is ISO 8601."""

    first_failed_at: str | None
    redrives: int


def reason_of(error: AlchemiserError) -> str:
    """Return the class of the failure: the error's own word, else its cause's type, else its code.

    There are few of them, so that it may be a metric's label.
    """
    reason = error.context.get("reason")
    if isinstance(reason, str) and reason:
        return reason
    return error.code if error.__cause__ is None else type(error.__cause__).__name__


def schema_id_of(value: bytes | None, error: AlchemiserError) -> int | None:
    """Return the id of the schema that ``value`` names, or None where it names none."""
    told = error.context.get("schema_id")
    if isinstance(told, int):
        return told
    if value is None or len(value) < _SCHEMA_HEADER_BYTES or value[0] != 0:
        return None
    return int.from_bytes(value[1:_SCHEMA_HEADER_BYTES], "big")


def last_text(headers: Iterable[Header], name: str) -> str | None:
    """Return the last header of this name as text, or None."""
    found = None
    for key, value in headers:
        if key == name and value is not None:
            found = value
    return None if found is None else found.decode("utf-8", "replace")


def history_of(headers: Sequence[Header]) -> History:
    """Return what earlier dead letters and redrives of the message have noted."""
    redrives = last_text(headers, names.REDRIVES) or ""
    count = int(redrives) if redrives.isascii() and redrives.isdigit() else 0
    return History(last_text(headers, names.FIRST_FAILED), count)


def failure_headers(
    received: Received,
    error: AlchemiserError,
    *,
    group: str,
    deliveries: int,
    failed_at: str,
    with_trace: bool = True,
) -> list[Header]:
    """Return the headers that follow the message's own ones, all of them text.

    ``failed_at`` (ISO 8601) counts where the message failed for the first time; what an earlier
    life noted stays. Of the traceback, the last 8 KiB are kept.
    """
    history = history_of(received.headers)
    undecodable = isinstance(error, MessageUndecodableError)
    schema_id = schema_id_of(received.value, error)
    connect: dict[str, object] = {
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
        "connector.name": group,
        "task.id": 0,
        "stage": "VALUE_CONVERTER" if undecodable else "TASK_PUT",
        "class.name": _DECODER if undecodable else _CONSUMER,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": redacted("", f"{error.what}: {error.why}"),
    }
    ours: dict[str, object] = {
        names.GROUP: group,
        names.DELIVERIES: deliveries,
        names.CODE: error.code,
        names.REASON: reason_of(error),
        **({} if schema_id is None else {names.SCHEMA_ID: schema_id}),
        names.FIRST_FAILED: history.first_failed_at or failed_at,
        names.REDRIVES: history.redrives,
        **({names.INJECTED: "true"} if error.injected else {}),
    }
    trace = [(f"{names.CONNECT}exception.stacktrace", _trace(error))] if with_trace else []
    return [
        *((names.CONNECT + name, text_bytes(value)) for name, value in connect.items()),
        *trace,
        *((name, text_bytes(value)) for name, value in ours.items()),
    ]


def text_bytes(value: Any) -> bytes:
    """Return a header's value as UTF-8; what UTF-8 cannot say is escaped."""
    return str(value).encode("utf-8", "backslashreplace")


def _trace(error: AlchemiserError) -> bytes:
    # Python tells the cause of all first and the failure itself last.
    text = redacted("", "".join(traceback.format_exception(error)))
    return text_bytes(text)[-MAX_TRACE_BYTES:].decode("utf-8", "ignore").encode()
