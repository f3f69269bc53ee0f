"""A writer of the audit trail that is killed at any moment loses no line that it acknowledged.

``CRASH=full`` kills 100 times, otherwise 20 times.
"""

import os
import subprocess
import sys

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import AuditTrail, read_trail, verify_trail

KILLS = 100 if os.environ.get("CRASH") == "full" else 20

# A year passes in a few lines, so that the kill also falls into rotation and packing. Each kill
# is a fork's: starting an interpreter for each would take most of the test's time.
VICTIMS = """
import os, random, signal, sys, time
from pathlib import Path
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import AuditEntry, AuditTrail

folder, chance = Path(sys.argv[1]), random.Random(1_929)
settings = AuditSettings(fsync="each", min_free_megabytes=0)

def write(tell, number):
    clock = ManualClock((1_700_000_000 + number * 86_400) * 10**9)
    trail = AuditTrail(folder, settings, clock, run_id="r", broker="b")
    os.write(tell, b"s")
    while True:
        entry = AuditEntry(event="SIGNAL", event_id=f"{number}", detail="x" * 500)
        found = trail.append(entry)
        os.write(1, f"{trail.head.sequence} {found}\\n".encode())
        clock.advance(20_000)

for number in range(int(sys.argv[2])):
    told, tell = os.pipe()
    victim = os.fork()
    if victim == 0:
        write(tell, number)
    os.close(tell)
    if number % 4:  # each fourth is killed while it opens the trail, or soon after
        os.read(told, 1)
    time.sleep(chance.uniform(0.0, 0.05))
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    os.close(told)
"""


@pytest.mark.timeout(1_800)
def test_killed_at_random_moments_it_loses_nothing_acknowledged(tmp_path):
    folder = tmp_path / "audit" / "paper"
    done = subprocess.run(
        [sys.executable, "-c", VICTIMS, str(folder), str(KILLS)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=1_700,
    )
    acknowledged = dict(line.split() for line in done.stdout.decode().splitlines())
    assert len(acknowledged) > KILLS
    left = verify_trail(folder)
    assert left.ok or left.kind == "torn_tail", left
    settings = AuditSettings(min_free_megabytes=0)
    AuditTrail(folder, settings, SystemClock(), run_id="r", broker="b").close()
    assert verify_trail(folder).ok
    kept = {str(record.sequence): record.hash for record in read_trail(folder)}
    assert acknowledged.items() <= kept.items()


TEARING = """
import os, sys
from pathlib import Path
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit import AuditEntry, AuditTrail

settings = AuditSettings(min_free_megabytes=0)
trail = AuditTrail(Path(sys.argv[1]), settings, ManualClock(), run_id="r", broker="b")
trail.append(AuditEntry(event="SIGNAL", event_id="whole"))
real = os.write
def half(descriptor, line):
    real(descriptor, line[: len(line) // 2])
    os.kill(os.getpid(), 9)
os.write = half
trail.append(AuditEntry(event="SIGNAL", event_id="half"))
"""


def test_killed_in_the_middle_of_a_line_it_goes_on_behind_the_last_whole_one(tmp_path):
    """The system may take a part of a write before the process ends; here it is made to."""
    folder = tmp_path / "audit" / "paper"
    done = subprocess.run([sys.executable, "-c", TEARING, str(folder)], check=False)
    assert done.returncode == -9
    assert verify_trail(folder).kind == "torn_tail"
    settings = AuditSettings(min_free_megabytes=0)
    AuditTrail(folder, settings, SystemClock(), run_id="r", broker="b").close()
    assert verify_trail(folder).ok
    assert [record.reason for record in read_trail(folder)] == ["", "torn_tail"]
