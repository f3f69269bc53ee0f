"""``train``: real runs on a generated market, small enough to take seconds."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from alchemiser_cli.app import app
from alchemiser_cli.exits import ExitCode

NUMBER = re.compile(r"(?<![\w:.])-?\d[\d,]*(?:\.\d+)*(?:e-\d+)?%?")
MASKS = [
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "<run>"),
    (re.compile(r"\b(?:[0-9a-f]{16}|[0-9a-f]{64})\b"), "<hash>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (NUMBER, "<n>"),
    (re.compile(r"[ ─]{2,}"), "  "),  # the width of a column is that of a number
]
QUICK = {
    "training.environments": 8,
    "training.batch_size": 16,
    "training.learning_starts": 64,
    "training.threads": 1,
    "training.holdout": 0.04,
    "training.checkpoint_every": 64,
    "tracking.uri": "http://127.0.0.1:9",
    "tracking.timeout_s": 0.1,
}


def quick(**changed):
    settings = QUICK | {name.replace("__", "."): value for name, value in changed.items()}
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def run_in(home, *arguments):
    line = ["--home", str(home), *quick(shm__directory=home), *map(str, arguments)]
    return CliRunner(env={"NO_COLOR": "1", "COLUMNS": "100"}).invoke(app, line)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home with two models that differ in their seeds, and what was said of the first."""
    home = tmp_path_factory.mktemp("trained")
    market = ("train", "td3", "--dataset", "heston:1", "--timesteps", 128, "-o", "json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)  # away from the settings of whoever runs the tests
        first = run_in(home, *market, "--name", "first", "--publish", "policy")
        second = run_in(home, *market, "--name", "second", "--seed", 2)
    assert first.exit_code == ExitCode.OK, first.stderr
    assert second.exit_code == ExitCode.OK, second.stderr
    return home, json.loads(first.stdout)


@pytest.fixture
def train(trained, home):
    """Run ``train`` in a copy of that home."""
    shutil.copytree(trained[0], home)
    return lambda *arguments: run_in(home, "train", *arguments)


@pytest.fixture
def stable(masked):
    def stable(text):
        text = masked(text)
        for pattern, name in MASKS:
            text = pattern.sub(name, text)
        return text

    return stable


def document(result):
    assert result.exit_code == ExitCode.OK, result.stderr
    return json.loads(result.stdout)


# --- td3


def test_the_json_of_a_run_is_the_contract(trained):
    _, found = trained
    assert found["schema_version"] == 1
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", found["run_id"])
    assert (found["dataset"], found["preset"], found["seed"]) == ("heston:1", "small", 1)
    assert (found["steps"], found["stopped_by"], found["model"]) == (128, "steps", "first")
    assert found["updates"] > 0
    assert found["seconds"] > 0
    assert found["steps_per_s"] > 0
    assert re.fullmatch("[0-9a-f]{64}", found["weights_hash"])
    assert set(found["scores"]) == {"score", "return"}
    assert found["evaluation"]["verdict"]["promotable"] is False
    assert found["evaluation"]["verdict"]["reasons"]
    assert "curves" not in found["evaluation"]
    assert found["published"] == 1


def test_published_weights_name_their_run(trained):
    home, found = trained
    segment = document(run_in(home, "shm", "inspect", "policy", "-o", "json"))
    assert segment["generation"] == found["published"]
    assert segment["provenance"]["training_run"] == found["run_id"]
    assert segment["provenance"]["step"] == found["steps"]


def test_a_finished_run_goes_on_for_longer(train, stable, file_regression):
    result = train("td3", "--resume", "latest", "--timesteps", 192, "--name", "third")
    assert result.exit_code == ExitCode.OK, result.stderr
    assert "resumed at 128" in result.stdout
    file_regression.check(stable(result.stdout))


def test_the_same_seed_gives_the_same_weights(train, trained):
    again = document(
        train("td3", "--dataset", "heston:1", "--timesteps", 128, "--name", "x", "-o", "json")
    )
    assert again["weights_hash"] == trained[1]["weights_hash"]


def test_an_environment_of_gymnasium_has_no_verdict(home, stable, file_regression):
    result = run_in(home, "train", "td3", "--env", "Pendulum-v1", "--timesteps", 80)
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))
    (name,) = [one.name for one in (home / "models").iterdir() if not one.name.startswith(".")]
    refused = run_in(home, "train", "evaluate", name)
    assert refused.exit_code == ExitCode.CONFIG
    assert "trained in Pendulum-v1" in refused.stderr


def test_an_interrupted_run_exits_with_130_and_says_how_it_goes_on(process, home):
    line = ("train", "td3", "--dataset", "heston:1", "--timesteps", 10**7, "--name", "long")
    running = process(*quick(), *line)
    deadline = time.monotonic() + 60
    while not list(home.glob("runs/*/run.json")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)  # allow no-bare-sleep: the poll of the loop above
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == ExitCode.INTERRUPTED, err
    (run,) = (one.name for one in (home / "runs").iterdir())
    assert f"alchemiser train td3 --resume {run} --name long" in out
    assert "Traceback" not in err
    (row,) = document(run_in(home, "train", "runs", "-o", "json"))["runs"]
    assert (row["state"], row["model"]) == ("interrupted", None)


