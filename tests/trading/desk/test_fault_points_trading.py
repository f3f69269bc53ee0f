"""Faults at the places that a trade passes: each word goes the way that the real failure goes."""

import errno
import signal
import subprocess
import sys
import time

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import AuditLostError, InternalError
from alchemiser_cli.faults import CATALOGUE, Armed, Fault, FaultKind, disarm_all, fault_point
from alchemiser_cli.trading.audit import read_trail, verify_trail
from alchemiser_cli.trading.signals import Origin

PLACES = ("trading.strategy", "trading.risk", "trading.broker.submit", "audit.append")
WHAT_IS_TESTED = {
    "trading.strategy": {"strategy-failed", "delay", "hang"},
    "trading.risk": {"internal-error", "delay", "kill"},
    "trading.broker.submit": {
        "order-rejected",
        "order-outcome-unknown",
        "service-unreachable",
        "rate-limited",
        "delay",
        "hang",
        "kill",
    },
    "audit.append": {"disk-full", "input-output", "delay", "kill"},
}
VICTIM = """
import sys
from contextlib import closing
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Armed, Fault, FaultKind, fault_point
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.measured_desk import MeasuredDesk
home, place = Path(sys.argv[1]), sys.argv[2]
home.mkdir()
clock = SystemClock()
with closing(KillSwitch(home, home / "kill_switch.json", clock, quiet=True)) as switch:
    with MeasuredDesk(Settings(home=home), switch, clock) as desk:
        desk.feed(40)
        fault_point(place).arm(Armed(Fault(kind=FaultKind.KILL), 60, target=place))
        desk.feed(40)
"""


@pytest.fixture(autouse=True)
def healed():
    yield
    disarm_all()


def arm(place, word, **more):
    point = fault_point(place)
    kind = point.target.kind_of(word)
    assert kind is not None
    said = "" if kind in (FaultKind.DELAY, FaultKind.HANG) else word
    armed = Armed(Fault(kind=kind, word=said, **more), 30, target=place)
    point.arm(armed)
    return armed


def test_every_word_of_these_places_is_tested_here():
    words = {target.name: set(target.words) for target in CATALOGUE if target.name in PLACES}
    assert words == WHAT_IS_TESTED


@pytest.mark.provokes("strategy-failed")
async def test_a_strategy_that_is_made_to_fail_is_told_as_injected_and_the_next_tick_is_seen(
    floor, tick, script
):
    async with floor.desk(script(s1=10)) as desk:
        arm("trading.strategy", "strategy-failed", count=1)
        await floor.feed(desk, tick(1), tick(2))
    assert [(one.code, one.injected) for one in floor.failures] == [("strategy-failed", True)]
    assert len(floor.records("SIGNAL")) == 1


async def test_a_strategy_that_fails_by_itself_while_another_fault_is_in_force_is_not_injected(
    floor, tick
):
    def broken(_tick, _account):
        raise ZeroDivisionError

    async with floor.desk(broken) as desk:
        arm("trading.strategy", "delay", amount=0.0, probability=0.0)
        await floor.feed(desk, tick(1))
    assert [one.injected for one in floor.failures] == [False]


