"""A writer that is killed at any moment spoils nothing that a reader sees.

``CRASH=full`` kills 1,000 times, otherwise 60 times.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import gather_facts, judge

KILLS = 1_000 if os.environ.get("CRASH") == "full" else 60
READERS = 2

COMMON = """
import os, random, signal, sys, time, json
from pathlib import Path
import numpy as np
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import Canary, WeightSegment

settings = ShmSettings(directory=Path(sys.argv[1]))
segment = WeightSegment(settings, "policy", SystemClock())
tensors = {"first": np.empty((300, 700), "f4"), "bias": np.empty(7, "f8"), "n": np.empty(99, "i4")}
canary = Canary(np.zeros((2, 3), "f4"), np.zeros((2, 1), "f8"))

def filled(generation):
    for array in tensors.values():
        array.fill(generation)
    canary.actions.fill(generation)
    return tensors
"""

# Forks writers and kills each at a random moment; the parent has no threads and no lease.
KILLER = (
    COMMON
    + """
import gc
chance = random.Random(1_917)
for kill in range(int(sys.argv[2])):
    told, tell = os.pipe()
    writer_id = os.fork()
    if writer_id == 0:
        writer = segment.writer(filled(0), canary=canary)
        while True:
            writer.publish(filled(writer.segment.generation + 1), canary=canary)
            os.write(tell, b".")
    os.close(tell)
    if kill % 4:  # each fourth is killed while it opens the segment, or soon after
        os.read(told, chance.randint(1, 3))
    time.sleep(chance.uniform(0.0, 0.01))
    os.close(told)
    os.kill(writer_id, signal.SIGKILL)
    os.waitpid(writer_id, 0)
with segment.writer(filled(0), canary=canary) as writer:
    print(writer.publish(filled(writer.segment.generation + 1), canary=canary))
"""
)

READER = (
    COMMON
    + """
last, reads, wrong, back, refusals = 0, 0, 0, 0, set()
deadline = time.monotonic() + 1_700
until = None

def acts(weights, observations):
    return np.full((2, 1), weights["bias"][0])

def attached():
    while True:
        try:
            return segment.reader(prove=acts)
        except Exception:
            if time.monotonic() > deadline:
                raise

print("ready", flush=True)
reader = attached()
while time.monotonic() < deadline:
    weights = reader.poll()
    if reader.refusal is not None:
        refusals.add(reader.refusal.code)
    if weights is None:
        time.sleep(0.0002)
        if until is None and Path(sys.argv[2]).exists():
            until = int(Path(sys.argv[2]).read_text())
        if until is not None and last >= until:
            break
        continue
    reads += 1
    back += weights.generation <= last
    last = weights.generation
    wrong += any((array != last).any() for array in weights.tensors.values())
found = reader.freshness()
print(json.dumps(dict(last=last, reads=reads, wrong=wrong, back=back, state=found.state,
                      refusals=sorted(refusals))))
"""
)


@pytest.fixture
def folder():
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a test's own folder
    with tempfile.TemporaryDirectory(prefix="shm-crash-", dir=root) as folder:
        yield Path(folder)


def _python(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.timeout(1_800)
def test_readers_of_two_processes_see_no_torn_value_whenever_the_writer_is_killed(folder):
    """Each word of a generation is the generation; the canary's actions too."""
    end = folder / "end"
    readers = [_python(READER, folder, end) for _ in range(READERS)]
    for reader in readers:
        assert reader.stdout.readline() == "ready\n"
    killer = _python(KILLER, folder, KILLS)
    last = int(killer.communicate()[0])
    assert killer.returncode == 0
    end.with_suffix(".new").write_text(str(last))
    end.with_suffix(".new").rename(end)
    for reader in readers:
        found = json.loads(reader.communicate(timeout=120)[0])
        assert reader.returncode == 0
        assert (found["wrong"], found["back"], found["refusals"]) == (0, 0, [])
        assert (found["last"], found["state"]) == (last, "fresh")
        assert found["reads"] > KILLS / 2

    settings = ShmSettings(directory=folder)
    facts = gather_facts(settings, "policy", SystemClock())
    assert facts.takeovers > KILLS / 2  # the others had not taken the lease yet
    assert judge(facts, settings).verdict == "healthy"
