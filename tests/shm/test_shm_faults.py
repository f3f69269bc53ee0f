"""Bad files under the name of a segment: each is refused by its own code, and nothing hangs."""

import os
import struct
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from alchemiser_cli.errors import (
    SegmentAttachError,
    SegmentCorruptError,
    SegmentExistsError,
    SegmentForeignError,
    SegmentLayoutError,
    SegmentNotFoundError,
    SharedMemoryFullError,
)
from alchemiser_cli.shm import Segment, gather_facts, judge, read_header


@pytest.fixture
def published(segment, weights):
    """The file of a segment with one generation, and no writer."""
    with segment.writer(weights()) as writer:
        writer.publish(weights(1))
    return segment.file


def _flip(file, offset, mask=1):
    with file.open("r+b") as opened:
        opened.seek(offset)
        (old,) = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([old ^ mask]))


@pytest.mark.provokes("segment-not-found")
def test_a_segment_that_is_not_there(segment):
    with pytest.raises(SegmentNotFoundError, match="there is no"):
        segment.reader()


@pytest.mark.provokes("segment-exists")
def test_a_writer_that_insists_on_a_new_segment(segment, weights, published):
    with pytest.raises(SegmentExistsError):
        segment.writer(weights(), create_only=True)
    with segment.reader() as reader:
        assert reader.poll().generation == 1


@pytest.mark.provokes("segment-attach-failed")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o644, 0o660])
def test_another_mode_than_0600(segment, published, mode):
    published.chmod(mode)
    with pytest.raises(SegmentAttachError):
        segment.reader()


@pytest.mark.provokes("segment-foreign")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user(segment, published, weights):
    os.chown(published, 12_345, -1)
    for open_segment in (segment.reader, lambda: segment.writer(weights())):
        with pytest.raises(SegmentForeignError, match="cannot be used") as caught:
            open_segment()
        assert caught.value.why.startswith("It belongs to user 12345")


@pytest.mark.provokes("segment-attach-failed")
@pytest.mark.parametrize("size", [0, 100, 300, 5_000, -1, -4_096])
def test_a_truncated_file_is_never_mapped(segment, published, size):
    os.truncate(published, size if size >= 0 else published.stat().st_size + size)
    with pytest.raises(SegmentAttachError):
        segment.reader()


def test_an_attached_reader_survives_that_its_segment_is_replaced(segment, published, weights):
    with segment.reader() as reader:
        assert reader.poll().generation == 1
        published.unlink()
        with segment.writer({"other": np.ones(2, np.float32)}):
            assert reader.poll() is None
            assert reader.value.generation == 1


@pytest.mark.provokes("segment-foreign")
@pytest.mark.parametrize("kind", ["text", "folder", "link", "fifo", "socket"])
def test_a_foreign_file_under_our_name_is_left_alone(segment, weights, kind):
    file = segment.file
    if kind == "text":
        file.write_text("not a segment" * 100)
        file.chmod(0o600)
    elif kind == "folder":
        file.mkdir()
    elif kind == "link":
        file.symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(file, 0o600)
    else:
        os.mknod(file, 0o140600)
    before = os.lstat(file)
    for open_segment in (segment.reader, lambda: segment.writer(weights())):
        with pytest.raises(SegmentForeignError):
            open_segment()
    assert os.lstat(file) == before


@pytest.mark.provokes("segment-layout-unsupported")
@pytest.mark.parametrize(("offset", "value"), [(8, 0), (8, 2), (12, 0x04030201)])
def test_a_reader_from_another_layout_or_byte_order(segment, published, offset, value):
    with published.open("r+b") as opened:
        opened.seek(offset)
        opened.write(struct.pack("=I", value))
    with pytest.raises(SegmentLayoutError):
        segment.reader()


@pytest.mark.provokes("segment-corrupt")
@pytest.mark.parametrize("offset", [20, 40, 100, 255, 513, 700])
def test_a_damaged_header(segment, published, offset):
    _flip(published, offset)
    with pytest.raises(SegmentCorruptError):
        segment.reader()


@pytest.mark.provokes("segment-corrupt")
def test_a_damaged_slot_is_never_handed_on(segment, published, weights, shm, clock):
    with published.open("rb") as opened:
        header = read_header(opened.fileno()).header
    _flip(published, header.slot_at(1) + 512 + 40)
    with segment.reader() as reader:
        assert reader.poll() is None
        assert isinstance(reader.refusal, SegmentCorruptError)
        assert "checksum" in reader.refusal.why
        assert (reader.freshness().state, reader.value) == ("expired", None)
        (seen,) = gather_facts(shm, "policy", clock).readers
        assert (seen.checksum_failures, seen.refusals) == (shm.read_attempts, 1)
        assert reader.poll() is None  # and does not hash the same slot again
        (seen,) = gather_facts(shm, "policy", clock).readers
        assert seen.checksum_failures == shm.read_attempts
        with segment.writer(weights()) as writer:
            writer.publish(weights(2))
        assert reader.poll().generation == 2
    assert judge(gather_facts(shm, "policy", clock), shm).verdict == "degraded"


def test_a_damaged_published_word_keeps_the_last_good_weights(segment, published, weights):
    with segment.reader() as reader:
        reader.poll()
        _flip(published, 256, 0b11)
        assert reader.poll() is None
        assert reader.freshness().state == "stale"
        assert reader.require().generation == 1
        with segment.writer(weights()) as writer:  # which finds the number in the slots
            assert writer.publish(weights(2)) == 2
        assert reader.poll().generation == 2


def test_remains_of_a_creation_that_was_killed_are_replaced(segment, weights):
    segment.file.touch(0o600)
    with pytest.raises(SegmentAttachError):
        segment.reader()
    with segment.writer(weights()) as writer, segment.reader() as reader:
        writer.publish(weights())
        assert reader.poll().generation == 1


@pytest.mark.provokes("shared-memory-full")
def test_more_than_there_is_room_for(shm, clock, folder):
    status = os.statvfs(folder)
    capacity = status.f_blocks * status.f_frsize * 2
    segment = Segment(
        shm, "vast", msgspec.defstruct("Record", [("number", int)]), clock, capacity=capacity
    )
    with pytest.raises(SharedMemoryFullError):
        segment.writer()
    assert not segment.file.exists()


LIMITED = """
import resource, sys
import numpy as np
from pathlib import Path
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import SegmentCreateError
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
segment = WeightSegment(ShmSettings(directory=Path(sys.argv[1])), "big", SystemClock())
try:
    segment.writer({"w": np.zeros(1_000_000)})
except SegmentCreateError as error:
    print(error.code, segment.file.exists())
"""


@pytest.mark.provokes("segment-create-failed")
def test_a_limit_on_file_sizes(folder, provoked):
    script = [sys.executable, "-c", LIMITED, str(folder)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    code, left = done.stdout.split()
    provoked.add(code)
    assert (code, left) == ("segment-create-failed", "False")
