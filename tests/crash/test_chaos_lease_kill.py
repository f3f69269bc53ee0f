"""Whoever injected a fault is killed: the fault is over within its lease, and nobody has to do it.

It is so, too, when the state database disappears meanwhile.
"""

import subprocess
import sys
import time

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.state import StateDatabase

LEASE_S = 2.0
LATE_S = 1.0  # how much later than its end a busy machine may notice it

RUNNER = """
import os, signal, sys
from alchemiser_cli.chaos.leases import LeaseStore
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Fault, FaultKind
from alchemiser_cli.state import StateDatabase

clock = SystemClock()
store = LeaseStore(StateDatabase(sys.argv[1], clock), clock)
store.take("shm.publish", Fault(kind=FaultKind.DROP), duration_s=float(sys.argv[2]),
           environment="development", owner="runner")
os.write(1, b"taken\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""

# It says when the place begins to fail, and when it no longer does.
TARGET = """
import os, sys, time
from pathlib import Path
from alchemiser_cli.chaos.lookout import looking_out
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import fault_point
from alchemiser_cli.settings import Settings

point, struck = fault_point("shm.publish"), False
settings = Settings(home=Path(sys.argv[1]), chaos={"poll_s": 0.1})
with looking_out(settings, SystemClock()):
    os.write(1, b"ready\\n")
    while True:
        strikes = point.armed is not None and point.alter(b"record") is None
        if strikes != struck:
            struck = strikes
            os.write(1, f"{'struck' if struck else 'whole'} {time.monotonic()}\\n".encode())
            if not struck:
                break
        time.sleep(0.002)
"""


def lines(process):
    return iter(process.stdout.readline, b"")


@pytest.mark.parametrize("database_disappears", [False, True])
def test_a_fault_outlives_neither_its_lease_nor_the_database(tmp_path, database_disappears):
    file = tmp_path / "state.db"
    database = StateDatabase(f"sqlite:///{file}", SystemClock())
    database.health(check_integrity=False)
    database.close()
    target = subprocess.Popen([sys.executable, "-c", TARGET, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        said = lines(target)
        assert next(said) == b"ready\n"
        runner = subprocess.run(
            [sys.executable, "-c", RUNNER, f"sqlite:///{file}", str(LEASE_S)],
            stdout=subprocess.PIPE,
            check=False,
            timeout=60,
        )
        assert (runner.stdout, runner.returncode) == (b"taken\n", -9)
        struck, began = next(said).split()
        assert struck == b"struck"
        if database_disappears:
            for one in tmp_path.glob("state.db*"):
                one.unlink()
            gone = time.monotonic()
        whole, ended = next(said).split()
        assert whole == b"whole"
        assert float(ended) - float(began) < LEASE_S + 0.05
        if database_disappears:
            assert float(ended) - gone < LATE_S
            assert not file.exists()
    finally:
        target.kill()
        target.communicate()
