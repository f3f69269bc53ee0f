"""SIGINT and SIGTERM as a request to stop, so that running work ends cleanly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from alchemiser_cli.exits import ExitCode

__all__ = ["StopRequest", "stop_on_signal"]


class StopRequest:
    """Set by the first signal; a second one interrupts at once."""

    def __init__(self) -> None:
        """Begin without a request."""
        self._event = threading.Event()

    def __call__(self) -> bool:
        """Tell whether a signal asked to stop."""
        return self._event.is_set()

    def wait(self) -> None:
        """Block until a signal asks to stop."""
        # Without a timeout, no handler would run on platforms that wait outside of Python.
        while not self._event.wait(1.0):
            pass

    def exit_if_requested(self) -> None:
        """End the command with 130, the code of an interrupted one, if a signal came."""
        if self():
            raise typer.Exit(ExitCode.INTERRUPTED)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self():
            raise KeyboardInterrupt
        self._event.set()


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request for the length of the block."""
    request = StopRequest()
    before = {
        number: signal.signal(number, request._receive)  # noqa: SLF001  a handler of ours
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
