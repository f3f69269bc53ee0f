"""Each row of the repair table: made for real, seen by the inspection, repaired or refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from alchemiser_cli.errors import (
    GenerationNotFoundError,
    HomeNotWritableError,
    SegmentNotFoundError,
    SegmentWriterAliveError,
)
from alchemiser_cli.shm import (
    apply_repair,
    gather_all,
    gather_facts,
    judge,
    lease_evidence,
    read_header,
    rollback,
    segment_plan,
)

# Publishes twice and then dies at the given point of the third generation.
VICTIM = """
import os, signal, sys
from pathlib import Path
import numpy as np
from alchemiser_cli.clock import ManualClock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment

segment = WeightSegment(ShmSettings(directory=Path(sys.argv[1])), "policy", ManualClock())
def filled(number):
    return {"w": np.full(1_000, number, np.float32)}
writer = segment.writer(filled(0))
for number in range(1, 4):
    writer.publish(filled(number))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
point = sys.argv[2]
if point == "idle":
    die()
elif point == "payload":
    writer.segment.commit = die
    writer.publish(filled(4))
elif point == "hang":
    print("hangs", flush=True)
    signal.pause()
else:  # between the mark COMPLETE and the published word
    words = writer.segment.mapping.words
    published = words[32]
    writer.publish(filled(4))
    words[32] = published
    die()
