"""The shipped experiments of trading, alerts and the journal pass, and count what they say."""

import pytest
from trading_experiments import SHORTER, conduct, wrong

from alchemiser_cli.chaos.laboratory import ScratchLaboratory
from alchemiser_cli.chaos.workloads.exchange import Exchange
from alchemiser_cli.chaos.workloads.trading import TradingWorkload
from alchemiser_cli.clock import NS_PER_SECOND, ManualClock


@pytest.mark.parametrize("name", sorted(SHORTER))
def test_the_experiment_passes(tmp_path, name):
    journal = conduct(name, tmp_path)
    assert wrong(journal) == []
    assert journal.passed
    assert all(fault.strikes for fault in journal.verdict.faults)


def test_the_exchange_has_the_right_time_and_keeps_its_ticks():
    clock = ManualClock(5 * NS_PER_SECOND)
    exchange = Exchange(10.0, clock)
    clock.advance(0.95)
    clock.jump(3_600)
    assert exchange.due == 9
    assert exchange.now_ns == round(5.95 * NS_PER_SECOND)
    assert exchange.tick(9) == exchange.tick(9)
    assert exchange.tick(9).event_time_ns == round(5.9 * NS_PER_SECOND)
    exchange.close()
    clock.advance(1.0)
    assert exchange.due == 9


def test_an_operator_can_halt_and_resume_and_nothing_else(tmp_path):
    with (
        ScratchLaboratory({"paper.market_hours": False}) as laboratory,
        pytest.raises(ValueError, match="cannot 'sell' here"),
    ):
        TradingWorkload(laboratory).offer("sell")
