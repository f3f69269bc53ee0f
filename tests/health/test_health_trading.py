"""What health says of trading: the kill switch, the stages of each broker, the day's losses."""

import fcntl
import os

import msgspec
import pytest

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.health.feeds import feeds
from alchemiser_cli.health.status import health_status
from alchemiser_cli.health.trading import kill_switch
from alchemiser_cli.telemetry import SILENT
from alchemiser_cli.trading.activity import STAGES, StageActivity
from alchemiser_cli.trading.activity_store import ActivityStore
from alchemiser_cli.trading.control import DeskStatus
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.kill_switch.flag import flag_file

READABLE = "kill switch can be read"
CLEAR = "kill switch is not set"
STAGES_WORK = "stages of trading do their work"
LOSSES = "losses of the day are within their limits"
A_STRATEGY = "strategies.momentum.broker=paper"


@pytest.fixture
def look(surroundings):
    def look(*assignments):
        status = health_status(surroundings(*assignments))
        return {check.name: check for check in status.checks}

    return look


@pytest.fixture
def switch(home, segments_folder, clock):
    switch = KillSwitch(segments_folder, home / "run" / "kill_switch.json", clock)
    yield switch
    switch.close()


@pytest.fixture
def trading(database, clock):
    """The stages of a desk that has just begun, as its process writes them."""
    activity = StageActivity(SILENT, "paper", clock)
    store = ActivityStore(database)

    def write(*, running=True):
        store.write(activity.now(running=running))
        return activity

    return write


@pytest.fixture
def desk(home):
    """A desk that runs, and what it says of itself."""
    folder = home / "run" / "trading"
    folder.mkdir(parents=True)
    held = []

    def write(*limits, running=True):
        status = DeskStatus(
            broker="paper",
            run_id="r",
            pid=os.getpid(),
            started_ns=0,
            at_ns=0,
            service="desk",
            trading_state="active",
            ticks=0,
            signals=0,
            approved=0,
            denied={},
            orders=0,
            fills=0,
            working=0,
            last_event_ns=None,
            account=None,
            limits=list(limits),
            strategies=[],
            findings=[],
            audit_trail="paper",
            audit_head="",
        )
        (folder / "paper.json").write_bytes(msgspec.json.encode(status))
        lock = os.open(folder / "paper.lock", os.O_RDWR | os.O_CREAT)
        held.append(lock)
        if running:
            fcntl.flock(lock, fcntl.LOCK_EX)

    yield write
    for lock in held:
        os.close(lock)


def test_a_home_in_which_nothing_traded_has_nothing_to_check(look, home, segments_folder):
    found = look()
    for name in (READABLE, CLEAR, STAGES_WORK, LOSSES):
        assert found[name].result == "skipped"
    assert not list(segments_folder.iterdir())
    assert not (home / "run" / "kill_switch.json").exists()


def test_a_switch_that_is_not_set_is_fine(look, switch):
    assert not switch.active
    found = look()
    assert (found[READABLE].result, found[CLEAR].result) == ("success", "success")


@pytest.mark.provokes("kill-switch-active")
def test_a_switch_that_is_set_degrades_and_says_who_set_it_and_why(look, switch, clock):
    switch.set("the feed is mad", "ana")
    clock.advance(180)
    found = look()[CLEAR]
    assert (found.result, found.code) == ("warning", "kill-switch-active")
    assert "ana set it 3 min ago: the feed is mad." in found.detail


def test_a_switch_whose_flag_a_reboot_took_is_what_its_file_says(
    surroundings, switch, home, segments_folder
):
    switch.set("stop", "ana")
    flag_file(segments_folder, home / "run" / "kill_switch.json").unlink()
    settings = surroundings().settings
    assert kill_switch(settings).active
    assert not list(segments_folder.iterdir())


