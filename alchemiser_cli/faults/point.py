"""A named place in the code where a fault may strike; nearly free while there is none."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import TypeVar

from alchemiser_cli.faults.armed import Armed
from alchemiser_cli.faults.fault import FaultKind, denial
from alchemiser_cli.faults.target import FaultTarget

__all__ = ["FaultPoint"]

T = TypeVar("T")


class FaultPoint:
    """One place. The code that owns it asks ``if POINT.armed is not None`` and only then calls it.

    That question is all that a place costs while no fault is armed. ``listener`` is told of each
    change of a condition: the fault that is now in force, or None.
    """

    __slots__ = ("_changing", "armed", "listener", "target")

    def __init__(self, target: FaultTarget) -> None:
        """Begin without a fault."""
        self.target = target
        self.armed: Armed | None = None
        self.listener: Callable[[Armed | None], None] | None = None
        self._changing = threading.Lock()

    @property
    def name(self) -> str:
        """Return the name of the target."""
        return self.target.name

    def arm(self, armed: Armed) -> None:
        """Put a fault in force, in the place of another."""
        with self._changing:
            before, self.armed = self.armed, armed
        if before is not None:
            before.end()
        if self.listener is not None:
            self.listener(armed)

    def disarm(self, only: Armed | None = None) -> None:
        """End the fault, if there is one: what hangs goes on, what was brought about is healed.

        With ``only``, a fault that took its place in the meantime stays.
        """
        with self._changing:
            armed = self.armed
            if armed is None or (only is not None and armed is not only):
                return
            self.armed = None
        armed.end()
        if self.listener is not None:
            self.listener(None)

    def listen(self, listener: Callable[[Armed | None], None] | None) -> None:
        """Let ``listener`` know of each change from now on, and of a fault that is in force."""
        self.listener = listener
        if listener is not None and (armed := self.armed) is not None:
            listener(armed)

    def strike(self) -> None:
        """Pass the place: raise, deny, wait, hang or die, as the fault in force says.

        Raises:
            AlchemiserError: the error that the fault names, marked as injected.
            Exception: what the system raises without the denied resource, marked as injected.
        """
        if (armed := self.drawn()) is not None:
            self._wait(armed)
            self._act(armed)

    async def strike_async(self) -> None:
        """Pass the place in a coroutine: waiting lets other tasks run. Raises as ``strike``."""
        if (armed := self.drawn()) is not None:
            await self._wait_async(armed)
            self._act(armed)

    def alter(self, data: bytes) -> bytes | None:
        """Pass the place with one message: return it, spoiled, or None where it is dropped.

        Raises:
            AlchemiserError: as ``strike``.
        """
        if (armed := self.drawn()) is None:
            return data
        self._wait(armed)
        self._act(armed)
        if armed.fault.kind is FaultKind.DROP:
            return None
        return armed.spoiled(data) if armed.fault.kind is FaultKind.CORRUPT else data

    def alter_all(
        self, items: Iterable[T], spoil: Callable[[T, Armed], T] | None = None
    ) -> list[T]:
        """Pass the place with many: each may be dropped, come twice, or be spoiled by ``spoil``.

        Raises:
            AlchemiserError: as ``strike``, at the first item that is struck so.
        """
        passed: list[T] = []
        for item in items:
            if (armed := self.drawn()) is None:
                passed.append(item)
                continue
            self._wait(armed)
            self._act(armed)
            passed += _altered(item, armed, spoil)
        return passed

    async def alter_async(self, item: T, spoil: Callable[[T, Armed], T] | None = None) -> list[T]:
        """Pass the place in a coroutine with one item: what is left of it, as ``alter_all``."""
        if (armed := self.drawn()) is None:
            return [item]
        await self._wait_async(armed)
        self._act(armed)
        return _altered(item, armed, spoil)

    def drawn(self, *kinds: FaultKind) -> Armed | None:
        """Take one chance, and return the fault that struck, for a place that acts by itself.

        With ``kinds``, only such a fault is given a chance.
        """
        armed = self.armed
        if armed is None or (kinds and armed.fault.kind not in kinds):
            return None
        if armed.draw():
            return armed
        if armed.is_over:
            self.disarm(armed)
        return None

    def offset_ns(self) -> int:
        """Return by how many nanoseconds the clock is wrong now."""
        armed = self.armed
        if armed is None or armed.fault.kind is not FaultKind.SKEW or not armed.in_force():
            return 0
        if not armed.strikes.count:
            armed.note()
        return round(armed.fault.amount * 1e9)

    def random(self) -> Random:
        """Return a generator for what else is drawn here, repeatable by the fault's seed."""
        seed = 0 if self.armed is None else self.armed.fault.seed
        return Random(f"{seed}:{self.name}:data")  # noqa: S311  repeatable, keeps no secret

    def _wait_s(self, armed: Armed) -> float:
        if armed.fault.kind is FaultKind.DELAY:
            return min(armed.fault.amount, armed.remaining_s)
        return armed.remaining_s if armed.fault.kind is FaultKind.HANG else 0.0

    def _wait(self, armed: Armed) -> None:
        if (wait_s := self._wait_s(armed)) > 0:
            armed.ended.wait(wait_s)

    async def _wait_async(self, armed: Armed) -> None:
        import asyncio

        end = time.monotonic() + self._wait_s(armed)
        while not armed.is_over and (left := end - time.monotonic()) > 0:  # noqa: ASYNC110  threads end it
            await asyncio.sleep(min(left, 0.05))

    def _act(self, armed: Armed) -> None:
        kind = armed.fault.kind
        if kind is FaultKind.RAISE:
            raise self._error(armed)
        if kind is FaultKind.DENY:
            raise denial(armed.fault.word)
        if kind is FaultKind.KILL:
            if armed.tell is not None:
                armed.tell(armed)
            os.kill(os.getpid(), signal.SIGKILL)

    def _error(self, armed: Armed) -> Exception:
        from alchemiser_cli.errors import InternalError, error_class

        kind = error_class(armed.fault.word) or InternalError
        error = kind(
            f"a fault struck at {self.name}",
            why=f"It is injected on purpose, by the lease {armed.lease or 'of this process'}.",
            next_step="See who asked for it with `alchemiser chaos status`; end it with "
            "`alchemiser chaos stop`.",
            context={"fault_point": self.name, "lease": armed.lease},
        )
        error.injected = True
        return error


def _altered(item: T, armed: Armed, spoil: Callable[[T, Armed], T] | None) -> list[T]:
    kind = armed.fault.kind
    if kind is FaultKind.DROP:
        return []
    if kind is FaultKind.DUPLICATE:
        return [item, item]
    return [spoil(item, armed)] if kind is FaultKind.CORRUPT and spoil is not None else [item]
