"""Faults on the way of the weights: each does what it says, and readers are never misled by one."""

import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.errors import SegmentCorruptError, SharedMemoryFullError, StaleWeightsError
from alchemiser_cli.faults import Armed, disarm_all, fault_point
from alchemiser_cli.shm.inspecting import gather_facts

DELAY_S = 0.05

WRITER = """
import sys
from pathlib import Path
import numpy as np
from alchemiser_cli.chaos.asking import asked
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.faults import Armed, fault_point
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import WeightSegment

folder, target = sys.argv[1:]
segment = WeightSegment(ShmSettings(directory=Path(folder)), "policy", SystemClock())
with segment.writer({"w": np.zeros(500_000, np.float32)}) as writer:
    for number in (1, 2):
        writer.publish({"w": np.full(500_000, number, np.float32)})
    fault_point(target).arm(Armed(asked(target, "kill"), 60.0, target=target))
    writer.publish({"w": np.full(500_000, 3, np.float32)})
"""


@pytest.fixture
def strike():
    """Put a fault in force; it is over at the end of the test."""

    def arm(target, word, **chosen):
        armed = Armed(asked(target, word, **chosen), 60.0, target=target)
        fault_point(target).arm(armed)
        return armed

    yield arm
    disarm_all()


@pytest.fixture
def bus(segment, weights):
    """A writer that has published 1.0, and a reader that has read it."""
    with segment.writer(weights()) as writer:
        writer.publish(weights())
        with segment.reader() as reader:
            assert reader.poll().generation == 1
            yield writer, reader


def numbers(read):
    return {float(number) for array in read.tensors.values() for number in np.unique(array)}


def seconds(function):
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    function()
    return (clock.monotonic_ns() - began_ns) / 1e9


