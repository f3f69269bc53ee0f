"""Lanes: in order for a key, many keys at once, bounded, and never longer than a callback may."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.streaming.lanes import Lanes, WorkItem
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.received import Received
from alchemiser_cli.streaming.results import Tally

CONCURRENCY = 4


class Bench:
    """Lanes over one partition, and a record of what was worked on."""

    def __init__(self, work=None, **changes):
        self.order = []
        self.running = self.most = 0
        self.lease = PartitionLease(("ticks", 0), 1)
        settings = {"concurrency": CONCURRENCY, "timeout_s": 5.0} | changes
        self.lanes = Lanes(work or self.note, Tally(), SystemClock(), **settings)
        self._offset = 0

    async def note(self, item, _turn):
        self.order.append((item.received.key, item.received.offset))

    def add(self, *keys):
        items = []
        for key in keys:
            received = Received("ticks", 0, self._offset, 0, key, b"")
            items.append(WorkItem(received, self.lease, 0))
            self._offset += 1
        self.lanes.add(items)

    async def finished(self, count=None):
        async with asyncio.timeout(10):
            while (  # noqa: ASYNC110  what is waited for happens in the lanes' own tasks
                self.lanes.under_way if count is None else len(self.order) < count
            ):
                await asyncio.sleep(0.001)  # allow no-bare-sleep: polls with the deadline above


@given(st.lists(st.sampled_from([b"A", b"B", b"C", None]), max_size=60), st.data())
def test_each_key_is_worked_off_in_order_whatever_suspends(keys, data):
    pauses = [data.draw(st.integers(0, 2)) for _ in keys]

    async def scenario():
        by_key = defaultdict(list)

        async def work(item, _turn):
            for _ in range(pauses[item.received.offset]):
                await asyncio.sleep(0)
            by_key[item.received.key].append(item.received.offset)

        bench = Bench(work)
        for start in range(0, len(keys), 7):
            bench.add(*keys[start : start + 7])
            await asyncio.sleep(0)
        await bench.finished()
        assert all(offsets == sorted(offsets) for offsets in by_key.values())
        assert sum(map(len, by_key.values())) == len(keys)
        assert bench.lease.position == (len(keys) or None)

    asyncio.run(scenario())


async def test_keys_run_at_once_but_never_more_than_allowed():
    running, most = 0, 0

    async def work(*_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)  # allow no-bare-sleep: the callback's own work
        running -= 1

    bench = Bench(work)
    bench.add(*(str(number).encode() for number in range(20)))
    await bench.finished()
    assert most == CONCURRENCY


async def test_a_key_that_hangs_holds_up_no_other_key_that_comes_later():
    async def work(item, turn):
        if item.received.key == b"slow":
            await asyncio.Event().wait()
        await bench.note(item, turn)

    bench = Bench(work)
    bench.add(b"slow")
    await asyncio.sleep(0)
    bench.add(b"fast")
    async with asyncio.timeout(0.5):  # well below the second at which the pump looks by itself
        await bench.finished(1)
    await bench.lanes.close(0)


async def test_what_work_raises_ends_everything_and_finishes_nothing_more():
    async def work(item, turn):
        if item.received.offset == 2:
            raise OSError("no room")
        await bench.note(item, turn)

    bench = Bench(work)
    bench.add(b"A", b"A", b"A", b"A")
    async with asyncio.timeout(5):
        while bench.lanes.failure is None:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.001)  # allow no-bare-sleep: polls with the deadline above
    assert [offset for _, offset in bench.order] == [0, 1]
    assert bench.lease.position == 2


async def test_settling_waits_for_what_runs_and_drops_what_waits():
    release = asyncio.Event()

    async def work(item, turn):
        await release.wait()
        await bench.note(item, turn)

    bench = Bench(work)
    bench.add(b"A", b"A", b"A")
    await asyncio.sleep(0)
    settling = asyncio.create_task(bench.lanes.settle([bench.lease]))
    await asyncio.sleep(0)
    assert not settling.done()
    release.set()
    async with asyncio.timeout(5):
        await settling
    assert len(bench.order) == 1
    assert bench.lease.position == 1
    await bench.finished()


async def test_closing_gives_what_runs_its_time_and_then_ends_it():
    ended = []
    running = asyncio.Barrier(3)

    async def work(*_):
        await running.wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    bench = Bench(work)
    bench.add(b"A", b"B", b"B")
    async with asyncio.timeout(5):
        await running.wait()
        await bench.lanes.close(0.05)
    assert ended == ["cancelled"] * 2
    assert bench.lease.position is None


async def test_nothing_is_taken_after_closing():
    bench = Bench()
    await bench.lanes.close(0)
    bench.add(b"A")
    assert (bench.lanes.under_way, bench.order) == (0, [])


@pytest.mark.parametrize("count", [0, 1, 2_000])
async def test_callbacks_that_never_suspend_need_one_task(count):
    bench = Bench()
    before = len(asyncio.all_tasks())
    bench.add(*(str(number % 50).encode() for number in range(count)))
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before + 2
    await bench.finished()
    assert len(bench.order) == count
