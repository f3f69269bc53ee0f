"""The shipped streaming experiments pass: what is broken is seen, waited out, and loses nothing."""

import pytest
from streaming_experiments import shortened

from alchemiser_cli.chaos.experiments.conducting import Conductor
from alchemiser_cli.chaos.workloads.pieces import PieceAccount
from alchemiser_cli.chaos.workloads.workload import Work
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings.resolve import Request, resolve
from alchemiser_cli.state import StateDatabase


@pytest.fixture
def conduct(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    resolved = resolve(Request(home=home))
    database = StateDatabase.of(resolved.settings, SystemClock())
    yield Conductor(resolved, database, "tester", lambda: None).conduct
    database.close()


def told(journal):
    """Return what failed of a verdict, for the message of a test that fails."""
    asked = [
        *journal.verdict.findings,
        *(one for f in journal.verdict.faults for one in f.findings),
    ]
    return [one for one in asked if not one.passed], journal.troubles


SHORT = {
    "poison-messages": {"seconds": 2},
    "registry-outage": {"seconds": 2.5},
    "broker-outage": {"seconds": 4, "settings": {"kafka.request_timeout_s": 1.5}},
    "slow-handler": {"seconds": 3.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_shipped_streaming_experiment_passes(name, conduct):
    journal = conduct(shortened(name, **SHORT[name]))
    assert journal.passed, told(journal)
    assert all(fault.strikes for fault in journal.verdict.faults)


def test_a_piece_that_is_done_twice_or_missing_at_the_end_is_counted_once_each():
    account = PieceAccount()
    for piece in range(5):
        account.offered(piece)
    for piece in (0, 1, 1):
        account.done(piece)
    account.set_aside(2)
    assert account.work() == Work(offered=5, done=2, twice=1, set_aside=1, lost=0)
    assert account.open == 2
    account.close()
    assert account.work().lost == 2


def test_a_piece_that_comes_again_is_known():
    account = PieceAccount()
    account.offered(1)
    assert not account.came_before(1)
    account.done(1)
    assert account.came_before(1)
    assert (account.again, account.work().twice) == (1, 0)