async def test_a_delay_makes_a_strategy_late_and_no_more(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        armed = arm("trading.strategy", "delay", amount=0.05, count=1)
        begun = time.monotonic()
        await floor.feed(desk, tick(1))
        assert time.monotonic() - begun >= 0.05
    assert armed.strikes.count == 1
    assert len(floor.records("SIGNAL")) == 1
    assert floor.failures == []


@pytest.mark.provokes("strategy-failed")
async def test_a_strategy_that_is_made_to_hang_is_interrupted_and_told_as_injected(
    floor, tick, script
):
    async with floor.desk(script(s1=10), trading={"strategy_timeout_s": 0.2}) as desk:
        armed = arm("trading.strategy", "hang", count=1)
        await floor.feed(desk, tick(1), tick(2))
        assert not armed.is_over
    assert [one.injected for one in floor.failures] == [True]
    assert "took longer than" in floor.failures[0].why
    assert len(floor.records("SIGNAL")) == 1


@pytest.mark.provokes("internal-error")
async def test_a_judge_that_is_made_to_fail_stops_the_desk_before_any_order(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        arm("trading.risk", "internal-error", count=1)
        with pytest.raises(InternalError) as caught:
            await floor.feed(desk, tick(1))
    assert caught.value.injected
    assert floor.told() == ["SIGNAL"]
    async with floor.desk(script(s1=10)) as desk:  # the tick comes again
        await floor.feed(desk, tick(1))
    assert floor.told() == ["SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED"]


async def test_a_delay_of_the_judge_changes_no_decision(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        armed = arm("trading.risk", "delay", amount=0.02)
        await floor.feed(desk, tick(1))
    assert armed.strikes.count == 1
    assert "TRADE_APPROVED" in floor.told()


@pytest.mark.parametrize("word", ["order-rejected", "service-unreachable", "rate-limited"])
async def test_an_order_that_never_went_out_is_closed_with_the_code(floor, tick, script, word):
    async with floor.desk(script(s1=10)) as desk:
        arm("trading.broker.submit", word, count=1)
        await floor.feed(desk, tick(1))
        await desk.collect()
        assert desk.orders.working == desk.parts.gate.working == ()
    assert [one.reason for one in floor.records("ORDER_REJECTED")] == [word]
    assert floor.records("EXECUTED") == []


@pytest.mark.provokes("order-outcome-unknown")
async def test_an_order_whose_outcome_is_unknown_is_asked_for_and_not_sent_again(
    floor, tick, script, elsewhere
):
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        arm("trading.broker.submit", "order-outcome-unknown", count=1)
        await floor.feed(desk, tick(1))
        await desk.collect()
        assert desk.orders.working == ()
    assert elsewhere.submitted == []
    assert len(elsewhere.asked) == 1
    assert floor.records("ORDER_CLOSED")[0].reason == "never reached the broker"


@pytest.mark.parametrize("word", ["delay", "hang"])
async def test_an_order_that_is_held_up_goes_out_once(floor, tick, script, elsewhere, word):
    point = fault_point("trading.broker.submit")
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        fault = Fault(kind=FaultKind(word), amount=0.05)
        begun = time.monotonic()
        point.arm(armed := Armed(fault, 0.2, target=point.name))
        await floor.feed(desk, tick(1))
        assert time.monotonic() - begun >= (0.05 if word == "delay" else 0.2)
    assert armed.strikes.count == 1
    assert len(elsewhere.submitted) == 1


@pytest.mark.provokes("audit-lost")
@pytest.mark.parametrize(
    ("word", "number"), [("disk-full", errno.ENOSPC), ("input-output", errno.EIO)]
)
async def test_a_trail_that_cannot_be_written_halts_and_lets_no_order_out(
    floor, tick, script, elsewhere, word, number
):
    async with floor.desk(script(s1=10), broker=elsewhere) as desk:
        arm("audit.append", word)
        with pytest.raises(AuditLostError) as caught:
            await floor.feed(desk, tick(1))
        assert caught.value.injected
        assert f"Errno {number}" in caught.value.why
        disarm_all()
        with pytest.raises(AuditLostError) as again:  # what was lost stays lost
            await floor.feed(desk, tick(2))
        assert again.value.injected
    assert elsewhere.submitted == []
    assert floor.switch.active
    assert "audit trail is lost" in floor.switch.state().reason
    assert verify_trail(floor.trail).ok


async def test_a_slow_disk_costs_time_and_no_line(floor, tick, script):
    async with floor.desk(script(s1=10)) as desk:
        armed = arm("audit.append", "delay", amount=0.01)
        await floor.feed(desk, tick(1))
    assert armed.strikes.count >= 3
    assert floor.told() == ["SIGNAL", "TRADE_APPROVED", "ORDER_SUBMITTED"]


@pytest.mark.parametrize(
    ("place", "last"),
    [
        ("trading.risk", "SIGNAL"),
        ("trading.broker.submit", "ORDER_SUBMITTED"),
        ("audit.append", None),
    ],
)
def test_a_desk_that_is_killed_there_leaves_a_whole_trail(tmp_path, place, last):
    home = tmp_path / "home"
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, str(home), place],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    trail = home / "audit" / "measured"
    assert verify_trail(trail).ok
    events = [one.event for one in read_trail(trail)]
    assert events.count("ORDER_SUBMITTED") >= 3
    assert last in (None, events[-1])


@pytest.mark.provokes("market-data-stale")
@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0])
async def test_under_a_wrong_clock_no_order_goes_out_and_it_is_told_once(
    floor, tick, script, elsewhere, seconds
):
    """An hour ahead every price looks old; an hour back, a price of an hour ago would look new."""
    floor.clock = ManualClock(tick(1).event_time_ns)
    wanted = script(s1=1, s2=2, s3=3, s4=4, s5=5)
    async with floor.desk(wanted, broker=elsewhere) as desk:

        async def see(second):
            await desk.on_tick(tick(second), Origin("ticks", 0, second))
            floor.clock.advance(1.0)

        await see(1)
        floor.clock.jump(seconds)
        await see(2)
        await see(3)
        assert len(elsewhere.submitted) == 1
        assert [one.code for one in floor.failures] == ["market-data-stale"]
        floor.clock.jump(-seconds)
        await see(4)
        assert len(elsewhere.submitted) == 2
        floor.clock.jump(seconds)
        await see(5)
    assert len(floor.failures) == 2
    assert not floor.failures[0].injected
    words = "ahead of our clock" if seconds < 0 else "old"
    assert words in floor.failures[0].what
