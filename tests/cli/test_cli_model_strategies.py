"""``model``: the models of strategies stand beside policies, and are judged by their own reader."""

import json
import shutil

import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.market import open_dataset
from alchemiser_cli.rl.artefacts import STRATEGY
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.strategies import train_strategy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with the model of a strategy; one training serves all tests."""
    folder = tmp_path_factory.mktemp("trained")
    train_strategy(
        Settings(home=folder),
        "mean_reversion",
        open_dataset("sp500", limit=1_200),
        ManualClock(),
        dataset="sp500",
        folds=2,
    )
    return folder


@pytest.fixture
def model(trained, home):
    """The model's folder in the home of the command line."""
    shutil.copytree(trained / "models", home / "models")
    return home / "models" / "mean_reversion"


def document(result):
    assert result.exit_code == ExitCode.OK, result.stderr
    return json.loads(result.stdout)


def test_the_list_gives_kind_version_dataset_and_scores(cli, model):
    (row,) = document(cli("model", "list", "-o", "json"))["models"]
    assert (row["name"], row["kind"], row["dataset"]) == ("mean_reversion", STRATEGY, "sp500")
    assert row["version"] == row["created_at"]
    assert 0 < row["metrics"]["log_loss"] < 1
    assert row["base"]["trades"] == row["metrics"]["trades"]
    assert row["fault"] is None


def test_the_table_shows_the_score_beside_the_base_rates(cli, model):
    shown = cli("model", "list").stdout
    assert "log loss 0." in shown
    assert ", base 0." in shown


@pytest.mark.parametrize("name", ["mean_reversion", "strategies/models/mean_reversion"])
def test_inspect_shows_the_whole_passport(cli, model, name):
    found = document(cli("model", "inspect", name, "-o", "json"))
    assert found["passport"] == json.loads((model / "passport.json").read_text())
    shown = cli("model", "inspect", name).stdout
    assert "how likely a trade wins" in shown
    assert "On trades that it had not seen, 2 folds" in shown


def test_verify_proves_files_rule_and_probabilities(cli, model):
    found = document(cli("model", "verify", "mean_reversion", "-o", "json"))
    proofs = {one["name"]: one["result"] for one in found["proofs"]}
    assert proofs == dict.fromkeys(("files", "rule", "probabilities"), "passed")


@pytest.mark.provokes("model-corrupt")
@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_a_damaged_one_is_corrupt(cli, model, command):
    with (model / "model.skops").open("ab") as file:
        file.write(b"x")
    result = cli("model", command, "mean_reversion")
    assert result.exit_code == ExitCode.CORRUPT
    assert "model.skops has another SHA-256" in result.stderr


@pytest.mark.provokes("model-corrupt")
def test_one_whose_passport_is_damaged_is_listed_as_such(cli, model):
    (model / "passport.json").write_text('{"schema_version": 1, "kind": "strategy"}')
    shown = cli("model", "list").stdout
    assert "damaged" in shown
    assert "model-corrupt" in shown
    assert cli("model", "inspect", "mean_reversion").exit_code == ExitCode.CORRUPT


@pytest.mark.provokes("model-incompatible")
def test_a_passport_of_a_newer_alchemiser_is_not_damage(cli, model):
    passport = json.loads((model / "passport.json").read_text())
    (model / "passport.json").write_text(json.dumps(passport | {"schema_version": 99}))
    result = cli("model", "verify", "mean_reversion")
    assert result.exit_code == ExitCode.CONFIG
    assert "written by a newer alchemiser" in result.stderr


@pytest.mark.provokes("model-incompatible")
def test_one_that_was_trained_for_another_rule_does_not_verify(cli, home, model):
    definitions = home / "configs" / "strategies"
    definitions.mkdir(parents=True)
    passport = json.loads((model / "passport.json").read_text())
    (model / "passport.json").write_text(json.dumps(passport | {"strategy": "gentle"}))
    other = 'kind = "mean_reversion"\nversion = 2\nsymbols = ["SPX"]\n'
    (definitions / "gentle.toml").write_text(other)
    result = cli("model", "verify", "mean_reversion", "-o", "json")
    assert result.exit_code == ExitCode.CONFIG
    assert [one["result"] for one in json.loads(result.stdout)["proofs"]] == [
        "passed",
        "failed",
        "skipped",
    ]


def test_one_of_a_strategy_that_is_gone_is_still_proved_to_be_whole(cli, model):
    passport = json.loads((model / "passport.json").read_text())
    (model / "passport.json").write_text(json.dumps(passport | {"strategy": "gone"}))
    found = document(cli("model", "verify", "mean_reversion", "-o", "json"))
    assert [one["result"] for one in found["proofs"]] == ["passed", "skipped", "skipped"]


@pytest.mark.provokes("model-incompatible")
def test_one_that_gives_other_probabilities_does_not_verify(cli, model):
    passport = json.loads((model / "passport.json").read_text())
    passport["probabilities"][0] += 0.1
    (model / "passport.json").write_text(json.dumps(passport))
    result = cli("model", "verify", "mean_reversion")
    assert result.exit_code == ExitCode.CONFIG
    assert "probabilities that its training noted" in result.stderr


@pytest.mark.provokes("model-not-promotable")
def test_it_is_never_promoted_not_even_against_a_verdict(cli, home, model):
    result = cli("model", "promote", "mean_reversion", "--override", "I say so")
    assert result.exit_code == ExitCode.REFUSED
    assert "only a policy is promoted" in result.stderr
    assert "strategies.NAME.model=mean_reversion" in result.stderr
    assert not (home / "models" / "promoted.json").exists()


@pytest.mark.provokes("model-incompatible")
def test_what_needs_a_policy_refuses_it_by_its_kind(cli, model):
    result = cli("train", "evaluate", "mean_reversion")
    assert result.exit_code == ExitCode.CONFIG
    assert "is no policy" in result.stderr
