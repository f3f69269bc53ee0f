"""A run says what it was begun with, is run by one process, and goes on only as it began."""

import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    DiskFullError,
    RunNotFoundError,
    RunNotResumableError,
    TrainingStageError,
)
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
from alchemiser_cli.rl.runs import (
    RunFacts,
    continue_run,
    differences,
    find_run,
    list_runs,
    new_run,
    open_run,
    package_versions,
    read_result,
)

FACTS = RunFacts(
    command="train td3",
    dataset="sp500",
    data_sha256="ab" * 32,
    options={"commission": 0.65},
    training={"timesteps": 1_000, "checkpoint_every": 100, "learning_rate": 1e-4, "threads": None},
    seeds=(1,),
    threads=2,
    versions={"torch": "2.9.0", "numpy": "2.3.0"},
)


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def clock():
    return ManualClock()


def ended(runs, clock, end=None):
    """Return the id of a run that ended as ``end`` does it, or was left as by a dead process."""
    with new_run(runs, FACTS, clock) as run:
        if end is not None:
            end(run)
    clock.advance(60)
    return run.id


def now(**changes):
    return msgspec.structs.replace(FACTS, **changes)


def test_a_new_run_is_private_and_says_what_it_was_begun_with(runs, clock):
    with new_run(runs, FACTS, clock) as run:
        assert run.id.startswith("20231114-221320-")
        seen = open_run(runs, run.id)
        assert (seen.state, seen.pid, seen.facts) == ("running", os.getpid(), FACTS)
        assert seen.started_at == "2023-11-14T22:13:20.000000+00:00"
        run.add_metrics(100, {"loss": np.float32(0.5)})
        write_checkpoint(run.checkpoints, 100, {"w": np.zeros(2)}, {})
        run.finish({"reward": np.float64(1.5)})
    assert read_checkpoint(run.checkpoints).step == 100
    assert read_result(run.folder) == {"reward": 1.5}
    assert open_run(runs, run.id).state == "finished"
    assert runs.stat().st_mode & 0o777 == run.folder.stat().st_mode & 0o777 == 0o700
    files = [one for one in run.folder.iterdir() if one.is_file()]
    assert {one.name for one in files} == {"run.json", "run.lock", "metrics.jsonl", "result.json"}
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}


def test_runs_are_listed_from_the_newest(runs, clock):
    assert list_runs(runs) == []
    first, second, third = (ended(runs, clock) for _ in range(3))
    (runs / "not-a-run").mkdir()
    assert [one.id for one in list_runs(runs)] == [third, second, first]


def test_a_run_is_found_by_id_by_its_begin_and_as_the_latest(runs, clock):
    first, second = (ended(runs, clock) for _ in range(2))
    assert find_run(runs, first) == runs / first
    assert open_run(runs, second[:15]).id == second
    assert open_run(runs, "latest").id == second


@pytest.mark.provokes("run-not-found")
def test_an_unknown_run_is_answered_with_the_nearest(runs, clock):
    with pytest.raises(RunNotFoundError) as caught:
        open_run(runs, "latest")
    assert "There is no run in" in caught.value.why
    first, second = (ended(runs, clock) for _ in range(2))
    for wanted, words in [("20231114-22132", "no run is called"), ("", "no run"), ("x/..", "no")]:
        with pytest.raises(RunNotFoundError, match=words) as caught:
            open_run(runs, wanted + "9")
        assert first in caught.value.next_step or second in caught.value.next_step
    with pytest.raises(RunNotFoundError, match="2 runs begin with '2023'"):
        open_run(runs, "2023")


@pytest.mark.parametrize(
    ("error", "state", "stage", "code"),
    [
        (None, "interrupted", None, None),
        (KeyboardInterrupt(), "interrupted", None, None),
        (ZeroDivisionError(), "failed", "learning", "internal-error"),
        (
            TrainingStageError("x", why="y.", next_step="z.", context={"stage": "saving"}),
            "failed",
            "saving",
            "training-stage-failed",
        ),
    ],
)
def test_the_end_of_the_block_decides_what_became_of_it(runs, clock, error, state, stage, code):
    try:
        with new_run(runs, FACTS, clock) as run:
            if error is not None:
                raise error
    except (KeyboardInterrupt, ZeroDivisionError, TrainingStageError):
        pass
    seen = open_run(runs, run.id)
    assert (seen.state, seen.stage, seen.code) == (state, stage, code)
    with continue_run(runs, run.id, FACTS, clock) as again:
        assert (again.record.state, again.record.stage, again.record.code) == (
            "running",
            None,
            None,
        )


