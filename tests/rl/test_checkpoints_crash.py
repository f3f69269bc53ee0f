"""A writer that is killed at any moment leaves whole checkpoints, and the newest that it told of.

``CRASH=full`` kills 100 times, otherwise 6 times.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint

KILLS = 100 if os.environ.get("CRASH") == "full" else 6
LIFE_S = 0.15

WRITER = """
import os, sys
import numpy as np
from pathlib import Path
from alchemiser_cli.rl.checkpoints import write_checkpoint
import safetensors.numpy
folder, step = Path(sys.argv[1]), int(sys.argv[2])
while True:
    step += 1
    weights = {"w": np.full(100_000, step, np.float32)}
    write_checkpoint(folder, step, weights, {"step": step, "filler": "x" * 50_000})
    os.write(1, f"{step}\\n".encode())
"""


def test_whenever_the_writer_is_killed_a_whole_checkpoint_is_read(tmp_path):
    folder = tmp_path / "checkpoints"
    chance = random.Random(6)  # noqa: S311  no secret; the same moments every time
    write_checkpoint(folder, 0, {}, {"step": 0})
    step = 0
    for _ in range(KILLS):
        told = killed(folder, step, chance.uniform(0, LIFE_S))
        read = read_checkpoint(folder)
        assert read.skipped == ()
        assert read.step == read.state["step"] >= told
        assert read.step == 0 or (read.arrays["w"] == read.step).all()
        step = read.step
    assert step > 0
    written = write_checkpoint(folder, step + 1, {}, {})
    assert max(folder.iterdir()) == written.folder
    assert len(list(folder.iterdir())) == 2  # nothing half written is left


def killed(folder: Path, step: int, after_s: float) -> int:
    """Write checkpoints until killed, ``after_s`` after the first; return the last one told of."""
    command = [sys.executable, "-c", WRITER, str(folder), str(step)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        told = writer.stdout.readline()
        time.sleep(after_s)  # allow no-bare-sleep: the moment of death
        writer.kill()
        rest, _ = writer.communicate(timeout=30)
    lines = (told + rest).split("\n")[:-1]  # the last may be cut
    return int(lines[-1]) if lines else step
