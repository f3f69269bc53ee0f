"""Faults on the way of a frame: the feed mends them as it mends what a venue does to it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alchemiser_cli.errors import FeedReconnectsExhaustedError
from alchemiser_cli.faults import Armed, Fault, FaultKind, disarm_all, fault_point

PLACE = "feed.receive"
WHAT_IS_TESTED = {"websocket-lost", "delay", "hang", "corrupt", "drop", "duplicate", "kill"}
VICTIM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from alchemiser_binance_feed import BinanceVenue
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.market.feeds import FeedClient
from alchemiser_cli.settings import FeedSettings
from alchemiser_cli.testing.exchange import running_exchange
async def receive(settings, exchange):
    fault_point("feed.receive").arm(Armed(Fault(kind=FaultKind.KILL), 60, target="feed.receive"))
    client = FeedClient("spot", BinanceVenue(), settings, SystemClock())
    async with asyncio.timeout(30), client as feed:
        exchange.keep_trading()
        await feed.take()
        print("received")
with running_exchange() as exchange:
    settings = FeedSettings(url=exchange.url, rest_url=exchange.rest_url, symbols=("BTCUSDT",))
    asyncio.run(receive(settings, exchange))
"""


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


def arm(word, *, lasts_s=30.0, **more):
    point = fault_point(PLACE)
    kind = point.target.kind_of(word)
    assert kind is not None
    said = word if kind is FaultKind.RAISE else ""
    armed = Armed(Fault(kind=kind, word=said, **more), lasts_s, target=PLACE)
    point.arm(armed)
    return armed


def test_every_word_of_this_place_is_tested_here():
    assert set(fault_point(PLACE).target.words) == WHAT_IS_TESTED


@pytest.mark.provokes("websocket-lost")
async def test_a_connection_that_is_made_to_break_is_renewed_and_told_as_injected(desk, exchange):
    async with desk() as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        arm("websocket-lost", count=1)
        exchange.trade()
        await one.until(lambda: one.client.counts.connections == 2)
        exchange.trade(count=2)
        await one.until(lambda: len(one.trades) == 4)
        assert one.trades == [1, 2, 3, 4]
        assert [(error.code, error.injected) for error in one.errors] == [("websocket-lost", True)]


@pytest.mark.provokes("feed-reconnects-exhausted")
async def test_a_feed_that_gives_up_for_a_fault_says_so(desk, exchange):
    arm("websocket-lost")
    exchange.keep_trading()
    async with desk(max_attempts=2, subscribed=False) as one:
        with pytest.raises(FeedReconnectsExhaustedError) as given_up:
            await one.until(lambda: False)
    assert given_up.value.injected


@pytest.mark.parametrize("word", ["delay", "hang"])
async def test_a_frame_that_waits_comes_when_the_fault_ends(word, desk, exchange):
    async with desk() as one:
        armed = arm(word, lasts_s=0.5, amount=0.2, count=1)
        exchange.trade(count=3)
        await one.until(lambda: len(one.trades) == 3)
        assert one.trades == [1, 2, 3]
        assert (armed.strikes.count, one.errors) == (1, [])


@pytest.mark.provokes("feed-silent")
async def test_a_feed_that_hangs_for_long_connects_again_and_calls_it_injected(desk, exchange):
    async with desk(silence_s=0.5) as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        arm("hang", lasts_s=1.5)
        exchange.keep_trading(every_s=0.05)
        await one.until(lambda: one.client.counts.connections > 1 and len(one.trades) > 20)
        assert one.trades == list(range(1, len(one.trades) + 1))
        assert {(error.code, error.injected) for error in one.errors} == {("feed-silent", True)}


@pytest.mark.provokes("feed-message-invalid")
async def test_a_spoiled_frame_is_refused_as_injected_and_garbage_of_the_venue_is_not(
    desk, exchange
):
    async with desk() as one:
        exchange.send("{")
        await one.until(lambda: one.client.counts.invalid == 1)
        armed = arm("corrupt")
        exchange.keep_trading(every_s=0.05)
        await one.until(lambda: len(one.errors) == 2)
        assert armed.strikes.count >= 1
        codes = [(error.code, error.injected) for error in one.errors]
        assert codes == [("feed-message-invalid", False), ("feed-message-invalid", True)]


@pytest.mark.parametrize(("word", "missing", "duplicates"), [("drop", 1, 0), ("duplicate", 0, 1)])
async def test_a_frame_that_is_dropped_is_missed_and_one_that_comes_twice_is_delivered_once(
    word, missing, duplicates, desk, exchange
):
    async with desk() as one:
        exchange.trade()
        await one.until(lambda: one.trades == [1])
        arm(word, count=1)
        exchange.trade(count=2)
        await one.until(lambda: one.trades[-1] == 3)
        assert one.trades == ([1, 3] if missing else [1, 2, 3])
        counts = one.client.counts
        assert (counts.missing, counts.duplicates) == (missing, duplicates)


@pytest.mark.slow
def test_a_process_that_receives_is_killed():
    plugin = Path(__file__).parents[3] / "plugins" / "binance_feed"
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, str(plugin)],
        check=False,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert (victim.returncode, victim.stdout) == (-signal.SIGKILL, ""), victim.stderr
