"""``shm``: each state of a segment made for real, shown, and repaired or refused."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.exits import ExitCode
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import Provenance, Segment, WeightSegment, read_header

# Publishes three times and dies at the given point of the fourth, or lives on.
WRITER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import Provenance, WeightSegment

segment = WeightSegment(ShmSettings(directory=Path(sys.argv[1])), "policy", SystemClock())
filled = lambda number: {"actor.weight": np.full((100, 10), number, np.float32)}
run = Provenance(training_run="run-17", data_hash="ab12", git_revision="f00ba")
writer = segment.writer(filled(0), provenance=run)
for number in range(1, 4):
    writer.publish(filled(number), step=1_000 * number)
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
point = sys.argv[2]
if point == "idle":
    die()
elif point == "payload":
    writer.segment.commit = die
    writer.publish(filled(4))
elif point == "live":
    print("up", flush=True)
    signal.pause()
else:  # between the mark COMPLETE and the published word
    words = writer.segment.mapping.words
    published = words[32]
    writer.publish(filled(4), step=4_000)
    words[32] = published
    die()
"""
MASKS = [
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:\+00:00|Z)"), "<time>"),
    (re.compile(r"\b\d+ s\b"), "<age>"),
    (re.compile(r"(process|writer {7}) ?\d+"), r"\1 <pid>"),
    (re.compile(r"state [RSD]\b"), "state <letter>"),
    (re.compile(r"user \d+"), "user <id>"),
    (re.compile(r"alchemiser-policy-[\w.-]+\.segment"), "<copy>"),
    (re.compile(r" +\d+ (alive|gone|idle) +"), r"  <pid> \1  "),
    (re.compile(r"(\w) {3,}"), r"\1  "),  # the width of a column is that of a pid or an age
]


@pytest.fixture
def folder():
    root = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a test's own folder
    with tempfile.TemporaryDirectory(prefix=".shm-cli-", dir=root) as folder:
        yield Path(folder)


@pytest.fixture
def file(folder):
    return folder / "alchemiser-policy"


@pytest.fixture
def shm(cli, folder):
    return lambda *arguments: cli("--set", f"shm.directory={folder}", "shm", *arguments)


@pytest.fixture
def made(folder):
    """Run a writer that is killed at ``point``."""

    def run(point):
        script = [sys.executable, "-c", WRITER, str(folder), point]
        assert subprocess.run(script, timeout=60, check=False).returncode == -signal.SIGKILL

    return run


@pytest.fixture
def golden(masked, folder, file_regression):
    def check(*results):
        text = masked("\n".join(one.stdout for one in results)).replace(str(folder), "FOLDER")
        for pattern, name in MASKS:
            text = pattern.sub(name, text)
        file_regression.check(text)

    return check


def flip(file, offset):
    with file.open("r+b") as opened:
        opened.seek(offset)
        (old,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([old ^ 4]))


def header(file):
    with file.open("rb") as opened:
        return read_header(opened.fileno()).header


def document(result, code=ExitCode.OK):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_no_segment_says_what_to_do(shm):
    result = shm("status")
    assert result.exit_code == ExitCode.OK
    assert "alchemiser shm drill" in result.stdout
    assert document(shm("status", "-o", "json"))["segments"] == []


def test_killed_mid_payload(made, shm, golden, home):
    made("payload")
    inspected, planned = shm("inspect", "policy"), shm("repair", "policy")
    assert (inspected.exit_code, planned.exit_code) == (ExitCode.OK, ExitCode.OK)
    done = shm("repair", "policy", "--apply")
    assert done.exit_code == ExitCode.OK
    golden(inspected, planned, done)
    (copy,) = (home / "forensics").iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert document(shm("inspect", "policy", "-o", "json"))["verdict"] == "healthy"


def test_killed_before_publish(made, shm, golden):
    made("publish")
    results = shm("inspect", "policy"), shm("repair", "policy"), shm("repair", "policy", "--adopt")
    done = document(shm("repair", "policy", "--adopt", "--apply", "-o", "json"))
    assert (done["applied"], done["generation"]) == (True, 4)
    golden(*results)


def test_published_slot_corrupt(made, shm, golden, file):
    made("idle")
    flip(file, header(file).slot_at(0) + 600)
    inspected, planned = shm("inspect", "policy"), shm("repair", "policy")
    assert inspected.exit_code == ExitCode.CORRUPT
    assert shm("status").exit_code == ExitCode.CORRUPT
    golden(inspected, planned, shm("repair", "policy", "--apply"))
    assert shm("status").exit_code == ExitCode.OK


def test_header_corrupt(made, shm, golden, file):
    made("idle")
    flip(file, 100)
    inspected, planned = shm("inspect", "policy"), shm("repair", "policy")
    assert inspected.exit_code == ExitCode.CORRUPT
    found = document(shm("inspect", "policy", "-o", "json"), ExitCode.CORRUPT)
    assert found["header"] == {"problem": "corrupt", "spare": True}
    golden(inspected, planned, shm("repair", "policy", "--apply"))
    assert document(shm("inspect", "policy", "-o", "json"))["tensors"][0]["norm"] > 0


def test_orphan(made, cli, golden, folder):
    made("idle")

    def shm(*arguments):
        expired = ("--set", f"shm.directory={folder}", "--set", "shm.max_age_s=0.001")
        return cli(*expired, "shm", *arguments)

    assert shm("status").exit_code == ExitCode.OK
    assert shm("status", "--fail-on", "warning").exit_code == ExitCode.DEGRADED
    results = shm("inspect", "policy"), shm("repair", "policy"), shm("repair", "policy", "--prune")
    golden(*results, shm("repair", "policy", "--prune", "--apply"))
    assert list(folder.iterdir()) == []


