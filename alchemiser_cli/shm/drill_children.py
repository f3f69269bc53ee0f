"""What the two children of a drill do: one kills writers, the other verifies what it reads.

Both take orders as lines on standard input and answer in lines of JSON. At its end, or when whoever
started them is gone, they end, too.
"""

import os
import random
import select
import signal
import sys
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.canary import Array
from alchemiser_cli.shm.inspecting import gather_facts
from alchemiser_cli.shm.layout import SLOTS
from alchemiser_cli.shm.weights import WeightSegment

__all__ = ["SEGMENT", "Kill", "Verified", "drill_weights", "kill_writers", "verify_reads"]

SEGMENT = "drill"
LONGEST_LIFE_S = 0.02  # of a writer after its first publication
PAUSE_S = 0.0002
BIAS = 7


class Kill(msgspec.Struct, frozen=True):
    """One kill: whether a slot was left half written, and how long the next writer took.

    ``recovery_ns`` is from the kill before to this writer's first publication; None for the first.
    """

    mid_write: bool
    recovery_ns: int | None


class Verified(msgspec.Struct):
    """What a reader saw; see ``DrillResult``."""

    reads: int = 0
    torn: int = 0
    went_back: int = 0
    retries: int = 0
    checksum_failures: int = 0
    refusals: int = 0
    longest_poll_ns: int = 0
    last: int = 0


def drill_weights(size: int) -> dict[str, Array]:
    """Return arrays of about ``size`` bytes together."""
    return {"weight": np.zeros(max(1, size // 4), np.float32), "bias": np.zeros(BIAS, np.float64)}


def kill_writers(folder: str, size: int, clock: Clock) -> None:
    """Start and kill a writer for each line of standard input, and publish in every slot then."""
    settings = ShmSettings(directory=Path(folder))
    segment = WeightSegment(settings, SEGMENT, clock)
    weights = drill_weights(size)
    chance = random.Random()  # noqa: S311  moments, not secrets
    killed_ns: int | None = None
    with segment.writer(weights) as writer:  # what a first use loads is no part of a recovery
        writer.publish(_filled(weights, writer.segment.generation + 1))
    for _ in sys.stdin:
        told, tell = os.pipe()
        writer_id = os.fork()
        if writer_id == 0:
            _publish_for_ever(segment, weights, tell)
        os.close(tell)
        os.read(told, 1)
        first_ns = clock.monotonic_ns()
        clock.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
        os.kill(writer_id, signal.SIGKILL)
        recovery_ns = None if killed_ns is None else first_ns - killed_ns
        killed_ns = clock.monotonic_ns()
        os.waitpid(writer_id, 0)
        os.close(told)
        slots = gather_facts(settings, SEGMENT, clock, tensors=False).slots
        _answer(Kill(any(slot.state == "writing" for slot in slots), recovery_ns))
    last = 0
    with segment.writer(weights) as writer:
        for _ in range(SLOTS):  # the next writers come by each slot, also one that was left torn
            last = writer.publish(_filled(weights, writer.segment.generation + 1))
    _answer(last)


def verify_reads(folder: str, size: int, clock: Clock) -> None:
    """Compare every number with its generation, until the generation that a line gives was read."""
    segment = WeightSegment(ShmSettings(directory=Path(folder)), SEGMENT, clock)
    weights = drill_weights(size)
    seen, until = Verified(), None
    with segment.reader() as reader:
        while until is None or seen.last < until:
            began_ns = clock.monotonic_ns()
            read = reader.poll()
            seen.longest_poll_ns = max(seen.longest_poll_ns, clock.monotonic_ns() - began_ns)
            if read is None:
                ready, _, _ = select.select([sys.stdin], [], [], PAUSE_S)
                if ready:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    until = int(line)
                continue
            seen.reads += 1
            seen.went_back += read.generation <= seen.last
            seen.last = read.generation
            seen.torn += read.tensors.keys() != weights.keys() or any(
                (array != read.generation).any() for array in read.tensors.values()
            )
        seen.retries = reader.counts.retries
        seen.checksum_failures = reader.counts.checksum_failures
        seen.refusals = reader.counts.refusals
    _answer(seen)


def _publish_for_ever(segment: WeightSegment, weights: dict[str, Array], tell: int) -> NoReturn:
    """Publish until killed; also ends when whoever is to kill it is gone."""
    killer = os.getppid()
    writer = segment.writer(weights)
    first = True
    while os.getppid() == killer:
        writer.publish(_filled(weights, writer.segment.generation + 1))
        if first:
            os.write(tell, b".")
            first = False
    signal.raise_signal(signal.SIGKILL)  # a fork must not go on where its parent was
    raise SystemExit


def _filled(weights: dict[str, Array], generation: int) -> dict[str, Array]:
    for array in weights.values():
        array.fill(generation)
    return weights


def _answer(value: object) -> None:
    os.write(1, msgspec.json.encode(value) + b"\n")
