"""structlog set-up: channels, one queue, redaction, correlation ids.

A call puts its record on a bounded queue and returns; one listener thread renders it
and writes it to standard error and to the JSON file of its channel. A full queue drops
the record and counts it, for logging must never hold up trading.
"""

import copy
import errno
import logging
import queue
import re
import sys
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import msgspec
import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from pydantic import SecretStr

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import DiskFullError, HomeNotWritableError
from alchemiser_cli.settings import LogSettings

__all__ = ["CHANNELS", "Channel", "channel_file", "get_logger", "log_session", "session_is_open"]

Channel = Literal[
    "application",
    "trading",
    "market_data",
    "api",
    "error",
    "monitoring",
    "performance",
    "audit",
]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

QUEUE_LENGTH = 10_000
FLUSH_TIMEOUT_S = 5.0
STORM_SHOWN = 3
MASK = "**********"

_ROOT = "alchemiser"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|api_?key|authorization|signing_key", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@")


def get_logger(channel: Channel, component: str) -> structlog.stdlib.BoundLogger:
    """Return a logger of ``channel`` whose records carry ``component``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(
        f"{_ROOT}.{channel}", component=component
    )
    return logger


def channel_file(folder: Path, channel: Channel) -> Path:
    """Return the file that a channel writes to."""
    return folder / f"{channel}.jsonl"


def session_is_open() -> bool:
    """Tell whether records go anywhere now."""
    return bool(logging.getLogger(_ROOT).handlers)


@contextmanager
def log_session(
    settings: LogSettings,
    folder: Path,
    clock: Clock,
    *,
    run_id: str,
    command: str,
    stderr_level: int = logging.WARNING,
    stderr: TextIO | None = None,
) -> Iterator[None]:
    """Send every record of the block to its channel's file in ``folder`` and to ``stderr``.

    Everything queued is written before the block is left. Files come into being with
    their first record.

    Raises:
        HomeNotWritableError: ``home-not-writable``, when ``folder`` cannot be made.
        DiskFullError: ``disk-full``.
    """
    _make_folder(folder)
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LENGTH)
    entrance = _Entrance(records)
    console = _console(stderr or sys.stderr, stderr_level)
    files = [_channel_output(settings, folder, channel, console) for channel in CHANNELS]
    outputs = [console, *files]
    listener = _Listener(records, *outputs, respect_handler_level=True)
    root = logging.getLogger(_ROOT)
    root.handlers, root.propagate = [entrance], False
    root.setLevel(settings.level.upper())
    _configure_structlog(clock)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(run_id=run_id, command=command)
    listener.start()
    try:
        get_logger("application", "logs").info(
            "log_channels", files={name: str(channel_file(folder, name)) for name in CHANNELS}
        )
        yield
    finally:
        if entrance.dropped:
            get_logger("application", "logs").warning(
                "log_records_dropped", dropped=entrance.dropped
            )
        listener.stop()
        root.handlers = []
        for output in outputs:
            output.close()
        structlog.contextvars.clear_contextvars()
        structlog.reset_defaults()


class _Entrance(QueueHandler):
    """Puts records on the queue as they are; rendering is the listener's work."""

    def __init__(self, records: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's own
        self.dropped += 1


class _Listener(QueueListener):
    """Stops even when the queue is full: the sentinel waits for its place."""

    def enqueue_sentinel(self) -> None:
        self.queue.put(None, timeout=FLUSH_TIMEOUT_S)  # type: ignore[attr-defined]  # a Queue


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(enc_hook=str)

    def format(self, record: logging.LogRecord) -> str:
        return self._encoder.encode(_fields(record)).decode()


class _Readable(logging.Formatter):
    """``12:00:00 warning  event  key=value`` for people; tracebacks only when ``detailed``."""

    def __init__(self, *, detailed: bool) -> None:
        super().__init__()
        self._detailed = detailed

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(_fields(record))
        if not self._detailed:
            fields.pop("exception", None)
        at = str(fields.pop("at"))[11:19]
        level, event = fields.pop("level"), fields.pop("event")
        for name in ("channel", "run_id", "command"):
            fields.pop(name, None)
        pairs = " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{at} {level:<8} {event}  {pairs}".rstrip()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the event dictionary of a record that came through structlog."""
    if isinstance(record.msg, dict):
        return record.msg
    channel = record.name.removeprefix(f"{_ROOT}.")
    return {
        "at": iso_from_ns(round(record.created * 1e9)),
        "level": record.levelname.lower(),
        "channel": channel,
        "event": record.getMessage(),
    }


def _console(stream: TextIO, level: int) -> logging.Handler:
    output = logging.StreamHandler(stream)
    output.setLevel(level)
    output.setFormatter(_Readable(detailed=level <= logging.DEBUG))
    # An error that ends the command is shown by main() itself, in full.
    output.addFilter(lambda record: not getattr(record, "shown_by_main", False))
    if level > logging.DEBUG:
        output.addFilter(_StormFilter())
    return output


class _StormFilter(logging.Filter):
    """Lets an event through its first three times, then at the 10th, the 100th and so on.

    The files hold every record; this only keeps a storm from burying what else is shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        fields = _fields(record)
        kind = f"{record.name} {fields['event']} {fields.get('code', '')}"
        self._seen[kind] += 1
        count = self._seen[kind]
        if count <= STORM_SHOWN:
            return True
        if count != 10 ** (len(str(count)) - 1):
            return False
        shown = copy.copy(record)
        shown.msg = {**fields, "so_far": count}
        return shown


def _channel_output(
    settings: LogSettings, folder: Path, channel: Channel, console: logging.Handler
) -> logging.Handler:
    output = _ChannelFile(
        channel_file(folder, channel),
        maxBytes=settings.max_megabytes * 1_000_000,
        backupCount=settings.keep_files,
        encoding="utf-8",
        chmod=0o600,
    )
    output.console = console
    output.setFormatter(_JsonLines())
    output.addFilter(logging.Filter(f"{_ROOT}.{channel}"))
    return output


class _ChannelFile(ConcurrentRotatingFileHandler):
    """A rotating file that several processes may share; the first failed write is told once."""

    console: logging.Handler
    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own
        if self.failed:
            return
        self.failed = True
        fields = _fields(record) | {
            "at": iso_from_ns(round(record.created * 1e9)),
            "level": "error",
            "event": "log_file_unwritable",
            "file": self.baseFilename,
            "reason": str(sys.exc_info()[1]),
        }
        self.console.handle(
            logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR, "msg": fields})
        )