"""


@pytest.fixture
def killed(folder):
    def run(point):
        script = [sys.executable, "-c", VICTIM, str(folder), point]
        assert subprocess.run(script, timeout=60, check=False).returncode == -signal.SIGKILL

    return run


@pytest.fixture
def verdict(shm, clock):
    def look():
        found = judge(gather_facts(shm, "policy", clock), shm)
        return found.verdict, " / ".join(found.findings)

    return look


@pytest.fixture
def actions(shm, clock):
    def plan(**options):
        return [step.action for step in segment_plan(shm, "policy", clock, **options).steps]

    return plan


def _flip(file, offset):
    with file.open("r+b") as opened:
        opened.seek(offset)
        (old,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([old ^ 4]))


def _header(file):
    with file.open("rb") as opened:
        return read_header(opened.fileno()).header


def test_a_segment_at_work_is_healthy(segment, weights, verdict, shm, clock):
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights(2), step=7)
        reader.poll()
        assert verdict() == ("healthy", "")
        facts = gather_facts(shm, "policy", clock)
        assert (facts.generation, facts.age_s, facts.publishes) == (1, 0.0, 1)
        assert (facts.lease.held, facts.lease.alive, facts.last_writer.pid) == (
            True,
            True,
            os.getpid(),
        )
        assert [(one.pid, one.generation, one.alive) for one in facts.readers] == [
            (os.getpid(), 1, True)
        ]
        assert (facts.tensors[0].name, facts.tensors[0].nan_count) == ("actor.weight", 0)
        assert facts.tensors[0].norm == pytest.approx((30 * 7 * 4) ** 0.5)
        assert [one.name for one in gather_all(shm, clock)] == ["policy"]
        msgspec.json.encode(facts)
    assert verdict() == ("healthy", "")  # a writer may finish, its weights stay


def test_killed_mid_payload(killed, segment, verdict, actions, shm, clock, tmp_path):
    killed("payload")
    assert verdict()[0] == "degraded"
    assert "generation 4 into slot 1 was cut off" in verdict()[1]
    with segment.reader() as reader:
        assert reader.poll().generation == 3
    assert actions() == ["scrub"]
    done = apply_repair(shm, "policy", clock, tmp_path / "copies")
    assert done.generation == 3
    assert verdict() == ("healthy", "")
    (copy,) = (tmp_path / "copies").iterdir()
    assert (str(copy), copy.stat().st_mode & 0o777) == (done.copy, 0o600)
    assert copy.stat().st_size == segment.file.stat().st_size


@pytest.mark.parametrize("adopt", [False, True])
def test_killed_before_publish(killed, segment, verdict, actions, shm, clock, tmp_path, adopt):
    killed("publish")
    assert verdict()[0] == "degraded"
    assert "slot 1 holds generation 4, which is not published" in verdict()[1]
    assert actions() == ["scrub"]
    assert actions(adopt=True) == ["adopt"]
    with segment.reader() as reader:
        assert reader.poll().generation == 3
        done = apply_repair(shm, "policy", clock, tmp_path, adopt=adopt)
        assert done.generation == (4 if adopt else 3)
        if adopt:
            assert reader.poll().tensors["w"][0] == 4
        else:
            assert reader.poll() is None
    assert verdict() == ("healthy", "")


def test_published_slot_corrupt(killed, segment, verdict, actions, shm, clock, tmp_path):
    killed("idle")
    _flip(segment.file, _header(segment.file).slot_at(0) + 600)
    assert verdict()[0] == "corrupt"
    assert "slot 0 with the published generation fails its checksum" in verdict()[1]
    with segment.reader() as reader:
        assert reader.poll() is None
        assert actions() == ["rollback", "scrub"]
        done = apply_repair(shm, "policy", clock, tmp_path)
        read = reader.poll()
        assert (done.generation, read.generation, read.tensors["w"][0]) == (4, 4, 2)
    assert verdict() == ("healthy", "")


def test_published_word_corrupt(killed, segment, verdict, actions, shm, clock, tmp_path):
    killed("idle")
    with segment.reader() as reader:
        assert reader.poll().generation == 3
        _flip(segment.file, 256)
        assert verdict()[0] == "corrupt"
        assert actions() == ["rollback"]
        done = apply_repair(shm, "policy", clock, tmp_path)
        read = reader.poll()
        assert (read.generation, read.tensors["w"][0]) == (done.generation, 3)
        assert done.generation > 3


def test_no_slot_is_whole(killed, segment, verdict, actions, shm, clock, tmp_path):
    killed("idle")
    header = _header(segment.file)
    for index in range(3):
        _flip(segment.file, header.slot_at(index) + 600)
    assert verdict()[0] == "corrupt"
    assert actions() == ["quarantine", "recreate"]
    with segment.reader() as reader:
        apply_repair(shm, "policy", clock, tmp_path)
        assert reader.poll() is None  # and is attached to the new file
        with segment.writer(_ones()) as writer:
            generation = writer.publish(_ones())
            assert generation > 3
            assert reader.poll().generation == generation


def _ones():
    return {"w": np.ones(1_000, np.float32)}


@pytest.mark.parametrize("spare", [True, False])
def test_header_corrupt(killed, segment, verdict, actions, shm, clock, tmp_path, spare):
    killed("idle")
    with segment.reader() as reader:
        reader.poll()
        size = segment.file.stat().st_size
        _flip(segment.file, 100)
        if not spare:
            _flip(segment.file, size - 100)
        assert verdict()[0] == "corrupt"
        assert actions() == (["quarantine", "recreate"] if spare else ["quarantine"])
        done = apply_repair(shm, "policy", clock, tmp_path)
        if spare:
            read = reader.poll()
            assert (read.generation, read.tensors["w"][0]) == (done.generation, 3)
            assert verdict() == ("healthy", "")
        else:
            assert reader.poll() is None
            assert reader.require().generation == 3
            with pytest.raises(SegmentNotFoundError):
                verdict()


def test_an_orphan_goes_only_when_asked_to(killed, verdict, actions, shm, clock, tmp_path):
    killed("idle")
    clock.advance(shm.max_age_s + 1)
    assert verdict()[0] == "orphan"
    assert actions() == []
    assert actions(prune=True) == ["prune"]
    assert apply_repair(shm, "policy", clock, tmp_path).copy is None
    done = apply_repair(shm, "policy", clock, tmp_path, prune=True)
    assert Path(done.copy).exists()
    assert list(shm.directory.iterdir()) == []


def test_remains_of_a_creation_are_an_orphan(segment, verdict, actions):
    segment.file.touch(0o600)
    assert verdict()[0] == "orphan"
    assert actions(prune=True) == ["prune"]


def test_a_dead_writers_lease_is_taken_over(killed, segment, verdict, shm, clock):
    killed("idle")
    assert "died" in verdict()[1]
    evidence = lease_evidence(segment.file)
    assert (evidence.held, evidence.alive) == (False, False)
    with segment.writer(_ones()) as writer:
        assert writer.publish(_ones()) == 4
        assert gather_facts(shm, "policy", clock).takeovers == 1
    assert verdict() == ("healthy", "")


@pytest.mark.provokes("segment-writer-alive")
def test_a_live_owner_is_never_robbed_however_it_hangs(folder, shm, clock, tmp_path, segment):
    script = [sys.executable, "-c", VICTIM, str(folder), "hang"]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "hangs\n"
        clock.advance(shm.hung_after_s + 60)
        found = judge(gather_facts(shm, "policy", clock), shm)
        assert found.verdict == "degraded"
        assert "holds the lease and is silent for 16 min" in found.findings[0]
        assert "lease is taken" in segment_plan(shm, "policy", clock).refused
        for act in (
            lambda: apply_repair(shm, "policy", clock, tmp_path, prune=True),
            lambda: rollback(shm, "policy", clock),
            lambda: segment.writer(_ones()),
        ):
            with pytest.raises(SegmentWriterAliveError) as caught:
                act()
            assert str(owner.pid) in caught.value.what + caught.value.why
        owner.kill()
    assert segment_plan(shm, "policy", clock).refused is None


@pytest.mark.provokes("segment-writer-alive")
def test_an_owner_in_another_pid_namespace_may_live(killed, segment, shm, clock, tmp_path):
    killed("payload")
    side = segment.file.with_name(f".{segment.file.name}.lease")
    holder = msgspec.json.decode(side.read_bytes())
    side.write_bytes(msgspec.json.encode(holder | {"namespace": holder["namespace"] + 1}))
    assert "may live" in segment_plan(shm, "policy", clock).refused
    with pytest.raises(SegmentWriterAliveError, match="not to be touched"):
        apply_repair(shm, "policy", clock, tmp_path)


@pytest.mark.provokes("home-not-writable")
def test_without_a_copy_nothing_is_repaired(killed, verdict, shm, clock, tmp_path):
    killed("payload")
    (tmp_path / "file").touch()
    with pytest.raises(HomeNotWritableError):
        apply_repair(shm, "policy", clock, tmp_path / "file")
    assert verdict()[0] == "degraded"


class TestRollback:
    def test_publishes_the_generation_before_under_a_higher_number(
        self, segment, weights, shm, clock
    ):
        with segment.writer(weights()) as writer:
            for number in (1, 2, 3):
                writer.publish(weights(number), step=number)
        with segment.reader() as reader:
            reader.poll()
            clock.advance(30)
            assert rollback(shm, "policy", clock).generation == 4
            read = reader.poll()
            assert (read.tensors["steps"], read.head.step) == (2, 2)
            assert reader.freshness().age_s == 0
            assert rollback(shm, "policy", clock, to=3).generation == 5
            assert reader.poll().tensors["steps"] == 3

    @pytest.mark.provokes("generation-not-found")
    def test_needs_something_to_roll_back_to(self, segment, weights, shm, clock):
        with segment.writer(weights()) as writer:
            writer.publish(weights())
        with pytest.raises(GenerationNotFoundError, match="nothing to roll back to"):
            rollback(shm, "policy", clock)
        with pytest.raises(GenerationNotFoundError):
            rollback(shm, "policy", clock, to=99)
