"""A training run that is killed at any moment, and resumed, becomes what it would have become.

``CRASH=full`` kills 60 times, otherwise 3 times.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alchemiser_cli.rl.artefacts import load_artefact, network_of, verify_artefact
from alchemiser_cli.rl.runs import list_runs, open_run

KILLS = 60 if os.environ.get("CRASH") == "full" else 3
NURSERY = Path(__file__).with_name("training_nursery.py")


class Nursery:
    """Trainers, one after the other."""

    def __init__(self, market):
        command = [sys.executable, str(NURSERY), str(market)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        )

    def train(self, home):
        """Let one train to its end; return the weights' hash and how long that took."""
        self._begun(home)
        began = time.monotonic()
        return self._ended(), time.monotonic() - began

    def kill_one(self, home, after_s):
        """Kill one after this time; return the weights' hash if it had come to its end."""
        pid = self._begun(home)
        time.sleep(after_s)  # allow no-bare-sleep: the moment of death
        with contextlib.suppress(ProcessLookupError):  # it had ended
            os.kill(pid, signal.SIGKILL)
        return self._ended()

    def close(self):
        self._process.communicate(timeout=30)

    def _begun(self, home):
        self._process.stdin.write(f"{home}\n")
        self._process.stdin.flush()
        word, pid = self._told()
        assert word == "begun"
        return int(pid)

    def _ended(self):
        """Wait until the trainer is gone; return the weights' hash if it told it."""
        weights_hash = None
        while (told := self._told())[0] != "gone":
            weights_hash = told[1]
        return weights_hash

    def _told(self):
        words = self._process.stdout.readline().split()
        assert words, "the nursery has ended"
        return words if len(words) == 2 else (words[0], "")


@pytest.fixture
def nursery(market_file):
    one = Nursery(market_file)
    yield one
    one.close()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_whenever_a_run_is_killed_it_becomes_what_it_would_have_become(tmp_path, nursery):
    expected, took_s = nursery.train(tmp_path / "whole")
    chance = random.Random(6)  # noqa: S311  no secret; the same moments every time
    home, homes, kills = None, 0, 0
    while kills < KILLS:
        if home is None:
            homes += 1
            home = tmp_path / f"killed-{homes}"
        killed = nursery.kill_one(home, chance.uniform(0, took_s))
        kills += 1
        assert killed in (None, expected)
        if killed is not None or open_run(home / "runs", "latest").state == "finished":
            require_whole(home, expected)
            home = None
    if home is not None:
        assert nursery.train(home)[0] == expected
        require_whole(home, expected)


def require_whole(home, expected):
    """One run is finished, and one model of it is saved, whole and proven."""
    (run,) = list_runs(home / "runs")
    assert run.state == "finished"
    (folder,) = [one for one in (home / "models").iterdir() if one.is_dir()]
    artefact = load_artefact(home / "models", folder.name)
    assert artefact.passport.weights_hash == expected
    assert artefact.passport.run_id == run.id
    assert verify_artefact(artefact, network_of(artefact.passport)).passed
