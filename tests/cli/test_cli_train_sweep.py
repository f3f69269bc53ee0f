"""``train sweep``: a tiny search, its best model judged by the number of trials, and resumption."""

import json
import re
import shutil

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.pipeline.sweeping import sweep_training
from alchemiser_cli.rl.artefacts import read_passport
from alchemiser_cli.rl.runs import list_runs
from alchemiser_cli.rl.sweep import Choice, SweepRequest, default_storage
from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch, train
from alchemiser_cli.settings import OptionsSettings, TrainingSettings
from alchemiser_cli.settings.resolve import Request, resolve

STEPS = 32
QUICK = {
    "timesteps": STEPS,
    "threads": 1,
    "batch_size": 16,
    "learning_starts": 16,
    "holdout": 0.04,
}
SPACE = {"environments": Choice((4,))}


@pytest.fixture
def settings(home):
    away = ("tracking.uri=http://127.0.0.1:9", "tracking.timeout_s=0.1")
    return resolve(Request(profile=None, home=home, assignments=away, environ={})).settings


@pytest.fixture
def search(settings, home):
    """Run a sweep of one trial; ``stop`` is asked after every step of a run."""

    def run(*, stop=lambda: False):
        return sweep_training(
            settings,
            TrainingRequest("heston:1", OptionsSettings(), TrainingSettings(**QUICK)),
            SweepRequest(storage=default_storage(home), trials=1, space=SPACE),
            SystemClock(),
            stop=stop,
            on_update=lambda _number, _update: None,
            report_html=lambda report: f"<p>{report.judged.trials} trials</p>",
        )

    return run


def test_the_best_model_is_judged_again_by_the_number_of_trials(cli, home):
    options = [f"training.{name}={value}" for name, value in QUICK.items() if name != "batch_size"]
    options += ["tracking.uri=http://127.0.0.1:9", "tracking.timeout_s=0.1"]
    line = [part for option in options for part in ("--set", option)]
    line += ["train", "sweep", "--dataset", "heston:1", "--timesteps", STEPS, "--trials", 2]
    result = cli(*line, "-o", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    found = json.loads(result.stdout)
    assert (found["trials"], found["complete"], found["interrupted"]) == (2, 2, False)
    assert found["model"] == f"td3-{found['best']['number']}"
    assert found["evaluation"]["judged"]["trials"] == 2
    held = json.loads((home / "models" / found["model"] / "evaluation.json").read_text())
    assert held["judged"]["trials"] == 2
    assert (home / "models" / found["model"] / "report.html").read_text().startswith("<!DOCTYPE")
    again = cli(*line)
    assert again.exit_code == ExitCode.OK, again.stderr
    assert f"Model {found['model']}, judged as the best of all trials:" in again.stdout
    assert re.search(r"^2 trials: 2 complete\.", again.stdout, re.MULTILINE)
    assert len(list(home.glob("runs/*/run.json"))) == 2


def test_an_interrupted_search_goes_on_with_the_run_it_left(search, settings):
    for _ in range(3):  # at the third death of its process a trial is given up
        left = search(stop=lambda: True)
        assert (left.interrupted, left.model, left.result.complete) == (True, None, 0)
    done = search()
    assert (done.result.complete, done.result.rows[0].attempts) == (1, 4)
    (run,) = list_runs(settings.runs_folder)
    assert (run.state, run.resumes, done.result.best.run_id) == ("finished", 3, run.id)
    assert done.report.judged.trials == 1


def test_a_trial_whose_run_is_finished_answers_from_its_result(search, settings):
    search(stop=lambda: True)
    (run,) = list_runs(settings.runs_folder)
    result = train(
        settings,
        TrainingRequest.of(run),
        SystemClock(),
        watch=TrainingWatch(),
        resume=run.id,
        model="td3-0",
    )
    done = search()
    assert done.result.best.value == result.scores["score"]
    assert done.model == "td3-0"
    assert [one.id for one in list_runs(settings.runs_folder)] == [run.id]


def test_a_trial_whose_run_is_not_here_begins_anew(search, settings):
    search(stop=lambda: True)
    (gone,) = list_runs(settings.runs_folder)
    shutil.rmtree(settings.runs_folder)
    done = search()
    (run,) = list_runs(settings.runs_folder)
    assert run.id != gone.id
    assert (done.result.complete, done.result.best.run_id) == (1, run.id)


def test_a_model_is_called_after_its_run_where_an_earlier_study_took_its_name(
    search, settings, home
):
    search()
    (home / "sweeps.db").unlink()
    done = search()
    assert done.model == f"td3-{done.result.best.run_id}"
    assert read_passport(settings.models_folder, done.model)[1].run_id == done.result.best.run_id
    shutil.rmtree(settings.models_folder)  # as where another machine has it
    done = search()
    assert (done.result.complete, done.model, done.report) == (1, None, None)
