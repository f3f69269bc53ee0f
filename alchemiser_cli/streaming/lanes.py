"""Callbacks in order for each key, many keys at once, and never one longer than it may.

A worker takes a lane (the waiting messages of one key) and works it off. Another worker is
started only when lanes wait while all workers do, so callbacks that never suspend cost no task
and no switch of tasks.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.results import Tally

__all__ = ["Lanes", "Turn", "WorkItem"]

_BREATH = 256  # messages after which others on the loop get their turn
_LONGEST_LOOK_S = 1.0
_FAREWELL_S = 1.0  # how long a callback may take to be cancelled

LaneKey = tuple[int, bytes | None]


class WorkItem:
    """A message under way, with the lease that it came under and when it was taken."""

    __slots__ = ("lease", "received", "taken_ns")

    def __init__(self, received: Received, lease: PartitionLease, taken_ns: int) -> None:
        """Bind a message; ``taken_ns`` is monotonic."""
        self.received = received
        self.lease = lease
        self.taken_ns = taken_ns


class Turn:
    """One worker's present message; ``since_ns`` is None while no callback runs."""

    __slots__ = ("lease", "since_ns", "task", "timed_out")

    def __init__(self) -> None:
        """Begin without a message."""
        self.task: asyncio.Task[None] | None = None
        self.lease: PartitionLease | None = None
        self.since_ns: int | None = None
        self.timed_out = False


Work = Callable[[WorkItem, Turn], Awaitable[None]]
Thin = Callable[[deque[WorkItem]], list[WorkItem]]


class Lanes:
    """Works messages off, each by ``work``, on the event loop that ``add`` is called on.

    What ``work`` raises ends everything: it is kept as ``failure``, and its message and all that
    wait stay unfinished. ``thin``, where there is one, takes messages out of a lane that may be
    skipped, and returns them.
    """

    def __init__(
        self,
        work: Work,
        tally: Tally,
        clock: Clock,
        *,
        concurrency: int,
        timeout_s: float,
        thin: Thin | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare for messages; ``on_change`` is called when some are done, and on a failure."""
        self._work = work
        self._tally = tally
        self._clock = clock
        self._concurrency = concurrency
        self._timeout_ns = round(timeout_s * NS_PER_SECOND)
        self._look_s = min(timeout_s / 4, _LONGEST_LOOK_S)
        self._thin = thin
        self._on_change = on_change
        self._lanes: dict[LaneKey, deque[WorkItem]] = {}
        self._ready: deque[LaneKey] = deque()
        self._turns: set[Turn] = set()
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self._wake = asyncio.Event()
        self.received = 0
        self.done = 0  # finished or dropped; only ever grows
        self.dropped = 0  # given up with their partitions
        self.failure: BaseException | None = None

    @property
    def under_way(self) -> int:
        """Messages that wait or are worked on."""
        return self.received - self.done

    def add(self, items: list[WorkItem]) -> None:
        """Take messages, those of a partition in the order of their offsets."""
        self.received += len(items)
        if self._closed:
            self.done += len(items)
            return
        lanes, thin = self._lanes, self._thin
        longer: set[LaneKey] = set()
        for item in items:
            received = item.received
            item.lease.begin(received.offset)
            key = received.partition, received.key
            lane = lanes.get(key)
            if lane is None:
                lanes[key] = deque((item,))
                self._ready.append(key)
            else:
                lane.append(item)
                if thin is not None:
                    longer.add(key)
        if thin is not None:
            for key in longer:
                for skipped in thin(lanes[key]):
                    self._skip(skipped)
        if not self._ready:
            return
        self._wake.set()
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._run())

    async def settle(self, leases: list[PartitionLease]) -> None:
        """Drop what waits under ``leases`` and return when nothing of them is worked on."""
        for lease in leases:
            lease.held = False
        while tasks := [
            turn.task for turn in self._turns if turn.lease in leases and turn.task is not None
        ]:
            await asyncio.wait(tasks, timeout=0.01)

    async def close(self, deadline_s: float) -> None:
        """Take nothing more, drop what waits, and give what runs ``deadline_s`` to end."""
        self._closed = True
        for lane in self._lanes.values():
            self.done += len(lane)
            lane.clear()
        self._ready.clear()
        tasks = [turn.task for turn in self._turns if turn.task is not None]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=deadline_s)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:  # a callback that takes no notice is left behind
                await asyncio.wait(tasks, timeout=_FAREWELL_S)
            if self._pump is not None:
                self._pump.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._pump

    async def _run(self) -> None:
        """Start workers as long as lanes wait, and end callbacks that take too long."""
        loop = asyncio.get_running_loop()
        while self.failure is None:
            while self._ready and len(self._turns) < self._concurrency:
                turn = Turn()
                turn.task = loop.create_task(self._serve(turn))
                self._turns.add(turn)
                await asyncio.sleep(0)  # it works off all that does not suspend
            if not self._turns:
                break
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._wake.wait()
            self._end_overdue()
        self._pump = None
        self._on_change()

    async def _serve(self, turn: Turn) -> None:
        lanes, ready, work = self._lanes, self._ready, self._work
        breath = _BREATH
        try:
            while ready:
                key = ready.popleft()
                lane = lanes[key]
                while lane:
                    item = lane.popleft()
                    lease = item.lease
                    if lease.held:
                        turn.lease = lease
                        await work(item, turn)
                        offset = item.received.offset
                        lease.finish(offset, offset + 1)
                        turn.lease = None
                    else:
                        self.dropped += 1
                    self.done += 1
                    breath -= 1
                    if breath == 0:
                        breath = _BREATH
                        self._on_change()
                        await asyncio.sleep(0)
                del lanes[key]
        except Exception as error:  # noqa: BLE001  it is told to whoever runs the consumer
            self.failure = self.failure or error
            self._on_change()
        finally:
            turn.lease = None
            self._turns.discard(turn)
            self._wake.set()

    def _skip(self, item: WorkItem) -> None:
        offset = item.received.offset
        item.lease.finish(offset, offset + 1)
        self._tally.consumed += 1
        self._tally.conflated += 1
        self.done += 1

    def _end_overdue(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for turn in self._turns:
            since_ns = turn.since_ns
            if since_ns is not None and now_ns - since_ns > self._timeout_ns and turn.task:
                turn.timed_out = True
                turn.since_ns = None  # once
                turn.task.cancel()
