"""A model artefact proves itself: it is whole, made for these observations, and acts as it did."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from alchemiser_cli.clock import ManualClock
from alchemiser_cli.errors import (
    DiskFullError,
    ModelCorruptError,
    ModelExistsError,
    ModelIncompatibleError,
    ModelNotFoundError,
)
from alchemiser_cli.rl.artefacts import (
    Canary,
    Origin,
    check_files,
    list_models,
    load_artefact,
    model_folder,
    read_passport,
    save_artefact,
    set_evaluation,
    verify_artefact,
    weights_hash,
)
from alchemiser_cli.rl.artefacts.surroundings import git_revision
from alchemiser_cli.rl.artefacts.tensors import encoded, tensors_of

SCHEMA = "5c" * 32
RANDOM = np.random.default_rng(7)
WEIGHTS = {"mu.0.weight": RANDOM.normal(size=(10, 100)).astype("f4"), "scale": np.float32(0.5)}
WEIGHTS = {name: np.asarray(one) for name, one in WEIGHTS.items()}
SEEN = RANDOM.normal(size=(8, 16, 100)).astype("f4")


class Verdict(msgspec.Struct, frozen=True):
    promotable: bool
    reasons: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    verdict: Verdict
    sharpe: float = 1.5


def act(weights, observations):
    return np.tanh(observations[:, -1] @ weights["mu.0.weight"].T * weights["scale"])


def origin(**fields):
    known = {
        "kind": "td3",
        "algorithm": "TD3",
        "observation_schema_hash": SCHEMA,
        "architecture": {"preset": "small", "window": 16},
        "settings": {"training": {"seed": 7}},
        "seeds": {"training": 7},
    }
    return Origin(**(known | fields))


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def save(models):
    def save(name="first", weights=WEIGHTS, canary=None, **options):
        canary = canary or Canary(SEEN, act(WEIGHTS, SEEN))
        return save_artefact(models, name, weights, canary, origin(), ManualClock(), **options)

    return save


def test_a_saved_model_comes_back_as_it_was(models, save):
    saved = save(evaluation=Report(Verdict(promotable=True)), report_html="<p>fine</p>")
    found = load_artefact(models, "first", observation_schema_hash=SCHEMA)
    assert found.passport == saved.passport
    assert found.passport.promotable
    assert {name: one.tolist() for name, one in found.weights.items()} == {
        name: one.tolist() for name, one in WEIGHTS.items()
    }
    assert np.array_equal(found.canary.observations, SEEN)
    assert sorted(found.passport.sha256) == [
        "canary.safetensors",
        "evaluation.json",
        "report.html",
        "weights.safetensors",
    ]
    assert json.loads((found.folder / "evaluation.json").read_text())["sharpe"] == 1.5


def test_the_passport_says_what_it_was_made_with(save):
    passport = save().passport
    assert passport.created_at == "2023-11-14T22:13:20.000000+00:00"
    assert {"python", "numpy", "alchemiser"} <= passport.versions.keys()
    assert passport.weights_hash == weights_hash(WEIGHTS)
    assert (passport.verdict, passport.promotion, passport.registration) == (None, None, None)


def test_only_the_owner_can_read_a_model(models, save):
    folder = save().folder
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(models.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}


def test_equal_weights_have_one_hash_whatever_their_order():
    swapped = dict(reversed(WEIGHTS.items()))
    assert weights_hash(swapped) == weights_hash(WEIGHTS)
    assert weights_hash({**WEIGHTS, "scale": np.float32(0.25)}) != weights_hash(WEIGHTS)


named = st.dictionaries(
    st.text("abc.", min_size=1, max_size=5),
    arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, max_side=4)),
    min_size=1,
    max_size=4,
)


@given(named)
def test_tensors_survive_their_file(tensors):
    found = tensors_of(encoded(tensors))
    assert weights_hash(found) == weights_hash(tensors)


@given(named, named)
def test_the_hash_tells_tensors_apart(one, other):
    same = one.keys() == other.keys() and all(
        one[name].shape == other[name].shape and one[name].tobytes() == other[name].tobytes()
        for name in one
    )
    assert (weights_hash(one) == weights_hash(other)) == same


@pytest.mark.provokes("model-exists")
def test_a_model_is_never_written_over(save):
    save()
    with pytest.raises(ModelExistsError, match="first"):
        save()


@pytest.mark.provokes("disk-full")
def test_a_full_disk_leaves_no_model(models, save, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError):
            save()
    assert [one.name for one in models.iterdir()] == [".lock"]
    save()


KILLED_AT_EACH_WRITE = f"""
import os, sys
from pathlib import Path
import numpy as np
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.rl.artefacts import Canary, Origin, list_models, load_artefact, save_artefact
origin = Origin(kind="td3", algorithm="TD3", observation_schema_hash="{SCHEMA}", architecture={{}},
                settings={{}}, seeds={{}})
