"""What alerting knows of trading: a kill switch that is set, and how much is at stake."""

import math

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.health.surroundings import Surroundings
from alchemiser_cli.pipeline.alerting import exposure_share, trading_alerts
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase
from alchemiser_cli.trading.book import AccountSnapshot
from alchemiser_cli.trading.book.snapshot import PositionRow
from alchemiser_cli.trading.control import DeskControl, DeskStatus


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def surroundings(tmp_path, clock):
    home, memory = tmp_path / "home", tmp_path / "shm"
    memory.mkdir()
    request = Request(None, home, (f"shm.directory={memory}",), {})
    database = StateDatabase(f"sqlite:///{home / 'state.db'}", clock)
    yield Surroundings(resolve(request), clock, database)
    database.close()


def status(equity, *market_values):
    positions = [
        PositionRow(
            strategy_id="s",
            symbol=f"S{number}",
            quantity=1,
            average_price=1.0,
            price=1.0,
            market_value=one,
            unrealised_pnl=0.0,
        )
        for number, one in enumerate(market_values)
    ]
    amounts = dict.fromkeys(
        ("cash", "initial_cash", "realised_pnl", "unrealised_pnl", "fees", "peak_equity"), 0.0
    )
    account = AccountSnapshot(
        broker="paper", at_ns=0, equity=equity, positions=positions, **amounts
    )
    counts = dict.fromkeys(
        (
            "pid",
            "started_ns",
            "at_ns",
            "ticks",
            "signals",
            "approved",
            "orders",
            "fills",
            "working",
        ),
        0,
    )
    words = dict.fromkeys(("run_id", "service", "trading_state", "audit_trail", "audit_head"), "")
    return DeskStatus(
        broker="paper",
        denied={},
        last_event_ns=None,
        account=account,
        limits=[],
        strategies=[],
        findings=[],
        **counts,
        **words,
    )


def test_where_nothing_trades_there_is_nothing_to_tell_and_nothing_at_stake(surroundings):
    assert trading_alerts(surroundings) == []
    assert exposure_share(surroundings.settings) == 0.0


def test_a_kill_switch_that_cannot_be_read_is_critical(surroundings):
    file = surroundings.settings.kill_switch_file
    file.parent.mkdir(parents=True)
    file.write_text("garbage")
    (alert,) = trading_alerts(surroundings)
    assert (alert.code, alert.severity, alert.kind) == (
        "kill-switch-unreadable",
        "critical",
        "trading",
    )


def test_exposure_is_the_sum_of_both_sides_over_the_equity(surroundings):
    settings = surroundings.settings
    with DeskControl(settings.run_folder, "paper") as control:
        control.tell(status(1_000.0, 300.0, -500.0))
        assert exposure_share(settings) == pytest.approx(0.8)
        control.tell(status(0.0, 1.0))
        assert math.isnan(exposure_share(settings))
    assert exposure_share(settings) == 0.0  # a desk that does not run has nothing to say
