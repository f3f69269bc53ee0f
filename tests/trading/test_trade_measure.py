"""What ``bench trade`` measures: a chain that really decides, and its parts."""

import itertools
from contextlib import closing

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.measure import decision_times, measure_chain
from alchemiser_cli.trading.measured_desk import MeasuredDesk


def test_every_fifth_tick_leads_to_an_approved_decision_on_record(tmp_path):
    with (
        closing(KillSwitch(tmp_path, tmp_path / "kill_switch.json", SystemClock())) as switch,
        MeasuredDesk(Settings(home=tmp_path), switch, SystemClock()) as desk,
    ):
        desk.feed(20)
        passed, quiet = desk.feed(50)
    assert len(passed) == 10
    assert all(spent > 0 for spent in itertools.chain(passed, quiet))
    assert len(quiet) < 50 - len(passed)  # the tick that fills an order is none of them


def test_the_chain_and_its_parts_are_measured(tmp_path):
    speed = measure_chain(SystemClock(), folder=tmp_path / "scratch", rounds=1)
    assert speed.signals == 200
    assert speed.validated_p99_us >= speed.validated_us > speed.tick_us > 0
    assert speed.validated_us > speed.decision_us > speed.switch_us > 0
    assert speed.append_us > speed.write_us > 0


def test_decisions_are_timed_with_as_many_positions_as_asked(tmp_path):
    with closing(KillSwitch(tmp_path, tmp_path / "kill_switch.json", SystemClock())) as switch:
        times = decision_times(SystemClock(), switch, held=3, decisions=5)
    assert len(times.spent_ns) == 5
    assert times.last.approved
    reading = next(one for one in times.last.limits if one.name == "positions")
    assert reading.value == 3
