"""A sweep counts every trial, continues what was left, and is shared by processes."""

import subprocess
import sys

import numpy as np
import optuna
import pytest
from sqlalchemy import create_engine, text

from alchemiser_cli.clock import ManualClock, SystemClock
from alchemiser_cli.errors import (
    StudyUnavailableError,
    TrainingStageError,
    ValidationError,
)
from alchemiser_cli.render.sweep import sweep_view
from alchemiser_cli.rl.runs import RunFacts, continue_run, list_runs, new_run
from alchemiser_cli.rl.sweep import (
    Choice,
    Range,
    SweepRequest,
    TrialOutcome,
    count_trials,
    default_storage,
    search_space,
    sweep,
)
from alchemiser_cli.testing.postgresql import postgresql_programs, temporary_postgresql

SPACE = {"learning_rate": Range(1e-5, 1e-3, log=True), "batch_size": Choice((64, 256))}
FACTS = RunFacts(command="train td3", dataset="sp500")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def clock():
    return SystemClock()


def asked(home, **changes):
    return SweepRequest(
        **{"storage": default_storage(home), "space": SPACE, "trials": 4, **changes}
    )


def run(home, run_trial, clock, **changes):
    return sweep(asked(home, **changes), run_trial, runs_folder=home / "runs", clock=clock)


def worth(settings):
    """Be best at a learning rate of 1e-4 and the larger batch."""
    return -abs(np.log10(settings["learning_rate"]) + 4) + (settings["batch_size"] == 256)


def trained(asked_for):
    return TrialOutcome(f"run-{asked_for.number}", worth(asked_for.settings))


def test_a_sweep_finds_what_is_good_and_counts_all(home, clock):
    result = run(home, trained, clock, trials=16)
    assert (result.trials, result.complete, result.failed, result.running) == (16, 16, 0, 0)
    assert count_trials(default_storage(home), "td3", clock) == 16
    assert result.best.settings["batch_size"] == 256
    assert result.best.value > 0.8
    assert result.best.run_id == f"run-{result.best.number}"
    assert (home / "sweeps.db").stat().st_mode & 0o777 == 0o600


def test_one_seed_gives_one_sweep(home, clock):
    first, second, other = (
        run(home / name, trained, clock, trials=trials, seed=seed)
        for name, seed, trials in (("a", 1, 12), ("b", 1, 12), ("c", 2, 2))
    )
    assert [row.settings for row in first.rows] == [row.settings for row in second.rows]
    assert first.rows[0].settings != other.rows[0].settings


def test_a_sweep_that_has_its_trials_runs_none(home, clock):
    run(home, trained, clock)
    assert run(home, None, clock).trials == 4
    assert run(home, trained, clock, trials=6).trials == 6


def test_what_lies_under_the_median_is_pruned_and_counts(home, clock):
    def reporting(asked_for):
        value = -float(asked_for.number)
        for step in (100, 200):
            if asked_for.report(step, value):
                return TrialOutcome("stopped", value, pruned=True)
        return TrialOutcome("whole", value)

    result = run(home, reporting, clock, trials=5, pruned_after=3)
    assert (result.trials, result.complete, result.pruned) == (5, 3, 2)
    assert [row.value for row in result.rows if row.state == "pruned"] == [-3, -4]


def test_a_failed_trial_counts_and_the_sweep_goes_on(home, clock):
    def failing(asked_for):
        asked_for.began(f"run-{asked_for.number}")
        match asked_for.number:
            case 0:
                raise TrainingStageError("x", why="y.", next_step="z.")
            case 1:
                raise ZeroDivisionError
            case 3:
                return TrialOutcome("run-3", float("nan"))
        return trained(asked_for)

    result = run(home, failing, clock, trials=6)
    assert (result.trials, result.complete, result.failed) == (6, 3, 3)
    assert [row.code for row in result.rows] == [
        "training-stage-failed",
        "internal-error",
        "",
        "training-diverged",
        "",
        "",
    ]
    assert result.rows[0].run_id == "run-0"
    assert count_trials(default_storage(home), "td3", clock) == 6


