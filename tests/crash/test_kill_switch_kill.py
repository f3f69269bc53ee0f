"""Whoever is killed while it sets or clears the switch leaves one that can be read.

What is cut short on the way is set, for every process. ``CRASH=full`` kills 300 times, otherwise
25 times.
"""

import os
import random
import select
import signal
import subprocess
import sys

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.kill_switch.flag import flag_file

KILLS = 300 if os.environ.get("CRASH") == "full" else 25

# Forks one that sets and clears in turns and tells of each step, for each line of input.
NURSERY = """
import os, sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.trading.kill_switch import KillSwitch

for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        switch = KillSwitch(Path(sys.argv[1]), Path(sys.argv[2]), SystemClock())
        while True:
            switch.clear("round", "child")
            os.write(1, b"c\\n")
            switch.set("round", "child")
            os.write(1, b"s\\n")
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


def test_a_kill_at_any_moment_leaves_a_switch_that_is_whole(tmp_path):
    shm, file = tmp_path / "shm", tmp_path / "run" / "kill_switch.json"
    shm.mkdir()
    chance = random.Random(7)  # noqa: S311  moments, not secrets
    reader = KillSwitch(shm, file, SystemClock())
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(shm), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    with nursery:
        for kill in range(KILLS):
            nursery.stdin.write(b"go\n")
            child, steps = None, []
            wanted = chance.randint(1, 6)
            while child is None or len(steps) < wanted:
                line = nursery.stdout.readline().strip()
                if line.isdigit():
                    child = int(line)
                else:
                    steps.append(line)
            select.select([], [], [], chance.uniform(0, 0.003))
            os.kill(child, signal.SIGKILL)
            while (line := nursery.stdout.readline().strip()) != b"dead":
                steps.append(line)

            if kill % 3 == 0:
                reader.close()
                flag_file(shm, file).unlink()  # as when the machine restarts
                reader = KillSwitch(shm, file, SystemClock())
            state = KillSwitch(shm, file, SystemClock()).state()
            assert state.readable
            assert reader.refresh() == state.active
            # The word is cleared last, so that what is clear was cleared, on record.
            if not state.active:
                assert (state.reason, state.evidence.count("clear")) == ("round", 1)
        nursery.stdin.close()
