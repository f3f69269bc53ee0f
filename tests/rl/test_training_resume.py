"""A run that was interrupted goes on as if it had not been, and the proof of that finds a lie."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import (
    ModelExistsError,
    ResumeMismatchError,
    RunNotFoundError,
    RunNotResumableError,
)
from alchemiser_cli.rl.artefacts import list_models
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
from alchemiser_cli.rl.runs import open_run, read_metrics
from alchemiser_cli.rl.training import TrainingRequest, TrainingWatch, verify_resume
from alchemiser_cli.rl.training import saving as saving_stage

# MLflow's own models use a loader that SQLAlchemy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def learning_curve(home, run):
    rows = read_metrics(home / "runs" / run)
    return [{name: row[name] for name in row if name != "at"} for row in rows]


def test_a_signal_leaves_a_checkpoint_and_no_model(home, run_training, stopped_after):
    result = run_training(watch=stopped_after(30))
    assert (result.stopped_by, result.steps, result.model) == ("signal", 120, None)
    assert open_run(home / "runs", "latest").state == "interrupted"
    assert read_checkpoint(home / "runs" / result.run_id / "checkpoints").step == 120
    assert not (home / "models").exists()


@pytest.fixture(scope="module")
def made_once():
    return []


@pytest.fixture
def whole(home, run_training, made_once):
    """The result and the learning curve of a run that nobody interrupted."""
    if not made_once:
        result = run_training()
        made_once.append((result, learning_curve(home, result.run_id)))
    return made_once[0]


@pytest.mark.parametrize("boundaries", [[0], [5], [20], [25, 7], [59]])
def test_an_interrupted_run_becomes_what_it_would_have_become(
    home, run_training, stopped_after, whole, boundaries
):
    """Before the first step, before the first update, at a checkpoint, twice, before the last."""
    expected, curve = whole
    first = run_training(watch=stopped_after(boundaries[0]))
    for more in boundaries[1:]:
        run_training(watch=stopped_after(more), resume=first.run_id)
    resumed = run_training(resume="latest")
    assert resumed.run_id == first.run_id
    assert resumed.resumed_at == 4 * sum(boundaries)
    assert resumed.weights_hash == expected.weights_hash
    assert resumed.scores == expected.scores
    assert learning_curve(home, resumed.run_id) == curve
    assert open_run(home / "runs", resumed.run_id).resumes == len(boundaries)


def test_a_run_can_be_made_longer_and_keeps_its_earlier_model(
    home, run_training, make_request, whole
):
    short = run_training(make_request(timesteps=160))
    longer = run_training(make_request(), resume=short.run_id)
    assert longer.weights_hash == whole[0].weights_hash
    assert longer.model == f"{short.model}-240"
    assert {short.model, longer.model} <= {one.name for one in list_models(home / "models")}


@pytest.mark.parametrize("name", [None, "first"])
def test_a_run_that_was_killed_after_it_had_saved_ends_with_that_model(
    home, run_training, monkeypatch, name
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(saving_stage, "register_model", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training(model=name)
    run = open_run(home / "runs", "latest")
    assert run.state == "interrupted"
    resumed = run_training(resume=run.id, model=name)
    assert [one.name for one in list_models(home / "models")] == [resumed.model]
    assert resumed.model == (name or f"td3-{run.id}")
    assert resumed.registered == "version 1"
    assert [row["step"] for row in learning_curve(home, run.id)] == [100, 200, 240]


def test_a_run_that_was_killed_in_its_first_checkpoint_begins_anew(home, run_training, whole):
    def killed(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training(watch=TrainingWatch(stop=killed))
    run = open_run(home / "runs", "latest").id
    (home / "runs" / run / "checkpoints" / ".writing-17").mkdir(parents=True)
    resumed = run_training(resume=run)
    assert (resumed.resumed_at, resumed.weights_hash) == (None, whole[0].weights_hash)


@pytest.mark.provokes("model-exists")
def test_a_model_of_another_run_stays(home, run_training, stopped_after):
    run_training(model="first")
    second = run_training(watch=stopped_after(5))
    with pytest.raises(ModelExistsError):
        run_training(resume=second.run_id, model="first")
    assert open_run(home / "runs", second.run_id).state == "interrupted"


@pytest.mark.provokes("run-not-resumable")
def test_a_run_is_not_continued_with_other_settings(
    home, run_training, stopped_after, make_request
):
    first = run_training(watch=stopped_after(30))
    with pytest.raises(RunNotResumableError) as caught:
        run_training(make_request(learning_rate=2e-3, seed=9), resume=first.run_id)
    assert "training.learning_rate was 0.001 and is 0.002 now" in caught.value.why
    assert "training.seed" in caught.value.why
    assert run_training(resume=first.run_id).stopped_by == "steps"  # nothing was broken


@pytest.mark.provokes("run-not-resumable")
def test_a_run_is_not_continued_on_other_data(run_training, stopped_after, make_request, tmp_path):
    file = tmp_path / "mine.csv"
    request = make_request()
    lines = Path(request.dataset.removeprefix("file:")).read_text().splitlines()
    file.write_text("\n".join(lines) + "\n")
    mine = dataclasses.replace(request, dataset=f"file:{file}")
    first = run_training(mine, watch=stopped_after(10))
    file.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(RunNotResumableError) as caught:
        run_training(mine, resume=first.run_id)
    assert "data_sha256" in caught.value.why


@pytest.mark.provokes("run-not-resumable")
def test_a_finished_run_has_nothing_to_continue(run_training):
    first = run_training()
    with pytest.raises(RunNotResumableError, match="finished"):
        run_training(resume=first.run_id)


@pytest.mark.provokes("run-not-found")
def test_a_run_that_is_not_there_cannot_be_continued(run_training):
    with pytest.raises(RunNotFoundError):
        run_training(resume="latest")


# --- the proof


def test_the_last_stretch_is_made_again_with_the_same_outcome(home, run_training):
    result = run_training()
    before = sorted(path.name for path in (home / "runs" / result.run_id).rglob("*"))
    proof = verify_resume(home / "runs", "latest", SystemClock())
    assert (proof.run_id, proof.begins_at, proof.ends_at) == (result.run_id, 160, 240)
    assert (len(proof.fingerprint), proof.arrays > 50) == (64, True)
    assert sorted(path.name for path in (home / "runs" / result.run_id).rglob("*")) == before


def test_a_run_with_one_checkpoint_is_made_again_from_its_begin(home, run_training, stopped_after):
    run_training(watch=stopped_after(18))
    proof = verify_resume(home / "runs", "latest", SystemClock())
    assert (proof.begins_at, proof.ends_at) == (0, 72)


def test_a_proof_can_be_stopped(home, run_training, stopped_after):
    run_training()
    assert verify_resume(home / "runs", "latest", SystemClock(), watch=stopped_after(3)) is None


@pytest.mark.provokes("resume-mismatch")
@pytest.mark.parametrize(
    "spoiled", ["policy.actor.mu.0.bias", "replay.rewards", "actor_adam.0.exp_avg"]
)
def test_an_array_that_was_changed_is_found(home, run_training, spoiled):
    run = run_training().run_id
    folder = home / "runs" / run / "checkpoints"
    last = read_checkpoint(folder)
    earlier = read_checkpoint(folder, before=last.step)
    array = last.arrays[spoiled]
    array.flat[0] = np.nextafter(array.flat[0], np.float32(1))
    write_checkpoint(folder, earlier.step, earlier.arrays, earlier.state)
    write_checkpoint(folder, last.step, last.arrays, last.state)
    with pytest.raises(ResumeMismatchError) as caught:
        verify_resume(home / "runs", run, SystemClock())
    assert caught.value.context["arrays"] == [spoiled]


@pytest.mark.provokes("resume-mismatch")
def test_a_random_state_that_was_changed_is_found(home, run_training):
    run = run_training().run_id
    folder = home / "runs" / run / "checkpoints"
    last = read_checkpoint(folder)
    earlier = read_checkpoint(folder, before=last.step)
    last.state["exploration"]["state"]["state"] += "1"
    write_checkpoint(folder, earlier.step, earlier.arrays, earlier.state)
    write_checkpoint(folder, last.step, last.arrays, last.state)
    with pytest.raises(ResumeMismatchError) as caught:
        verify_resume(home / "runs", run, SystemClock())
    assert caught.value.context["differs"] == ["exploration"]


def test_a_run_knows_what_it_was_begun_with(home, run_training, make_request):
    request = make_request()
    run_training(request, watch=TrainingWatch(stop=lambda: True))
    assert TrainingRequest.of(open_run(home / "runs", "latest")) == request
