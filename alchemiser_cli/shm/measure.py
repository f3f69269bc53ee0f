"""How fast the weight bus is, beside what the machine can do and beside the classic design.

Everything of a figure is measured in one run and by turns, so that a busy machine slows all of it
alike. The latency of a record is that of two processes; a child is started for it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.baselines import Bare, Classic
from alchemiser_cli.shm.files import SEGMENT_PREFIX
from alchemiser_cli.shm.records import Segment
from alchemiser_cli.shm.weights import WeightSegment

__all__ = ["BusSpeed", "Latency", "measure_bus", "measure_latency", "measure_weights"]
__all__ += ["watch_latency"]

TENSORS = ((256, 512), (512, 512), (512, 1024), (1024, 1024), (1024, 1024))
CHECKS_AT_ONCE = 1_000
TURN = 4  # one after another, so that each has the cache as in use
PATIENCE_NS = 30_000_000_000


CHILD = """
import sys
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.shm.measure import watch_latency
watch_latency(sys.argv[1], int(sys.argv[2]), SystemClock())
"""


class BusSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Medians in microseconds, taken by turns in one run, for weights of ``bytes`` bytes.

    ``bare_write_us`` is a memcpy into a segment and xxh3-64 of it, ``bare_read_us`` a memcpy out of
    it and xxh3-64 of the copy. The classic design encodes with MessagePack, spins on a byte, writes
    the length and copies, without a checksum. ``no_news_us`` is a look that finds nothing new.
    """

    rounds: int
    bytes: int
    publish_us: float
    bare_write_us: float
    classic_write_us: float
    read_us: float
    bare_read_us: float
    classic_read_us: float
    no_news_us: float

    @property
    def write_share(self) -> float:
        """Speed of a publication as a fraction of the bare write's."""
        return self.bare_write_us / self.publish_us

    @property
    def read_share(self) -> float:
        """Speed of a verified read as a fraction of the bare read's."""
        return self.bare_read_us / self.read_us

    @property
    def write_over_classic(self) -> float:
        """Speed of a publication over that of the classic design."""
        return self.classic_write_us / self.publish_us

    @property
    def read_over_classic(self) -> float:
        """Speed of a verified read over that of the classic design."""
        return self.classic_read_us / self.read_us


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From before ``publish`` until another process has the decoded record, in microseconds."""

    records: int
    record_bytes: int
    p50_us: float
    p99_us: float
    seen: int


class Beat(msgspec.Struct, frozen=True):
    """A record with the monotonic time at which its publication began."""

    number: int
    sent_ns: int
    text: str


def measure_bus(
    clock: Clock, *, folder: Path | None = None, rounds: int = 60, records: int = 5_000
) -> tuple[BusSpeed, Latency]:
    """Measure weights of 12 MB and records of 200 bytes in ``folder``, by default /dev/shm."""
    root = folder or ShmSettings().directory
    with tempfile.TemporaryDirectory(prefix=f".{SEGMENT_PREFIX}bench-", dir=root) as scratch:
        shm = ShmSettings(directory=Path(scratch))
        return measure_weights(shm, clock, rounds), measure_latency(shm, clock, records)


def measure_weights(shm: ShmSettings, clock: Clock, rounds: int = 60) -> BusSpeed:
    """Publish and read weights ``rounds`` times, by turns with the baselines."""
    chance = np.random.default_rng(7)
    weights = {
        f"layer{index}.weight": chance.standard_normal(shape, np.float32)
        for index, shape in enumerate(TENSORS)
    }
    segment = WeightSegment(shm, "weights", clock)
    with segment.writer(weights) as writer, segment.reader() as reader:
        for _ in range(3):
            writer.publish(weights)
            reader.poll()
        folder = str(shm.directory)
        capacity = reader.header.manifest.capacity
        bare = Bare(folder, np.concatenate([one.reshape(-1) for one in weights.values()]))
        classic = Classic(folder, capacity + 4_096)
        times: dict[str, list[int]] = {}
        publish = partial(writer.publish, weights)
        encode = partial(classic.write, weights)
        # What is done before, untimed, and what is timed.
        work: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "bare_write": (_nothing, bare.write),
            "publish": (_nothing, publish),
            "classic_write": (_nothing, encode),
            "bare_read": (bare.write, bare.read),
            "read": (publish, reader.poll),
            "classic_read": (encode, classic.read),
        }
        for _ in range(-(-rounds // TURN)):
            for name, (prepare, call) in work.items():
                for _ in range(TURN):
                    prepare()
                    times.setdefault(name, []).append(_timed(clock, call))
        looks = [_timed(clock, partial(_look, reader.poll)) for _ in range(rounds)]
    return BusSpeed(
        rounds=rounds,
        bytes=capacity,
        no_news_us=statistics.median(looks) / CHECKS_AT_ONCE / 1e3,
        **{f"{name}_us": statistics.median(taken) / 1e3 for name, taken in times.items()},
    )


def measure_latency(shm: ShmSettings, clock: Clock, records: int = 5_000) -> Latency:
    """Publish records to a child that spins, one each half a millisecond, and let it report."""
    segment = Segment(shm, "latency", Beat, clock)
    text = "x" * 178
    with segment.writer() as writer:
        script = [sys.executable, "-c", CHILD, str(shm.directory), str(records)]
        with subprocess.Popen(script, stdout=subprocess.PIPE) as child:
            if child.stdout is None or child.stdout.readline() != b"ready\n":
                raise RuntimeError("the reading process did not start")
            for number in range(1, records + 1):
                pause_ns = clock.monotonic_ns() + 500_000
                while clock.monotonic_ns() < pause_ns:  # a sleeping core takes long to wake
                    pass
                writer.publish(Beat(number, clock.monotonic_ns(), text))
            answer, _ = child.communicate(timeout=60)
    taken = sorted(msgspec.json.decode(answer, type=list[int]))
    return Latency(
        records=records,
        record_bytes=len(msgspec.msgpack.encode(Beat(records, clock.monotonic_ns(), text))),
        p50_us=taken[len(taken) // 2] / 1e3,
        p99_us=taken[len(taken) * 99 // 100] / 1e3,
        seen=len(taken),
    )


def watch_latency(directory: str, records: int, clock: Clock) -> None:
    """Spin until the last record came, and write each one's delay (ns) to descriptor 1 as JSON."""
    shm = ShmSettings(directory=Path(directory))
    taken: list[int] = []
    with Segment(shm, "latency", Beat, clock).reader() as reader:
        os.write(1, b"ready\n")
        poll, now_ns = reader.poll, clock.monotonic_ns
        give_up_ns = now_ns() + PATIENCE_NS
        while now_ns() < give_up_ns:
            beat = poll()
            if beat is not None:
                taken.append(now_ns() - beat.sent_ns)
                if beat.number == records:
                    break
    os.write(1, msgspec.json.encode(taken))


def _timed(clock: Clock, call: Callable[[], object]) -> int:
    started_ns = clock.monotonic_ns()
    call()
    return clock.monotonic_ns() - started_ns


def _nothing() -> None:
    pass


def _look(poll: Callable[[], object]) -> None:
    for _ in range(CHECKS_AT_ONCE):
        poll()
