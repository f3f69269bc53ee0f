"""A checkpoint is whole or not there; what was written comes back exactly."""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from alchemiser_cli.errors import ResumeMismatchError, RunNotResumableError, ValidationError
from alchemiser_cli.rl.checkpoints import (
    fingerprint,
    prove_equal,
    read_checkpoint,
    write_checkpoint,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
DTYPES = st.sampled_from(["bool", "u1", "i1", "i2", "i4", "i8", "u8", "f2", "f4", "f8"])
ARRAYS = st.dictionaries(
    NAMES.filter(lambda name: name != "__metadata__"),
    DTYPES.flatmap(lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0))),
    max_size=5,
)
STATE = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    ),
    max_size=5,
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


def written(folder, *steps):
    for step in steps:
        write_checkpoint(folder, step, {"w": np.full(100, step, np.float32)}, {"step": step})


def test_what_was_written_comes_back(folder):
    generator = np.random.default_rng(1)
    generator.random(7)
    state = {"rng": generator.bit_generator.state, "best": -math.inf, "lost": math.nan}
    arrays = {"w": generator.normal(size=(16, 100)).astype(np.float32), "n": np.array(3)}
    done = write_checkpoint(folder, 25_000, arrays, state)
    read = read_checkpoint(folder)
    assert (read.step, read.folder, read.skipped) == (25_000, done.folder, ())
    assert fingerprint(read.arrays) == fingerprint(arrays)
    assert read.state["rng"] == state["rng"]
    assert read.state["best"] == -math.inf
    assert math.isnan(read.state["lost"])


@settings(max_examples=40)
@given(arrays=ARRAYS, state=STATE)
def test_every_array_and_state_comes_back_bit_for_bit(arrays, state):
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), 1, arrays, state)
        read = read_checkpoint(Path(folder))
    assert fingerprint(read.arrays) == fingerprint(arrays)
    assert read.state == state


def test_an_array_that_is_not_contiguous_is_written_as_it_reads(folder):
    whole = np.arange(24.0).reshape(4, 6)
    write_checkpoint(folder, 1, {"t": whole.T, "s": whole[::2, ::3]}, {})
    read = read_checkpoint(folder).arrays
    np.testing.assert_array_equal(read["t"], whole.T)
    np.testing.assert_array_equal(read["s"], whole[::2, ::3])


def test_the_newest_two_are_kept_and_nothing_else(folder):
    written(folder, 10, 20, 30, 40)
    assert sorted(one.name for one in folder.iterdir()) == ["000003-30", "000004-40"]


def test_only_the_owner_can_read_one(folder):
    written(folder / "run" / "checkpoints", 1)
    [checkpoint] = (folder / "run" / "checkpoints").iterdir()
    assert checkpoint.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in checkpoint.iterdir()} == {0o600}
    assert (folder / "run" / "checkpoints").stat().st_mode & 0o777 == 0o700


def test_a_step_that_is_written_again_is_the_newest(folder):
    written(folder, 10, 20)
    write_checkpoint(folder, 10, {}, {"again": True})
    assert read_checkpoint(folder).state == {"again": True}


