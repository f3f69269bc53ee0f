"""Where records end up: standard error for people, one JSON file a channel for machines."""

import copy
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

import msgspec
from concurrent_log_handler import ConcurrentRotatingFileHandler

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.logs.channels import ROOT, Channel
from alchemiser_cli.logs.redaction import redacted
from alchemiser_cli.settings import LogSettings

__all__ = ["channel_file", "channel_output", "console_output"]

STORM_SHOWN = 3


def channel_file(folder: Path, channel: Channel) -> Path:
    """Return the file that a channel writes to."""
    return folder / f"{channel}.jsonl"


def console_output(stream: TextIO, level: int) -> logging.Handler:
    """Return the output for people: readable lines, and no storm of one event."""
    detailed = level <= logging.DEBUG
    output = _Console(stream, shown=None if detailed else STORM_SHOWN)
    output.setLevel(level)
    output.setFormatter(_Readable(detailed=detailed))
    # An error that ends the command is shown by main() itself, in full.
    output.addFilter(lambda record: not getattr(record, "shown_by_main", False))
    return output


def channel_output(
    settings: LogSettings, folder: Path, channel: Channel, console: logging.Handler
) -> logging.Handler:
    """Return the file of a channel, which several processes may share."""
    output = _ChannelFile(
        channel_file(folder, channel),
        maxBytes=settings.max_megabytes * 1_000_000,
        backupCount=settings.keep_files,
        encoding="utf-8",
        chmod=0o600,
    )
    output.console = console
    output.setFormatter(_JsonLines())
    output.addFilter(logging.Filter(f"{ROOT}.{channel}"))
    return output


class _Console(logging.StreamHandler[TextIO]):
    """Shows an event ``shown`` times, then at its 10th, its 100th and so on.

    The files hold every record; this only keeps a storm from burying what else is shown.
    """

    def __init__(self, stream: TextIO, shown: int | None) -> None:
        super().__init__(stream)
        self._shown = shown
        self._seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001  what escapes here would end the listener
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        fields = _fields(record)
        kind = f"{record.name} {_text(fields['event'])} {fields.get('code', '')}"
        self._seen[kind] += 1
        count = self._seen[kind]
        if self._shown is None or count <= self._shown:
            super().emit(record)
        elif count == 10 ** (len(str(count)) - 1):
            shown = copy.copy(record)
            shown.msg = {**fields, "so_far": count}
            super().emit(shown)


class _ChannelFile(ConcurrentRotatingFileHandler):
    """A rotating file that several processes may share; the first failed write is told once."""

    console: logging.Handler
    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own
        if self.failed:
            return
        self.failed = True
        fields = {
            "at": iso_from_ns(round(record.created * 1e9)),
            "level": "error",
            "event": "log_file_unwritable",
            "file": self.baseFilename,
            "reason": str(sys.exc_info()[1]),
        }
        self.console.handle(
            logging.makeLogRecord({"name": record.name, "levelno": logging.ERROR, "msg": fields})
        )

    def close(self) -> None:
        try:
            super().close()
        except OSError:  # what a full disk did not take; the stream is closed all the same
            super().close()  # and now its lock is too


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder(enc_hook=_text)

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        try:
            return self._encoder.encode(fields).decode()
        except Exception:  # noqa: BLE001  whatever has no form in JSON is written as text
            shown = {_text(name): _text(value) for name, value in fields.items()}
            return self._encoder.encode(shown).decode()


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
        level, event = fields.pop("level"), _text(fields.pop("event"))
        for name in ("channel", "run_id", "command"):
            fields.pop(name, None)
        pairs = " ".join(f"{name}={_text(value)}" for name, value in fields.items())
        return f"{at} {level:<8} {event}  {pairs}".rstrip()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the event dictionary of a record that came through structlog."""
    fields: dict[str, Any] = {
        "at": iso_from_ns(round(record.created * 1e9)),
        "level": record.levelname.lower(),
        "channel": record.name.removeprefix(f"{ROOT}."),
    }
    if isinstance(record.msg, dict):
        return {**fields, "event": "", **record.msg}
    try:
        return {**fields, "event": record.getMessage()}
    except Exception:  # noqa: BLE001  arguments that do not fit; the record counts all the same
        return {**fields, "event": _text(record.msg)}


def _text(value: Any) -> str:
    """Return ``value`` as text; one that cannot be shown must not cost its record."""
    try:
        # An object's own text may hold a secret too: that of an exception, for example.
        text = str(redacted("", str(value)))
    except Exception as error:  # noqa: BLE001  whatever a foreign __str__ raises
        return f"<{type(value).__name__} whose text raised {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()