weights = {{"w": np.arange(10.0, dtype="f4")}}
canary = Canary(np.zeros((1, 2), "f4"), np.zeros((1, 1), "f4"))
save = lambda: save_artefact(models, "first", weights, canary, origin, ManualClock())
for deadly in range(100):
    models = Path(sys.argv[1]) / str(deadly)
    child = os.fork()
    if child == 0:
        left = iter(range(deadly))
        sync = os.fsync
        os.fsync = lambda fd: sync(fd) if next(left, None) is not None else os.kill(os.getpid(), 9)
        save()
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    visible = [one.name for one in list_models(models)]
    if visible:
        load_artefact(models, "first")
    else:
        save()
    assert not list(models.glob(".saving-*")), "what was left is removed by the next"
    print(int(killed), len(visible))
    if not killed:
        break
"""


def test_a_kill_at_any_write_leaves_a_whole_model_or_none(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_WRITE, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")[:-1]
    assert lines[0] == "1 0"
    assert lines[-1] == "0 1"
    assert lines.count("1 0") >= 5


# --- names


@pytest.mark.parametrize("written", ["first", "models/first", "models/first/", "promoted"])
def test_every_form_of_a_name_leads_to_the_model(models, save, written):
    save()
    (models / "promoted.json").write_text('{"name": "first"}')
    assert load_artefact(models, written).folder == models / "first"


@pytest.mark.provokes("model-not-found")
@pytest.mark.parametrize(
    "written",
    ["..", "../first", "models/../x", "/etc", "a/b", "", ".hidden", "x\0", "x.json", "promoted"],
)
def test_what_no_model_can_be_called_leads_nowhere(models, written):
    with pytest.raises(ModelNotFoundError):
        model_folder(models, written)


@given(st.text())
def test_no_name_leads_out_of_the_folder_of_models(written):
    models = Path("/home/models")
    try:
        folder = model_folder(models, written)
    except ModelNotFoundError:
        return
    assert folder.parent == models
    assert not folder.name.startswith(".")


def test_an_alias_that_leads_out_is_none(models, save):
    save()
    (models / "promoted.json").write_text('{"name": "../../etc"}')
    with pytest.raises(ModelNotFoundError):
        load_artefact(models, "promoted")


def test_models_are_listed_with_those_that_cannot_be_read(models, save):
    save("second")
    save("first")
    (models / "broken").mkdir()
    (models / ".saving-x").mkdir()
    (models / "note.txt").write_text("-")
    found = list_models(models)
    assert [one.name for one in found] == ["broken", "first", "second"]
    assert found[0].passport is None
    assert "passport.json is missing" in found[0].fault
    assert found[1].bytes > SEEN.nbytes


# --- damage


def faults_of(models):
    with pytest.raises(ModelCorruptError) as caught:
        load_artefact(models, "first")
    return caught.value.why


@pytest.mark.provokes("model-corrupt")
@pytest.mark.parametrize("name", ["weights.safetensors", "canary.safetensors"])
def test_one_flipped_bit_is_found(models, save, name):
    file = save().folder / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert f"{name} has another SHA-256" in faults_of(models)


def test_a_link_is_refused_though_its_content_is_right(models, save, tmp_path):
    file = save().folder / "weights.safetensors"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "weights.safetensors is a link" in faults_of(models)


def test_a_linked_folder_is_refused(models, save, tmp_path):
    save().folder.rename(tmp_path / "elsewhere")
    (models / "first").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in faults_of(models)


def test_a_pipe_in_the_place_of_a_file_does_not_hang(models, save):
    file = save().folder / "weights.safetensors"
    file.unlink()
    os.mkfifo(file)
    assert "is not a regular file" in faults_of(models)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "passport.json"),
        (b'{"schema_version": 1}', "missing required field"),
        (b"[1]", "Expected `object`"),
    ],
)
def test_a_passport_that_is_none_is_found(models, save, content, expected):
    (save().folder / "passport.json").write_bytes(content)
    assert expected in faults_of(models)


def rewrite(folder, **changes):
    _, passport = read_passport(folder.parent, folder.name)
    changed = msgspec.structs.replace(passport, **changes)
    (folder / "passport.json").write_bytes(msgspec.json.encode(changed))


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", ".."])
def test_a_passport_cannot_point_out_of_the_artefact(models, save, name):
    saved = save()
    rewrite(saved.folder, sha256=saved.passport.sha256 | {name: "0"})
    assert "lies outside the artefact" in faults_of(models)


def test_a_passport_must_know_the_weights(models, save):
    rewrite(save().folder, sha256={})
    assert "weights.safetensors is not in the passport" in faults_of(models)


def test_weights_that_are_no_tensors_are_damage(models, save):
    saved = save()
    content = b"\x80\x04\x95" * 30  # the beginning of a pickle
    (saved.folder / "weights.safetensors").write_bytes(content)
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    rewrite(saved.folder, sha256=saved.passport.sha256 | {"weights.safetensors": digest})
    assert "no tensors" in faults_of(models)


def test_an_extra_file_is_reported_and_never_read(models, save):
    folder = save().folder
    (folder / "model.pkl").write_bytes(b"\x80")
    assert load_artefact(models, "first").extra == ("model.pkl",)
    assert not check_files(*read_passport(models, "first")).faults


@pytest.mark.provokes("model-incompatible")
def test_other_observations_are_refused(models, save):
    save()
    with pytest.raises(ModelIncompatibleError, match="other observations"):
        load_artefact(models, "first", observation_schema_hash="00" * 32)


@pytest.mark.provokes("model-incompatible")
def test_the_passport_of_a_newer_version_is_not_damage(models, save):
    (save().folder / "passport.json").write_text('{"schema_version": 2, "else": {}}')
    with pytest.raises(ModelIncompatibleError, match="newer alchemiser"):
        load_artefact(models, "first")


# --- verification


def results(found):
    return {one.name: one.result for one in found.proofs}


def test_a_model_that_acts_as_it_did_is_verified(save):
    found = verify_artefact(save(), act, observation_schema_hash=SCHEMA)
    assert found.passed
    assert set(results(found).values()) == {"passed"}
    found.refuse()


def test_what_cannot_be_proven_is_skipped(save):
    found = verify_artefact(save())
    assert (found.passed, results(found)["canary"]) == (True, "skipped")


@pytest.mark.provokes("model-incompatible")
@pytest.mark.parametrize(
    "prove",
    [
        lambda weights, seen: act(weights, seen) + 0.01,
        lambda weights, seen: act(weights, seen)[:, :3],
        lambda weights, seen: act(weights, seen) * np.nan,
        lambda weights, _seen: weights["no such layer"],
    ],
    ids=["other actions", "other shape", "nan", "raises"],
)
def test_a_network_that_acts_otherwise_is_incompatible(save, prove):
    found = verify_artefact(save(), prove)
    assert results(found)["canary"] == "failed"
    with pytest.raises(ModelIncompatibleError):
        found.refuse()


@pytest.mark.provokes("model-corrupt")
def test_weights_that_are_not_finite_are_damage(save):
    weights = {**WEIGHTS, "scale": np.array(np.inf, "f4")}
    found = verify_artefact(save(weights=weights), act, observation_schema_hash="00" * 32)
    assert results(found) == {
        "files": "passed",
        "observations": "failed",
        "weights": "failed",
        "canary": "skipped",
    }


def test_damage_since_it_was_loaded_is_found(save):
    saved = save()
    (saved.folder / "canary.safetensors").unlink()
    assert results(verify_artefact(saved, act))["files"] == "failed"


# --- evaluation


def test_a_new_evaluation_replaces_the_old_one(models, save):
    save(evaluation=Report(Verdict(promotable=True)), report_html="<p>old</p>")
    verdict = Verdict(promotable=False, reasons=("No edge.",))
    set_evaluation(models, "first", Report(verdict, 0.1))
    found = load_artefact(models, "first")
    assert found.passport.verdict.reasons == ("No edge.",)
    assert "report.html" not in found.passport.sha256
    assert found.extra == ()


def test_an_evaluation_that_was_interrupted_leaves_a_whole_model_without_one(
    models, save, monkeypatch
):
    from alchemiser_cli.rl.artefacts import saving

    save(evaluation=Report(Verdict(promotable=True)))
    write = saving.write_file

    def interrupted(path, content):
        if path.name == "evaluation.json":
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(saving, "write_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            set_evaluation(models, "first", Report(Verdict(promotable=True)))
    found = load_artefact(models, "first")
    assert (found.passport.verdict, found.extra) == (None, ("evaluation.json",))


# --- where it was made


def test_a_package_that_is_not_under_version_control_has_no_revision(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    assert git_revision(tmp_path) is None


def test_a_machine_without_git_has_no_revision(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git_revision() is None


def test_a_package_in_a_repository_has_its_commit(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    name = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for arguments in (("init", "-q"), ("add", "."), (*name, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    clean = git_revision(tmp_path)
    assert len(clean) == 40
    (tmp_path / "__init__.py").write_text("changed")
    assert git_revision(tmp_path) == f"{clean}-dirty"