def hanging(function, armed):
    """Return a thread that hangs in the fault."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    give_up_ns = SystemClock().monotonic_ns() + 10_000_000_000
    while not armed.strikes.count and SystemClock().monotonic_ns() < give_up_ns:
        thread.join(0.01)
    thread.join(0.05)
    assert thread.is_alive()
    return thread


# --- half of a record is in the slot


@pytest.mark.parametrize("target", ["shm.write.mid-copy", "shm.publish"])
def test_a_delay_holds_a_publication_up_and_leaves_it_whole(strike, bus, weights, target):
    writer, reader = bus
    strike(target, "delay", amount=DELAY_S)
    assert seconds(lambda: writer.publish(weights(2.0))) >= DELAY_S
    assert numbers(reader.poll()) == {2.0}


@pytest.mark.parametrize("target", ["shm.write.mid-copy", "shm.publish"])
def test_while_a_writer_hangs_its_readers_keep_what_they_have(strike, bus, weights, target):
    writer, reader = bus
    armed = strike(target, "hang")
    thread = hanging(lambda: writer.publish(weights(2.0)), armed)
    assert reader.poll() is None
    assert numbers(reader.require()) == {1.0}
    fault_point(target).disarm()
    thread.join(10)
    assert numbers(reader.poll()) == {2.0}


@pytest.mark.provokes("weights-stale")
def test_weights_that_expire_for_a_writer_that_hangs_are_marked_as_injected(
    strike, bus, weights, clock
):
    writer, reader = bus
    thread = hanging(lambda: writer.publish(weights(2.0)), strike("shm.publish", "hang"))
    clock.advance(3_601)
    with pytest.raises(StaleWeightsError) as caught:
        reader.require()
    assert caught.value.injected
    assert caught.value.context["action"] == "flat"
    disarm_all()
    thread.join(10)
    clock.advance(3_601)
    with pytest.raises(StaleWeightsError) as caught:
        reader.require()
    assert not caught.value.injected


@pytest.mark.provokes("segment-corrupt")
def test_a_record_that_is_spoiled_on_its_way_is_refused(strike, bus, weights):
    writer, reader = bus
    strike("shm.write.mid-copy", "corrupt")
    assert writer.publish(weights(2.0)) == 2
    assert reader.poll() is None
    assert reader.refusal.code == SegmentCorruptError.code
    assert reader.refusal.injected
    assert numbers(reader.require()) == {1.0}
    disarm_all()
    writer.publish(weights(3.0))
    assert numbers(reader.poll()) == {3.0}
    assert reader.refusal is None


@pytest.mark.parametrize("target", ["shm.write.mid-copy", "shm.publish"])
def test_a_writer_killed_on_the_way_leaves_the_generation_before(segment, shm, folder, target):
    command = [sys.executable, "-c", WRITER, str(folder), target]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with segment.reader() as reader:
        read = reader.poll()
        assert (read.generation, numbers(read)) == (2, {2.0})
    slots = gather_facts(shm, "policy", SystemClock(), tensors=False).slots
    assert [slot.index for slot in slots if slot.state == "writing"] == [0]
    weights = {"w": np.full(500_000, 4, np.float32)}
    with segment.writer(weights) as writer, segment.reader() as reader:
        assert writer.publish(weights) == 3
        assert numbers(reader.poll()) == {4.0}


def test_a_killed_writer_left_half_of_its_record(segment, folder):
    command = [sys.executable, "-c", WRITER, str(folder), "shm.write.mid-copy"]
    subprocess.run(command, check=False)
    with segment.reader() as reader:
        (spec,) = reader.header.manifest.tensors
        half_written = spec.view(reader._mapping.payload(0))
    assert half_written[0] == 3.0
    assert half_written[-1] == 0.0


# --- a whole record before it is published


@pytest.mark.provokes("shared-memory-full")
def test_a_full_memory_fails_the_publication_and_leaves_the_one_before(strike, bus, weights):
    writer, reader = bus
    strike("shm.publish", "disk-full")
    with pytest.raises(SharedMemoryFullError) as caught:
        writer.publish(weights(2.0))
    assert caught.value.injected
    assert caught.value.__cause__.injected
    assert reader.poll() is None
    disarm_all()
    assert writer.publish(weights(3.0)) == 2
    assert numbers(reader.poll()) == {3.0}


def test_a_publication_that_is_lost_is_never_seen(strike, bus, weights):
    writer, reader = bus
    strike("shm.publish", "drop", count=5)
    for number in range(2, 7):
        writer.publish(weights(float(number)))
        assert reader.poll() is None
    writer.publish(weights(9.0))
    assert (reader.poll().generation, numbers(reader.value)) == (2, {9.0})


# --- a record before a reader checks it


def test_a_reader_that_is_held_up_reads_the_same(strike, bus, weights):
    writer, reader = bus
    strike("shm.read", "delay", amount=DELAY_S)
    writer.publish(weights(2.0))
    assert seconds(reader.poll) >= DELAY_S
    assert numbers(reader.value) == {2.0}


@pytest.mark.provokes("segment-corrupt")
def test_what_a_reader_sees_spoiled_is_refused(strike, bus, weights):
    writer, reader = bus
    strike("shm.read", "corrupt")
    writer.publish(weights(2.0))
    assert reader.poll() is None
    assert reader.refusal.injected
    assert reader.counts.checksum_failures == 8
    assert numbers(reader.require()) == {1.0}
    with pytest.raises(SegmentCorruptError) as caught, reader.in_place():
        pass
    assert caught.value.injected


def test_a_copy_that_was_spoiled_once_is_made_again(strike, bus, weights):
    writer, reader = bus
    strike("shm.read", "corrupt", count=1)
    writer.publish(weights(2.0))
    assert numbers(reader.poll()) == {2.0}
    assert reader.counts.checksum_failures == 1
    fault_point("shm.read").disarm()
    strike("shm.read", "corrupt", count=1)
    with reader.in_place() as used:
        assert numbers(used) == {2.0}


# --- small records take the same way


@pytest.mark.parametrize(
    ("target", "word"),
    [("shm.write.mid-copy", "corrupt"), ("shm.read", "corrupt"), ("shm.publish", "drop")],
)
def test_a_small_record_is_whole_or_not_seen(strike, quotes, target, word):
    quote = quotes.kind
    with quotes.writer() as writer, quotes.reader() as reader:
        writer.publish(quote("SPY", 1.0, 2.0))
        assert reader.poll().bid == 1.0
        strike(target, word)
        writer.publish(quote("SPY", 3.0, 4.0))
        assert reader.poll() is None
        assert reader.value.bid == 1.0
        disarm_all()
        writer.publish(quote("SPY", 5.0, 6.0))
        assert reader.poll() == quote("SPY", 5.0, 6.0)
