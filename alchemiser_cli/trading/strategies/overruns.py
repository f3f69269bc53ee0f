"""Ending a call that takes too long: one thread watches, and interrupts the thread that calls."""

import ctypes
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["OverranError", "Overrun", "OverrunGuard"]

LOOK_S = 0.05
NOTHING = 0


class Overrun(BaseException):
    """Raised inside a call that takes too long.

    It is no ``Exception``, so that the call's own ``except Exception`` does not take it.
    """


class OverranError(Exception):
    """A call took longer than it may, and was ended."""


class OverrunGuard:
    """Calls functions and ends those that take longer than ``timeout_s``.

    A call costs two stores: its number before it, and 0 after it. A daemon thread looks at that
    number every 50 ms; one that it finds again too often belongs to a call that overruns. Looks
    are counted instead of time, so that a machine that stands still for a while blames nobody.

    On the main thread the watcher then sends SIGURG, which ends a sleep too; its handler raises
    ``Overrun`` only while a frame of the called function runs, so that nothing of ours is ever
    interrupted, and raises it again where the function went on in spite of it. SIGURG does no harm
    where it arrives late: by default it is ignored. On another thread the interpreter is asked to
    raise it there (``PyThreadState_SetAsyncExc``), once, and a function that waits in C is ended
    only when it comes back. The guard is entered in the thread that calls.
    """

    def __init__(self, timeout_s: float, *, look_s: float = LOOK_S) -> None:
        """Prepare; calls are made also outside the block, and not watched there."""
        self._look_s = min(look_s, timeout_s / 4)
        self._most_looks = max(2, round(timeout_s / self._look_s))
        self._running = NOTHING  # the number of the call under way
        self._fired = NOTHING  # the call that the watcher has given up on
        self._calls = NOTHING
        self._settled = threading.Event()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._on_main = True
        self._thread_id = 0
        self._before: Any = None

    def __enter__(self) -> Self:
        """Begin to watch calls of this thread."""
        if self._watcher is not None:
            raise RuntimeError("the guard watches already")
        self._on_main = threading.current_thread() is threading.main_thread()
        self._thread_id = threading.get_ident()
        self._ended.clear()
        if self._on_main:
            self._before = signal.signal(signal.SIGURG, self._interrupt)
        self._watcher = threading.Thread(target=self._watch, name="overrun guard", daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching; whoever had the signal before has it again."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        if self._on_main:
            signal.signal(signal.SIGURG, self._before or signal.SIG_DFL)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what ``function`` does, or raise what it raises.

        Raises:
            OverranError: It took longer than it may, and was ended.
        """
        # Everything from the first store to the last one stands inside the outer try: there, and
        # nowhere else, an Overrun can come up.
        self._calls = number = self._calls + 1
        try:
            try:
                self._running = number
                return function(*arguments)
            finally:
                self._running = NOTHING
                if self._fired == number and not self._on_main:
                    self._absorb()
        except Overrun as overrun:
            interrupted = overrun.__context__
            if isinstance(interrupted, KeyboardInterrupt):
                raise interrupted from None
            raise OverranError("it took too long and was interrupted") from overrun

    def _watch(self) -> None:
        seen, looks = NOTHING, 0
        while not self._ended.wait(self._look_s):
            running = self._running
            if running == NOTHING or running != seen:
                seen, looks = running, 0
                continue
            looks += 1
            if looks >= self._most_looks:
                self._end(running)

    def _end(self, number: int) -> None:
        if self._on_main:
            self._fired = number
            signal.pthread_kill(self._thread_id, signal.SIGURG)
        elif self._fired != number:
            self._settled.clear()
            self._fired = number
            # The call may have ended meanwhile; then it sees that it was given up, and waits
            # until this is over before it takes back what was asked for.
            if self._running == number:
                _raise_in(self._thread_id, Overrun)
            self._settled.set()

    def _absorb(self) -> None:
        """Take back an Overrun that was asked for while the call ended by itself."""
        self._settled.wait()
        _raise_in(self._thread_id, None)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise in the called function; runs in the main thread, between two of its steps."""
        running = self._running
        if running == NOTHING or running != self._fired:
            if callable(self._before):
                self._before(number, frame)
            return
        own = OverrunGuard.call.__code__
        if frame is not None and frame.f_code is own:
            # Between the stores of `call`, or in a function that has no frame: once, for what
            # follows must not be interrupted.
            self._running = NOTHING
            raise Overrun
        while frame is not None:
            if frame.f_code is own and frame.f_locals.get("self") is self:
                raise Overrun
            frame = frame.f_back


def _raise_in(thread_id: int, kind: type[BaseException] | None) -> None:
    raised = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), raised)