def test_three_failures_in_a_row_end_the_sweep(home, clock):
    def failing(asked_for):
        raise TrainingStageError(f"trial {asked_for.number}", why="y.", next_step="z.")

    with pytest.raises(TrainingStageError, match="trial 2"):
        run(home, failing, clock)
    assert count_trials(default_storage(home), "td3", clock) == 3


def test_what_ctrl_c_ended_is_continued_by_the_next_sweep_and_counts_once(home, clock):
    seen = []

    def interrupted(asked_for):
        with new_run(home / "runs", FACTS, clock) as begun:
            asked_for.began(begun.id)
            seen.append((asked_for.number, dict(asked_for.settings), begun.id))
            raise KeyboardInterrupt

    def continuing(asked_for):
        if asked_for.resume is None:
            return trained(asked_for)
        with continue_run(home / "runs", asked_for.resume, FACTS, clock) as resumed:
            asked_for.began(resumed.id)
            seen.append((asked_for.number, dict(asked_for.settings), resumed.id))
            resumed.finish({})
        return TrialOutcome(resumed.id, worth(asked_for.settings))

    with pytest.raises(KeyboardInterrupt):
        run(home, interrupted, clock)
    result = run(home, continuing, clock)
    first, second = seen
    assert first == second
    assert (result.trials, result.complete, result.rows[0].attempts) == (4, 4, 2)
    assert [one.state for one in list_runs(home / "runs")] == ["finished"]
    assert list((home / "runs" / ".sweeps").iterdir()) == []


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(home, clock):
    def killing(asked_for):
        raise SystemExit

    for _ in range(3):
        with pytest.raises(SystemExit):
            run(home, killing, clock)
    result = run(home, trained, clock, trials=2)
    assert (result.rows[0].state, result.rows[0].attempts) == ("failed", 3)
    assert (result.trials, result.complete) == (2, 1)


WORKER = """
import sys, time
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.runs import RunFacts, new_run
from alchemiser_cli.rl.sweep import *
home, mode = Path(sys.argv[1]), sys.argv[2]
clock = SystemClock()

def run_trial(asked):
    if mode == "hang":
        run = new_run(home / "runs", RunFacts(command="train td3", dataset="sp500"), clock)
        asked.began(run.id)
        print(run.id, flush=True)
        sys.stdin.read()
    time.sleep(0.05)
    print(asked.number, flush=True)
    return TrialOutcome(f"run-{asked.number}", -asked.settings["learning_rate"])

space = {"learning_rate": Range(1e-5, 1e-3, log=True), "batch_size": Choice((64, 256))}
request = SweepRequest(storage=default_storage(home), space=space, trials=6)
print("ready", flush=True)
sys.stdin.readline()
sweep(request, run_trial, runs_folder=home / "runs", clock=clock)
"""


def started(home, mode):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = subprocess.Popen([sys.executable, "-c", WORKER, str(home), mode], **pipes)
    assert other.stdout.readline() == "ready\n"
    return other


def test_what_a_killed_process_left_is_continued_at_once(home, clock):
    with started(home, "hang") as other:
        other.stdin.write("\n")
        other.stdin.flush()
        left = other.stdout.readline().strip()
        # While it lives, nobody takes its trial.
        assert run(home, None, clock, trials=1).running == 1
        other.kill()
        other.communicate(timeout=30)
    resumed = []

    def continuing(asked_for):
        resumed.append(asked_for.resume)
        return trained(asked_for)

    result = run(home, continuing, clock, trials=2)
    assert resumed == [left, None]
    assert (result.trials, result.complete, result.failed) == (2, 2, 0)


def test_two_processes_share_one_study(home, clock):
    both = [started(home, "work") for _ in range(2)]
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=60)[0].split() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    numbers = sorted(int(number) for numbers in told for number in numbers)
    result = run(home, None, clock, trials=1)
    assert numbers == [row.number for row in result.rows]
    assert 6 <= result.trials <= 7
    assert result.complete == result.trials
    assert len({row.settings["learning_rate"] for row in result.rows}) == result.trials


