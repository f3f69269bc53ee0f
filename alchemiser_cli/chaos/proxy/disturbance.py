"""What a fault does to the data that passes a proxy."""

import asyncio
from random import Random

from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.faults import Armed, FaultKind, FaultPoint

__all__ = ["Disturbance", "ResetOnPurposeError"]

LOOK_EVERY_S = 0.02
JITTER = 0.2  # of the delay, to either side
PIECES_PER_S = 20  # of a throttled stream


class ResetOnPurposeError(ConnectionError):
    """A connection is to be reset now."""


class Disturbance:
    """The fault of one proxy, as its connections meet it; lives in the proxy's event loop.

    Each piece of data is a chance. A delay differs by up to a fifth, drawn by the fault's seed. A
    throttle holds for all connections together, for each direction.
    """

    def __init__(self, point: FaultPoint) -> None:
        """Mean the fault of ``point``."""
        self.point = point
        self._drawing: Armed | None = None
        self._random = Random(0)  # noqa: S311  keeps no secret
        self._free_at = {True: 0.0, False: 0.0}

    def limit(self, size: int) -> int:
        """Return how many bytes are to be read at once, at most ``size``."""
        armed = self.point.armed
        if armed is None or armed.fault.kind is not FaultKind.THROTTLE or not armed.in_force():
            return size
        return max(1, min(size, int(armed.fault.amount / PIECES_PER_S)))

    async def opening(self) -> None:
        """Hold a new connection back while the fault is to hang."""
        if (armed := self.point.drawn(FaultKind.HANG)) is not None:
            await _until_over(armed)

    async def passing(self, size: int, *, to_client: bool) -> bool:
        """Let ``size`` bytes wait for what the fault wants; tell whether this way is to end here.

        Raises:
            ResetOnPurposeError: the connection is to be reset.
        """
        armed = self.point.armed
        if armed is None:
            return False
        kind = armed.fault.kind
        if kind in (FaultKind.RESET, FaultKind.HALF_CLOSE) and not to_client:
            return False
        if kind is FaultKind.DOWN or self.point.drawn(kind) is not armed:
            return False
        if kind is FaultKind.RESET:
            raise ResetOnPurposeError
        if kind is FaultKind.DELAY:
            delay_s = armed.fault.amount * (1 + JITTER * self._drawn(armed))
            await _wait(armed, _now_s() + delay_s)
        elif kind is FaultKind.HANG:
            await _until_over(armed)
        elif kind is FaultKind.THROTTLE:
            begins = max(self._free_at[to_client], _now_s())
            self._free_at[to_client] = begins + size / armed.fault.amount
            await _wait(armed, self._free_at[to_client])
        return kind is FaultKind.HALF_CLOSE

    def _drawn(self, armed: Armed) -> float:
        """Return a number from -1 to 1, repeatable by the fault's seed."""
        if self._drawing is not armed:
            self._drawing, self._random = armed, self.point.random()
        return self._random.uniform(-1, 1)


def _now_s() -> float:
    return TrueClock().monotonic_ns() / NS_PER_SECOND


async def _wait(armed: Armed, until: float) -> None:
    """Wait for a time of the monotonic clock, but not beyond the fault."""
    while not armed.is_over and (left := until - _now_s()) > 0:  # noqa: ASYNC110  threads end it
        await asyncio.sleep(min(left, LOOK_EVERY_S))


async def _until_over(armed: Armed) -> None:
    while armed.in_force():  # noqa: ASYNC110  threads end it
        await asyncio.sleep(LOOK_EVERY_S)