@pytest.mark.provokes("usage")
@pytest.mark.parametrize(
    "options",
    [("--env", "Pendulum-v1", "--dataset", "sp500"), ("--resume", "latest", "--seed", "2")],
)
def test_what_excludes_another_is_a_usage_error(cli, options):
    result = cli("train", "td3", *options)
    assert result.exit_code == ExitCode.USAGE
    assert "cannot be given together" in result.stderr


@pytest.mark.provokes("model-exists")
def test_a_name_that_is_taken_is_refused_before_the_run(train, home):
    result = train("td3", "--name", "first", "--dataset", "heston:1")
    assert result.exit_code == ExitCode.REFUSED
    assert "error[model-exists]" in result.stderr
    assert len(list((home / "runs").iterdir())) == 2


# --- runs, verify-resume


def test_the_runs_are_listed_with_their_models(train, stable, file_regression):
    file_regression.check(stable(train("runs").stdout))
    newest, oldest = document(train("runs", "-o", "json"))["runs"]
    assert (newest["model"], oldest["model"]) == ("second", "first")
    assert (oldest["state"], oldest["step"], oldest["timesteps"]) == ("finished", 128, 128)


def test_no_run_says_how_to_get_one_and_makes_no_folder(cli, home):
    assert "alchemiser train td3" in cli("train", "runs").stdout
    assert not home.exists()


def test_runs_are_completed(train, cli, monkeypatch, trained):
    run_id = trained[1]["run_id"]
    monkeypatch.setenv("_ALCHEMISER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"alchemiser train verify-resume {run_id[:17]}")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert run_id in cli().stdout.split()
    monkeypatch.setenv("COMP_WORDS", "alchemiser train td3 --resume lat")
    monkeypatch.setenv("COMP_CWORD", "4")
    assert cli().stdout.split() == ["latest"]


def test_a_run_is_proved_to_resume(train, stable, file_regression):
    result = train("verify-resume", "latest")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))


@pytest.mark.provokes("run-not-found")
def test_a_run_that_is_not_there_exits_with_8(train):
    for line in (("verify-resume", "x"), ("td3", "--resume", "x")):
        assert train(*line).exit_code == ExitCode.NOT_FOUND


# --- evaluate, compare, audit


@pytest.mark.provokes("model-incompatible")
def test_a_model_is_not_judged_on_its_own_data_once_they_have_changed(train, home):
    file = home / "models" / "first" / "passport.json"
    passport = json.loads(file.read_text())
    passport["data"]["sha256"] = "0" * 64  # as if the file of the dataset had been another one
    file.write_text(json.dumps(passport))
    refused = train("evaluate", "first")
    assert refused.exit_code == ExitCode.CONFIG, refused.stdout
    assert "model-incompatible" in refused.stderr
    assert "alchemiser train evaluate first --dataset NAME" in refused.stderr
    assert train("evaluate", "first", "--dataset", "heston:2").exit_code == ExitCode.OK


def test_an_evaluation_replaces_the_one_in_the_artefact(train, home, tmp_path):
    page = tmp_path / "report.html"
    found = document(
        train("evaluate", "first", "--trials", 7, "--folds", 2, "--html", page, "-o", "json")
    )
    assert (found["judged"]["trials"], len(found["folds"])) == (7, 2)
    held = json.loads((home / "models" / "first" / "evaluation.json").read_text())
    assert held["judged"]["trials"] == 7
    assert page.read_text() == (home / "models" / "first" / "report.html").read_text()
    assert document(run_in(home, "model", "inspect", "first", "-o", "json"))["passport"]["verdict"]


def test_models_of_other_seeds_are_pooled(train, stable, file_regression):
    file_regression.check(stable(train("compare", "first", "second").stdout))
    (row,) = document(train("compare", "first", "second", "-o", "json"))["ranking"]
    assert row["models"] == ["first", "second"]


def test_the_environment_is_audited(home, stable, file_regression):
    result = run_in(home, "train", "audit", "--dataset", "heston:1")
    assert result.exit_code == ExitCode.OK, result.stderr
    file_regression.check(stable(result.stdout))


# --- what is not loaded


LEARNING = ("torch", "stable_baselines3", "gymnasium", "mlflow", "optuna")


@pytest.mark.parametrize(
    ("line", "unloaded"),
    [
        ("train --help", (*LEARNING, "numpy")),
        ("train td3 --help", (*LEARNING, "numpy")),
        ("train runs", LEARNING),
    ],
    ids=["group", "leaf", "runs"],
)
def test_nothing_of_learning_is_loaded_where_nothing_learns(line, unloaded, home):
    script = (
        "import sys, atexit, json\n"
        "atexit.register(lambda: sys.stderr.write(json.dumps(sorted(sys.modules))))\n"
        "from alchemiser_cli.app import main\n"
        f"sys.argv = ['alchemiser', '--home', {str(home)!r}, *{line.split()!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {*unloaded} & {*json.loads(done.stderr)}