def test_the_trial_of_another_machine_is_taken_up_after_its_silence(home):
    clock = ManualClock()

    def moved(asked_for):
        asked_for.began("run-elsewhere")
        with create_engine(default_storage(home)).begin() as connection:
            connection.execute(
                text("UPDATE trial_user_attributes SET value_json='\"mars\"' WHERE key='host'")
            )
        raise StudyUnavailableError("x", why="y.", next_step="z.")  # leaves it running

    with pytest.raises(StudyUnavailableError):
        run(home, moved, clock)
    assert run(home, None, clock, trials=1).running == 1
    clock.advance(119)
    assert run(home, None, clock, trials=1).running == 1
    clock.advance(2)
    resumed = []

    def continuing(asked_for):
        resumed.append(asked_for.resume)
        return trained(asked_for)

    assert run(home, continuing, clock, trials=1).complete == 1
    assert resumed == ["run-elsewhere"]


@pytest.mark.provokes("study-unavailable")
def test_a_storage_that_cannot_be_reached_is_named_without_its_password(home, clock, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "damaged.db").write_text("no database, " * 100)
    for url in (
        "postgresql://me:hunter2@127.0.0.1:1/sweeps",  # pragma: allowlist secret
        f"sqlite:///{tmp_path}/file/sweeps.db",
        f"sqlite:///{tmp_path}/damaged.db",
        "no url at all",
        "tape://drive",
    ):
        with pytest.raises(StudyUnavailableError) as caught:
            run(home, trained, clock, storage=url)
        error = caught.value
        assert "hunter2" not in f"{error} {error.why} {error.next_step} {error.context}"
        with pytest.raises(StudyUnavailableError):
            count_trials(url, "td3", clock)


def test_a_short_outage_does_not_lose_what_a_trial_found(home):
    class Mending(ManualClock):
        """A clock during whose waits the storage comes back."""

        def sleep(self, seconds):
            super().sleep(seconds)
            if (home / "away.db").exists():
                (home / "sweeps.db").unlink(missing_ok=True)
                (home / "away.db").rename(home / "sweeps.db")

    def cut_off(asked_for):
        (home / "sweeps.db").rename(home / "away.db")
        (home / "sweeps.db").write_text("no database, " * 100)
        return TrialOutcome("run-0", 1.0)

    clock = Mending()
    result = run(home, cut_off, clock, trials=1)
    assert clock.monotonic_ns() > 0
    assert (result.complete, result.best.run_id) == (1, "run-0")


@pytest.mark.provokes("validation-failed")
def test_a_study_keeps_its_search_space(home, clock):
    run(home, trained, clock, trials=1)
    with pytest.raises(ValidationError, match="another search space"):
        run(home, trained, clock, space={"tau": Range(0.1, 0.2)})


def test_an_unknown_study_has_no_trials(home, clock):
    assert count_trials(default_storage(home), "td3", clock) == 0


def test_the_space_are_settings_of_training_within_their_bounds(home, clock):
    from alchemiser_cli.settings import TrainingSettings

    def validated(asked_for):
        TrainingSettings(**asked_for.settings)
        return TrialOutcome("run", 0.0)

    result = run(home, validated, clock, space=search_space(presets=True), trials=5)
    assert result.complete == 5
    assert set(result.rows[0].settings) == {
        "learning_rate",
        "batch_size",
        "gamma",
        "tau",
        "action_noise",
        "environments",
        "preset",
    }


def test_the_view_has_the_best_first_and_says_how_many_count(home, clock):
    result = run(home, trained, clock, trials=3)
    view = sweep_view(result)
    table, settings, words = view.blocks
    assert table.rows[0][0] == str(result.best.number)
    assert settings.columns[1] == "best"
    assert [row[0] for row in settings.rows] == ["batch_size", "learning_rate"]
    assert "3 trials: 3 complete. All of them count in the deflated Sharpe ratio." in words.text
    assert f"run run-{result.best.number}" in words.text
    assert view.document["trials"] == 3
    assert view.document["best"]["settings"] == result.best.settings


def test_optuna_says_nothing_by_itself(home, clock, capfd):
    run(home, trained, clock)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


PROGRAMS = postgresql_programs()


@pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed here")
def test_a_study_in_postgresql(home, clock):
    with temporary_postgresql(PROGRAMS) as url:
        for trials in (2, 4):
            result = run(home, trained, clock, storage=url, trials=trials)
            assert (result.trials, result.complete) == (trials, trials)
        assert count_trials(url.replace("+psycopg", ""), "td3", clock) == 4
