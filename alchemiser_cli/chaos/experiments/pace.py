"""How an experiment waits: until a time, a signal, or a safeguard, whichever comes first."""

import threading
from collections.abc import Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock

__all__ = ["HaltedError", "Pace"]

_LOOK_S = 0.05


class HaltedError(Exception):
    """The experiment is to end before its time; never leaves the engine."""


class Pace:
    """Waits that end early, by HaltedError, when somebody or something stops the experiment.

    ``stop`` tells whether a signal asked to end; ``abort`` is called by safeguards. After
    ``finish`` waits run to their end: rollbacks are not stopped.
    """

    def __init__(self, clock: Clock, stop: Callable[[], bool] = lambda: False) -> None:
        """Keep the clock, whose monotonic reading is what counts."""
        self._clock = clock
        self._stop = stop
        self._aborted = threading.Event()
        self._finishing = False
        self.reason = ""

    @property
    def is_aborted(self) -> bool:
        """Tell whether a safeguard stopped the experiment; ``reason`` says which."""
        return self._aborted.is_set()

    @property
    def is_interrupted(self) -> bool:
        """Tell whether a signal stopped it."""
        return self._stop()

    def abort(self, reason: str) -> None:
        """Stop the experiment; the first reason counts."""
        if not self._aborted.is_set():
            self.reason = reason
            self._aborted.set()

    def finish(self) -> None:
        """Let everything that is waited for from now on come to its end."""
        self._finishing = True

    def check(self) -> None:
        """Raise HaltedError where the experiment is to end."""
        if not self._finishing and (self._aborted.is_set() or self._stop()):
            raise HaltedError

    def wait(self, seconds: float) -> None:
        """Wait for ``seconds``; raises HaltedError where the experiment is to end before."""
        end_ns = self._clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
        self.check()
        while (left_ns := end_ns - self._clock.monotonic_ns()) > 0:
            self._clock.sleep(min(left_ns / NS_PER_SECOND, _LOOK_S))
            self.check()

    def wait_for(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until ``holds``, for at most ``seconds``; tell whether it does."""
        end_ns = self._clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
        while not holds():
            if self._clock.monotonic_ns() >= end_ns:
                return False
            self.wait(_LOOK_S)
        return True