def _make_folder(folder: Path) -> None:
    try:
        # Only the last folder of a chain gets the mode, so the home is made first.
        for one in (folder.parent, folder):
            one.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else HomeNotWritableError
        raise kind(
            f"the log folder {folder} cannot be written",
            why=str(error),
            next_step="Choose a writable folder with --home or ALCHEMISER_HOME.",
            context={"folder": str(folder)},
        ) from error


def _configure_structlog(clock: Clock) -> None:
    def stamp(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {"at": iso_from_ns(clock.now_ns()), **event}

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            _add_channel,
            structlog.processors.format_exc_info,
            _redact,
            stamp,
            _to_record,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _add_channel(
    logger: logging.Logger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["channel"] = logger.name.removeprefix(f"{_ROOT}.")
    return event


def _to_record(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[dict[str, Any]], dict[str, Any]]:
    shown_by_main = bool(event.pop("shown_by_main", False))
    return (dict(event),), {"extra": {"shown_by_main": shown_by_main}}


def _redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        event[name] = _safe(name, value)
    return event


def _safe(name: str, value: Any) -> Any:
    """Return ``value`` with whatever looks like a secret masked, however deep it lies."""
    if isinstance(value, SecretStr) or (_SECRET_NAME.search(name) and value is not None):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if "://" in value else value
    if isinstance(value, dict):
        return {key: _safe(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_safe("", inner) for inner in value]
    return value
