"""``demo --train``: a small policy after the story, and the extra that it needs."""

import json
import re
import subprocess
import sys

import pytest

from alchemiser_cli.commands import demo
from alchemiser_cli.exits import ExitCode


def test_the_demo_trains_and_judges_a_policy(cli, home, monkeypatch):
    small = {"timesteps": 32, "learning_starts": 16, "batch_size": 16, "threads": 1}
    monkeypatch.setattr(demo, "SMALL_BUDGET", small)
    away = ("--set", "tracking.uri=http://127.0.0.1:9", "--set", "tracking.timeout_s=0.1")
    result = cli(*away, "--set", "training.holdout=0.04", "demo", "--train", "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    found = json.loads(result.stdout)
    assert found["replay"]["sent"] == found["consume"]["processed"] == 5031
    trained = found["train"]
    assert (trained["dataset"], trained["stopped_by"], trained["steps"]) == ("sp500", "steps", 32)
    assert trained["evaluation"]["verdict"]["promotable"] is False
    assert (home / "models" / trained["model"] / "passport.json").is_file()


def test_the_settings_that_were_chosen_stay(cli, monkeypatch):
    """What the demo chooses for its small budget gives way to what its user set."""
    monkeypatch.setattr(demo, "SMALL_BUDGET", {"timesteps": 64, "threads": 1, "batch_size": 16})
    away = ("--set", "tracking.uri=http://127.0.0.1:9", "--set", "tracking.timeout_s=0.1")
    chosen = ("--set", "training.timesteps=16", "--set", "training.holdout=0.04")
    result = cli(*away, *chosen, "demo", "--train")
    assert result.exit_code == ExitCode.OK, result.stderr
    assert re.search(r"^5\. train: ", result.stdout, re.MULTILINE)
    assert re.search(r"^steps +16 in ", result.stdout, re.MULTILINE)
    assert "Verdict: not promotable." in result.stdout
    assert re.search(r"alchemiser model inspect td3-\d{8}", result.stdout)


@pytest.mark.provokes("extra-missing")
def test_without_the_extra_nothing_is_begun(home, provoked):
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from alchemiser_cli.app import main\n"
        f"sys.argv = ['alchemiser', '--home', {str(home)!r}, 'demo', '--train']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    provoked.update(re.findall(r"error\[(.+?)\]", done.stderr))
    assert done.returncode == ExitCode.CONFIG, done.stderr
    assert "pip install 'alchemiser[train]'" in done.stderr
    assert done.stdout == ""
