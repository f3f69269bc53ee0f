"""Beside the market a desk does what it is asked, and says about once a second how it is."""

from contextlib import contextmanager

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.trading.control import DeskControl, ask, desk_status
from alchemiser_cli.trading.desk import DeskKeeper
from alchemiser_cli.trading.strategies import LoadedStrategies


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def run(floor):
    return floor.home / "run"


@pytest.fixture
def keep(run, clock):
    @contextmanager
    def keep(desk, **more):
        with DeskControl(run, "paper") as control:
            loaded = LoadedStrategies({"paper": ()}, {}, {})
            yield DeskKeeper(desk, loaded, control, clock, **more)

    return keep


async def test_it_tells_its_status_once_a_second(floor, tick, script, keep, run, clock):
    async with floor.desk(script(s1=10)) as desk:
        with keep(desk, findings=lambda: ["no ticks"]) as keeper:
            await keeper.look()
            first, running = desk_status(run, "paper")
            assert (first.ticks, first.findings, running) == (0, ["no ticks"], True)
            await floor.feed(desk, *map(tick, range(4)))
            await keeper.look()
            assert desk_status(run, "paper")[0].ticks == 0
            clock.advance(1)
            await keeper.look()
            now, _ = desk_status(run, "paper")
    assert (now.ticks, now.signals, now.approved, now.orders, now.fills) == (4, 1, 1, 1, 1)
    assert now.account.positions[0].quantity == 10
    assert {one.name for one in now.limits} >= {"kill_switch", "leverage", "positions"}


async def test_a_request_to_flatten_is_done_and_answered(floor, tick, script, keep, run, clock):
    async with floor.desk(script(s1=10)) as desk:
        await floor.feed(desk, tick(1), tick(2))
        with keep(desk) as keeper:
            assert _ask(run, clock, "flatten") is None
            await keeper.look()
            (answer,) = desk_status(run, "paper")[0].handled.values()
            assert answer.startswith("positions being closed: 1")
            await keeper.look()
        assert len(floor.records("FLATTEN_REQUESTED")) == 1
        await floor.feed(desk, tick(3))
        assert desk.parts.book.positions() == {}


async def test_resume_makes_trading_active_again_with_its_reason_on_record(
    floor, script, keep, run, clock
):
    async with floor.desk(script()) as desk:
        desk.risk.change_state("reduce_only", "test")
        with keep(desk) as keeper:
            _ask(run, clock, "resume")
            await keeper.look()
        assert desk.parts.gate.trading_state == "active"
    assert floor.records("TRADING_STATE")[-1].reason == "ada: test"


async def test_holds_go_on_record_while_it_runs(floor, tick, script, keep):
    async with floor.desk(script()) as desk:
        await floor.feed(desk, tick(1))
        assert floor.records("HELD") == []
        with keep(desk) as keeper:
            await keeper.look()
        assert len(floor.records("HELD")) == 1


def _ask(run, clock, kind):
    return ask(run, "paper", kind, by="ada", reason="test", wait_s=0.0, clock=clock)
