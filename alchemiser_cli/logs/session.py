"""One log session: records of every channel through one queue to their outputs.

A call puts its record on a bounded queue and returns; one listener thread renders it
and writes it to standard error and to the JSON file of its channel. A full queue drops
the record and counts it, for logging must never hold up trading.
"""

import errno
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import TextIO

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import DiskFullError, HomeNotWritableError
from alchemiser_cli.logs.channels import CHANNELS, ROOT, get_logger
from alchemiser_cli.logs.outputs import channel_file, channel_output, console_output
from alchemiser_cli.settings import LogSettings

__all__ = ["log_session", "session_is_open"]

QUEUE_LENGTH = 10_000
FLUSH_TIMEOUT_S = 5.0


def session_is_open() -> bool:
    """Tell whether records go anywhere now."""
    return any(isinstance(one, _Entrance) for one in logging.getLogger(ROOT).handlers)


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
    entrance = _Entrance(records, clock, {"run_id": run_id, "command": command})
    console = console_output(stderr or sys.stderr, stderr_level)
    files = [channel_output(settings, folder, channel, console) for channel in CHANNELS]
    outputs = [console, *files]
    listener = _Listener(records, *outputs, respect_handler_level=True)
    root = logging.getLogger(ROOT)
    before = root.handlers, root.propagate, root.level
    root.handlers, root.propagate = [entrance], False
    root.setLevel(settings.level.upper())
    # What was decided must stand in the audit trail whatever else is left out.
    logging.getLogger(f"{ROOT}.audit").setLevel(logging.INFO)
    listener.start()
    try:
        get_logger("application", "logs").info(
            "log_channels", files={name: str(channel_file(folder, name)) for name in CHANNELS}
        )
        yield
    finally:
        flushed = listener.finish()
        if flushed and entrance.dropped:
            entrance.take = listener.handle  # the queue has no reader any more
            get_logger("application", "logs").warning(
                "log_records_dropped", dropped=entrance.dropped
            )
        root.handlers, root.propagate = before[:2]
        root.setLevel(before[2])
        for output in outputs if flushed else ():  # closing would wait for a write that hangs
            output.close()


class _Entrance(QueueHandler):
    """Stamps records and puts them on the queue; rendering is the listener's work."""

    def __init__(
        self, records: "queue.Queue[logging.LogRecord]", clock: Clock, run: dict[str, str]
    ) -> None:
        super().__init__(records)
        self.take: Callable[[logging.LogRecord], None] = records.put_nowait
        self._clock = clock
        self._run = run
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        if isinstance(record.msg, dict):
            # Here and not in contextvars, which threads do not inherit.
            record.msg = {"at": iso_from_ns(self._clock.now_ns()), **self._run, **record.msg}
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        self.take(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's own
        self.dropped += 1


class _Listener(QueueListener):
    """Writes what is queued to the end, unless an output hangs."""

    queue: "queue.Queue[logging.LogRecord | None]"
    _thread: threading.Thread

    def finish(self) -> bool:
        """Return True when all is written, False when nothing was for ``FLUSH_TIMEOUT_S``."""
        try:
            self.queue.put(None, timeout=FLUSH_TIMEOUT_S)
        except queue.Full:
            return False
        while self._thread.is_alive():
            left = self.queue.qsize()
            self._thread.join(FLUSH_TIMEOUT_S)
            if self._thread.is_alive() and self.queue.qsize() == left:
                return False
        return True


def _make_folder(folder: Path) -> None:
    try:
        # Only the last folder of a chain gets the mode, so the home is made first.
        for one in (folder.parent, folder):
            one.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else HomeNotWritableError
        raise kind(
            f"the log folder {folder} cannot be written",
            why=str(error),
            next_step="Choose a writable folder with --home or ALCHEMISER_HOME.",
            context={"folder": str(folder)},
        ) from error
