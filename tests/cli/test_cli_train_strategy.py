"""``train strategy``: a real training on real data, small enough to take seconds."""

import json
import subprocess
import sys

import pytest

from alchemiser_cli.exits import ExitCode


@pytest.mark.provokes("strategy-not-found")
def test_an_unknown_strategy_ends_with_8_and_the_nearest_name(cli):
    result = cli("train", "strategy", "momentun")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "Did you mean momentum?" in result.stderr


def test_a_model_is_trained_saved_and_shown(cli, home):
    result = cli("train", "strategy", "mean_reversion", "--folds", 2, "--seed", 7, "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    document = json.loads(result.stdout)
    assert (document["schema_version"], document["model"]) == (1, "mean_reversion")
    assert (document["rows"], len(document["folds"]), document["seed"]) == (5_031, 2, 7)
    assert isinstance(document["better_than_base"], bool)
    assert document["folder"] == str(home / "models" / "mean_reversion")
    passport = json.loads((home / "models" / "mean_reversion" / "passport.json").read_text())
    assert passport["sha256"]["model.skops"] == document["model_hash"]


def test_the_folds_stand_beside_the_base_rate(cli):
    result = cli("train", "strategy", "breakout", "--folds", 3, "--name", "mine", "-o", "plain")
    assert result.exit_code == ExitCode.OK, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "On trades that it had not seen"
    assert lines[1].split()[:4] == ["fold", "from", "to", "trained"]
    assert [line.split()[0] for line in lines[2:6]] == ["1", "2", "3", "all"]
    assert "the base rate" in result.stdout
    assert "--set strategies.breakout.model=mine" in result.stdout


def test_strategies_load_no_library_of_learning():
    code = (
        "import sys; from alchemiser_cli.commands import train_strategy; "
        "import alchemiser_cli.trading.strategies.host, alchemiser_cli.trading.strategies.loading; "
        "print(sorted({'sklearn', 'skops', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