@pytest.mark.parametrize("file", ["arrays.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_one_is_skipped_and_named(folder, file, damage):
    written(folder, 10, 20)
    victim = folder / "000002-20" / file
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    match damage:
        case "flip":
            victim.write_bytes(content)
        case "cut":
            victim.write_bytes(content[:-1])
        case "remove":
            victim.unlink()
    read = read_checkpoint(folder)
    assert read.step == 10
    assert [one.folder.name for one in read.skipped] == ["000002-20"]
    assert read.skipped[0].why


def test_a_torn_one_never_pushes_out_a_whole_one(folder):
    written(folder, 10, 20)
    (folder / "000002-20" / "state.json").unlink()
    written(folder, 30)
    assert sorted(one.name for one in folder.iterdir()) == ["000001-10", "000003-30"]


@pytest.mark.provokes("run-not-resumable")
def test_without_a_whole_one_nothing_can_be_resumed(folder):
    with pytest.raises(RunNotResumableError, match="no whole checkpoint"):
        read_checkpoint(folder / "none")
    written(folder, 10)
    (folder / "000001-10" / "manifest.json").write_bytes(b"{")
    with pytest.raises(RunNotResumableError) as caught:
        read_checkpoint(folder)
    assert "manifest.json cannot be read" in caught.value.why
    assert caught.value.context["damaged"] == ["000001-10"]


@pytest.mark.provokes("validation-failed")
def test_a_state_that_json_cannot_hold_is_refused_before_anything_is_written(folder):
    with pytest.raises(ValidationError, match="JSON"):
        write_checkpoint(folder, 1, {}, {"policy": object()})
    assert list(folder.iterdir()) == []


LIMITED = """
import resource, sys
import numpy as np
from pathlib import Path
from alchemiser_cli.errors import DiskFullError
from alchemiser_cli.rl.checkpoints import read_checkpoint, write_checkpoint
folder = Path(sys.argv[1])
write_checkpoint(folder, 1, {"w": np.zeros(10)}, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
for arrays, state in [({"w": np.zeros(1_000_000)}, {}), ({}, {"long": "x" * 100_000})]:
    try:
        write_checkpoint(folder, 2, arrays, state)
    except DiskFullError as error:
        print(error.code, read_checkpoint(folder).step, len(list(folder.iterdir())))
"""


@pytest.mark.provokes("disk-full")
def test_without_room_the_earlier_one_stays(folder, provoked):
    script = [sys.executable, "-c", LIMITED, str(folder)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["disk-full 1 1"] * 2
    provoked.add(done.stdout.split()[0])


def test_the_manifest_seals_both_files(folder):
    written(folder, 10)
    manifest = json.loads((folder / "000001-10" / "manifest.json").read_text())
    assert set(manifest["files"]) == {"arrays.safetensors", "state.json"}
    assert all(len(seal["sha256"]) == 64 for seal in manifest["files"].values())


def test_a_fingerprint_sees_name_dtype_shape_and_every_bit():
    base = {"w": np.zeros((2, 3), np.float32)}
    others = [
        {"v": base["w"]},
        {"w": base["w"].astype(np.int32)},
        {"w": base["w"].reshape(3, 2)},
        {"w": -base["w"]},
    ]
    assert len({fingerprint(one) for one in [base, *others]}) == 5
    assert fingerprint({"w": base["w"].T.copy().T}) == fingerprint(base)


def test_equal_weights_are_proven_by_their_fingerprint():
    weights = {"w": np.arange(6.0)}
    assert prove_equal(weights, {"w": np.arange(6.0)}, run="a") == fingerprint(weights)


@pytest.mark.provokes("resume-mismatch")
def test_weights_that_differ_are_named_with_their_distance():
    weights = {"a": np.zeros(4), "b": np.zeros(4), "c": np.zeros(4), "same": np.ones(2)}
    other = {"a": np.array([0, 0, 0, 0.5]), "b": np.zeros(3), "d": np.zeros(1), "same": np.ones(2)}
    with pytest.raises(ResumeMismatchError, match="4 of 5 arrays differ") as caught:
        prove_equal(weights, other, run="20231114-1")
    assert "a: 1 of 4 values, by 0.5" in caught.value.why
    assert "b: float64(3,) instead of float64(4,)" in caught.value.why
    assert "c: the resumed one lacks it" in caught.value.why
    assert "d: only the resumed one has it" in caught.value.why


@pytest.mark.parametrize(
    ("found", "said"),
    [(-0.0, "sign of a zero"), (np.nan, "1 of 2 values, by inf"), (np.inf, "by inf")],
)
def test_what_cannot_be_subtracted_is_a_difference_too(found, said):
    with pytest.raises(ResumeMismatchError) as caught:
        prove_equal({"w": np.array([np.nan, 0.0])}, {"w": np.array([np.nan, found])}, run="a")
    assert said in caught.value.why
