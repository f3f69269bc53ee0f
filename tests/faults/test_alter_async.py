"""A fault point that is passed in a coroutine: other tasks run while it waits."""

import asyncio

import pytest

from alchemiser_cli.faults import Armed, Fault, FaultKind, disarm_all, fault_point

POINT = fault_point("feed.receive")


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


def arm(kind, **more):
    POINT.arm(Armed(Fault(kind=kind, **more), 30, target=POINT.name))


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        (FaultKind.DROP, []),
        (FaultKind.DUPLICATE, [b"one", b"one"]),
        (FaultKind.CORRUPT, [b"spoiled"]),
        (FaultKind.DELAY, [b"one"]),
    ],
)
async def test_an_item_is_dropped_doubled_spoiled_or_late(kind, left):
    arm(kind)
    assert await POINT.alter_async(b"one", lambda _item, _armed: b"spoiled") == left


async def test_without_a_fault_an_item_passes():
    assert await POINT.alter_async(b"one") == [b"one"]


async def test_what_hangs_lets_others_run_and_goes_on_at_the_end():
    arm(FaultKind.HANG)
    hanging = asyncio.create_task(POINT.alter_async(b"one"))
    await asyncio.sleep(0)
    assert not hanging.done()
    POINT.disarm()
    async with asyncio.timeout(5):
        assert await hanging == [b"one"]