@pytest.mark.provokes("kill-switch-unreadable")
def test_a_switch_that_cannot_be_read_is_critical(look, switch, home):
    (home / "run" / "kill_switch.json").write_text("{")
    found = look()
    assert (found[READABLE].result, found[READABLE].code) == ("error", "kill-switch-unreadable")
    assert found[CLEAR].result == "skipped"


@pytest.mark.provokes("kill-switch-unreadable")
def test_a_flag_of_another_size_is_unreadable_and_counts_as_set(
    look, surroundings, switch, home, segments_folder
):
    flag_file(segments_folder, home / "run" / "kill_switch.json").write_bytes(b"RUN")
    assert look()[READABLE].result == "error"
    assert kill_switch(surroundings().settings).active


def test_stages_that_work_are_counted_and_are_no_feeds(look, trading, database, surroundings):
    trading()
    found = look(A_STRATEGY)[STAGES_WORK]
    assert (found.result, found.detail) == ("success", "5 of 5 active")
    assert feeds(database, surroundings().settings, 0) == []


@pytest.mark.provokes("market-data-stale")
def test_a_mute_market_is_named_once(look, trading, clock):
    trading()
    clock.advance(600)
    found = look(A_STRATEGY)[STAGES_WORK]
    assert (found.result, found.code) == ("warning", "market-data-stale")
    assert found.detail.startswith("paper market_data silent: paper market_data: silent for 10 min")


@pytest.mark.provokes("stage-silent")
def test_a_gate_that_hangs_is_named_with_its_runbook(look, trading, clock):
    activity = trading()
    for stage in STAGES[:2]:
        activity.seen(stage, clock.now_ns() + 10 * NS_PER_SECOND)
    activity.gave("signals", clock.now_ns() + 10 * NS_PER_SECOND)
    clock.advance(200)
    for stage in STAGES[:2]:
        activity.seen(stage, clock.now_ns())
    trading()
    found = look(A_STRATEGY)[STAGES_WORK]
    assert (found.result, found.code) == ("warning", "stage-silent")
    assert "signals gave it work 3 min ago" in found.detail


@pytest.mark.provokes("validation-failed")
def test_times_of_another_clock_are_called_that(look, trading, clock):
    activity = trading()
    activity.seen("risk", clock.now_ns() + 3_600 * NS_PER_SECOND)
    trading()
    found = look(A_STRATEGY)[STAGES_WORK]
    assert (found.result, found.code) == ("warning", "validation-failed")


def test_a_closed_market_and_a_broker_without_strategies_are_excuses(look, trading, clock):
    trading()
    clock.advance(600)
    assert look()[STAGES_WORK].detail.endswith("paper: no strategy trades through it")
    clock.advance(9 * 3_600)
    found = look(A_STRATEGY)[STAGES_WORK]
    assert found.result == "success"
    assert found.detail.endswith("paper: its market is closed")


def test_processes_that_ended_cleanly_or_long_ago_owe_nothing(look, trading, clock):
    trading(running=False)
    clock.advance(600)
    assert look(A_STRATEGY)[STAGES_WORK].result == "skipped"
    trading()
    clock.advance(30 * 3_600)
    assert look(A_STRATEGY)[STAGES_WORK].result == "skipped"


def test_a_running_desk_tells_its_losses_of_the_day(look, desk):
    desk(
        LimitReading("daily_loss_from_start", 0.012, 0.03, passed=True),
        LimitReading("leverage", 1.0, 2.0, passed=True),
    )
    found = look()[LOSSES]
    assert (found.result, found.detail) == ("success", "paper daily loss from start 1.20% of 3.00%")


@pytest.mark.provokes("kill-switch-active")
def test_a_loss_beyond_its_limit_degrades(look, desk):
    desk(LimitReading("daily_loss_from_peak", 0.06, 0.05, passed=False))
    assert look()[LOSSES].result == "warning"


def test_a_desk_that_ended_says_nothing_of_today(look, desk):
    desk(LimitReading("daily_loss_from_peak", 0.06, 0.05, passed=False), running=False)
    assert look()[LOSSES].result == "skipped"