def test_progress_is_kept_up_to_the_checkpoint_that_is_continued(runs, clock):
    with new_run(runs, FACTS, clock) as run:
        for step in (100, 200, 300):
            run.add_metrics(step, {"loss": float("nan") if step == 200 else 0.5})
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step":400,"lo')  # as a crash leaves it
    with continue_run(runs, "latest", FACTS, clock) as run:
        assert [row["step"] for row in run.metrics()] == [100, 200, 300]
        run.cut_metrics(200)
        run.add_metrics(250, {"loss": 0.25})
        assert [(row["step"], row["loss"]) for row in run.metrics()] == [
            (100, 0.5),
            (200, None),
            (250, 0.25),
        ]
        assert run.record.resumes == 1


@pytest.mark.provokes("disk-full")
def test_progress_on_a_full_disk(runs, clock):
    with new_run(runs, FACTS, clock) as run:
        assert read_result(run.folder) is None
        (run.folder / "metrics.jsonl").symlink_to("/dev/full")
        with pytest.raises(DiskFullError, match="progress of run"):
            run.add_metrics(1, {})


CONTINUER = """
import sys
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.rl.runs import RunFacts, continue_run, new_run
runs = Path(sys.argv[1])
run = new_run(runs, RunFacts(command="train td3", dataset="sp500"), SystemClock())
print(run.id, flush=True)
sys.stdin.read()
"""


@pytest.mark.provokes("run-not-resumable")
def test_two_processes_never_continue_one_run(runs, clock):
    facts = RunFacts(command="train td3", dataset="sp500")
    command = [sys.executable, "-c", CONTINUER, str(runs)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:
        run_id = other.stdout.readline().strip()
        assert open_run(runs, run_id).state == "running"
        with pytest.raises(RunNotResumableError, match=f"process {other.pid}") as caught:
            continue_run(runs, run_id, facts, clock)
        assert caught.value.context["pid"] == other.pid
        other.kill()
        other.communicate(timeout=30)
    assert open_run(runs, run_id).state == "interrupted"
    with continue_run(runs, run_id, facts, clock) as run:
        assert open_run(runs, run_id).pid == os.getpid()
        run.finish({})


@pytest.mark.provokes("run-not-resumable")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {**FACTS.training, "learning_rate": 1e-3}}, "training.learning_rate"),
        ({"options": {}}, "options.commission was 0.65 and is None now"),
        ({"data_sha256": "cd" * 32}, "data_sha256"),
        ({"dataset": "heston"}, "dataset was sp500 and is heston now"),
        ({"threads": 1}, "threads was 2 and is 1 now"),
        ({"seeds": (2,)}, "seeds"),
        ({"versions": {**FACTS.versions, "torch": "2.9.1"}}, "version of torch was 2.9.0"),
    ],
)
def test_what_changes_the_result_must_be_as_it_was(runs, clock, changes, said):
    run_id = ended(runs, clock)
    with pytest.raises(RunNotResumableError, match="1 thing differs") as caught:
        continue_run(runs, run_id, now(**changes), clock)
    assert said in caught.value.why
    with continue_run(runs, run_id, FACTS, clock):
        pass  # the refusal gave the lock back


def test_every_difference_is_named(runs, clock):
    found = differences(FACTS, now(threads=1, options={}, versions={"python": "3.12"}))
    assert [one.name for one in found] == [
        "threads",
        "options.commission",
        "version of torch",
        "version of numpy",
    ]


def test_duration_and_frequency_of_checkpoints_are_free(runs, clock):
    run_id = ended(runs, clock)
    training = {**FACTS.training, "timesteps": 2_000, "checkpoint_every": 50}
    with continue_run(runs, run_id, now(training=training), clock) as run:
        assert run.record.facts.training["timesteps"] == 2_000


@pytest.mark.provokes("run-not-resumable")
def test_a_finished_run_goes_on_only_if_it_is_to_last_longer(runs, clock):
    run_id = ended(runs, clock, lambda run: run.finish({}))
    with pytest.raises(RunNotResumableError, match="is finished"):
        continue_run(runs, run_id, FACTS, clock)
    longer = {**FACTS.training, "timesteps": 2_000}
    with continue_run(runs, run_id, now(training=longer), clock) as run:
        assert run.record.state == "running"


def test_the_versions_are_those_of_what_is_installed():
    versions = package_versions()
    assert versions["numpy"] == np.__version__
    assert {"python", "alchemiser", "torch", "stable-baselines3", "gymnasium"} <= set(versions)