@pytest.mark.provokes("segment-writer-alive")
def test_live_owner(shm, golden, folder):
    script = [sys.executable, "-c", WRITER, str(folder), "live"]
    with (
        subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as owner,
        ExitStack() as stack,
    ):
        stack.callback(owner.kill)
        assert owner.stdout.readline() == "up\n"
        healthy = shm("repair", "policy")
        assert healthy.exit_code == ExitCode.OK
        refused = shm("repair", "policy", "--prune", "--apply")
        assert refused.exit_code == ExitCode.REFUSED
        assert f"process {owner.pid}" in refused.stderr
        assert shm("rollback", "policy").exit_code == ExitCode.REFUSED
        golden(shm("inspect", "policy"), healthy, refused)
    assert shm("rollback", "policy").exit_code == ExitCode.OK


@pytest.fixture
def published(folder):
    """A writer that gave its lease back after two generations, and a reader that saw one."""
    segment = WeightSegment(ShmSettings(directory=folder), "policy", SystemClock())
    weights = {"w": np.ones(3, np.float32)}
    with (
        segment.writer(weights, provenance=Provenance(training_run="r1")) as writer,
        segment.reader() as reader,
    ):
        writer.publish(weights, step=1)
        reader.poll()
        writer.publish(weights, step=2)
        yield


def test_the_json_of_inspect_is_the_contract(published, shm):
    found = document(shm("inspect", "policy", "-o", "json"))
    assert (found["name"], found["verdict"], found["generation"]) == ("policy", "healthy", 2)
    assert found["age_s"] >= 0
    assert set(found["slots"][0]) >= {"index", "generation", "state", "checksum_ok"}
    assert (found["writer"]["pid"], found["writer"]["alive"]) == (os.getpid(), True)
    assert found["writer"]["evidence"].startswith("the kernel holds its lock")
    assert [(one["pid"], one["lag"]) for one in found["readers"]] == [(os.getpid(), 1)]
    assert found["tensors"] == [
        {"name": "w", "dtype": "F32", "shape": [3], "norm": pytest.approx(3**0.5), "nan_count": 0}
    ]
    assert (found["provenance"]["training_run"], found["provenance"]["step"]) == ("r1", 2)
    assert re.fullmatch("[0-9a-f]{16}", found["header"]["schema_hash"])
    assert found["next_step"]


def test_status_shows_every_segment_also_one_that_cannot_be_opened(published, shm, folder, golden):
    class Beat(msgspec.Struct):
        n: int

    beats = Segment(ShmSettings(directory=folder), "beats", Beat, SystemClock())
    with beats.writer() as writer:
        writer.publish(Beat(1))
    (folder / "alchemiser-link").symlink_to("/dev/null")
    (folder / "alchemiser-text").write_text("of another program")
    (folder / "alchemiser-text").chmod(0o600)
    result = shm("status")
    assert result.exit_code == ExitCode.CORRUPT
    golden(result)
    rows = document(shm("status", "-o", "json"), ExitCode.CORRUPT)["segments"]
    assert [one["name"] for one in rows] == ["beats", "link", "policy", "text"]


@pytest.mark.provokes("segment-foreign")
def test_a_file_of_another_program_is_not_repaired(shm, file):
    file.write_text("of another program" * 100)
    for options in ((), ("--apply",), ("--prune", "--apply")):
        result = shm("repair", "policy", *options)
        assert result.exit_code == ExitCode.REFUSED
        assert "error[segment-foreign]" in result.stderr
    assert file.read_text().startswith("of another program")


@pytest.mark.provokes("segment-not-found", "generation-not-found")
def test_what_is_not_there_is_not_found(made, shm):
    assert shm("inspect", "policy").exit_code == ExitCode.NOT_FOUND
    assert shm("repair", "policy").exit_code == ExitCode.NOT_FOUND
    made("idle")
    result = shm("rollback", "policy", "--to", "99")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "the slots hold [1, 2, 3]" in result.stderr


def test_rollback_says_from_which_to_which(made, shm):
    made("idle")
    assert document(shm("rollback", "policy", "-o", "json")) == {
        "schema_version": 1,
        "segment": "policy",
        "before": 3,
        "source": 2,
        "generation": 4,
    }
    found = document(shm("inspect", "policy", "-o", "json"))
    assert (found["generation"], found["provenance"]["step"]) == (4, 2_000)


def test_a_drill_finds_no_torn_read_and_leaves_nothing_behind(shm, folder):
    found = document(shm("drill", "--kills", "4", "--size", "0.5", "-o", "json"))
    assert (found["kills"], found["torn_reads"], found["went_back"]) == (4, 0, 0)
    assert (found["passed"], found["verdict"]) == (True, "healthy")
    assert found["reads"] > 0
    assert found["recovery_max_ms"] > 0
    assert list(folder.iterdir()) == []


@pytest.mark.provokes("segment-create-failed")
def test_a_drill_without_a_folder_says_so(cli, tmp_path):
    result = cli("--set", f"shm.directory={tmp_path / 'gone'}", "shm", "drill")
    assert result.exit_code == ExitCode.FAILED
    assert "error[segment-create-failed]" in result.stderr


def test_an_interrupted_drill_cleans_up(process, folder):
    drill = process("--set", f"shm.directory={folder}", "shm", "drill", "--kills", "100000")
    while not list(folder.glob(".alchemiser-drill-*/alchemiser-drill")):
        assert drill.poll() is None
    drill.send_signal(signal.SIGINT)
    out, _ = drill.communicate(timeout=60)
    assert drill.returncode == ExitCode.INTERRUPTED
    assert "interrupted" in out
    assert list(folder.iterdir()) == []
