"""A drill of the weight bus: writers of a scratch segment are killed while a reader looks on.

A child of ours forks one writer after another and kills each with SIGKILL at a random moment of its
publishing; a second child reads and verifies every number. All of it happens in a hidden folder
beside the segments, which is removed at the end.
"""

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import SegmentCreateError
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.drill_children import SEGMENT, Kill, Verified, drill_weights
from alchemiser_cli.shm.files import SEGMENT_PREFIX
from alchemiser_cli.shm.inspecting import gather_facts
from alchemiser_cli.shm.verdict import Verdict, judge
from alchemiser_cli.shm.weights import WeightSegment

__all__ = ["DrillResult", "run_drill"]

T = TypeVar("T")

SCRATCH = f".{SEGMENT_PREFIX}drill-"  # hidden: not one of the segments
PATIENCE_S = 60.0
LOOK_S = 0.1
# One thread: it forks.
CHILD = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from alchemiser_cli.clock import SystemClock
from alchemiser_cli.shm.drill_children import {work}
{work}(sys.argv[1], int(sys.argv[2]), SystemClock())
"""


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of ``kills`` kills; times are in milliseconds.

    ``mid_write`` of them left a slot half written. ``torn_reads`` are values that were handed on
    with numbers of several generations, ``went_back`` those older than the one before.
    ``retries`` and ``checksum_failures`` are what kept a reader from them. ``recovery`` is from a
    kill to the first publication of the next writer; ``longest_poll`` is how long the reader was
    kept at most. ``verdict`` is that on the segment at the end.
    """

    wanted: int
    kills: int
    mid_write: int
    bytes: int
    reads: int
    torn_reads: int
    went_back: int
    retries: int
    checksum_failures: int
    refusals: int
    recovery_p50_ms: float | None
    recovery_max_ms: float | None
    longest_poll_ms: float
    last_generation: int
    verdict: Verdict
    interrupted: bool

    @property
    def passed(self) -> bool:
        """Whether nobody was handed anything torn or old, and the segment is whole."""
        bad = self.torn_reads or self.went_back or self.refusals
        return not bad and self.verdict == "healthy" and self.reads > 0


def run_drill(
    settings: ShmSettings,
    clock: Clock,
    *,
    kills: int,
    size: int,
    stop: Callable[[], bool] = lambda: False,
    on_kill: Callable[[int, int | None], None] = lambda _done, _wanted: None,
) -> DrillResult:
    """Kill ``kills`` writers of weights of about ``size`` bytes, and say what a reader saw.

    ``stop`` ends it early; ``on_kill`` is told how many kills are done, and of how many.

    Raises:
        SharedMemoryFullError: ``shared-memory-full`` if there is no room for three slots.
        SegmentCreateError: ``segment-create-failed`` if there is no such folder.
        SharedMemoryError: others as for ``WeightSegment.writer``.
    """
    prefix, root = SCRATCH, settings.directory
    if not root.is_dir():
        raise SegmentCreateError(
            f"no segment can be made in {root}",
            why="There is no such folder.",
            next_step="Set shm.directory to a tmpfs that this user can write to.",
        )
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as folder:
        shm = settings.model_copy(update={"directory": Path(folder)})
        WeightSegment(shm, SEGMENT, clock).writer(drill_weights(size)).close()
        done: list[Kill] = []
        with (
            _child("verify_reads", folder, size, clock) as reader,
            _child("kill_writers", folder, size, clock) as killer,
        ):
            while len(done) < kills and not stop():
                killer.order(b"\n")
                done.append(killer.answer(Kill))
                on_kill(len(done), kills)
            interrupted = len(done) < kills
            killer.end_orders()
            final = killer.answer(int)
            reader.order(b"%d\n" % final)
            seen = reader.answer(Verified)
        verdict = judge(gather_facts(shm, SEGMENT, clock), shm).verdict
    recoveries = [one.recovery_ns / 1e6 for one in done if one.recovery_ns is not None]
    return DrillResult(
        wanted=kills,
        kills=len(done),
        mid_write=sum(one.mid_write for one in done),
        bytes=size,
        reads=seen.reads,
        torn_reads=seen.torn,
        went_back=seen.went_back,
        retries=seen.retries,
        checksum_failures=seen.checksum_failures,
        refusals=seen.refusals,
        recovery_p50_ms=statistics.median(recoveries) if recoveries else None,
        recovery_max_ms=max(recoveries, default=None),
        longest_poll_ms=seen.longest_poll_ns / 1e6,
        last_generation=seen.last,
        verdict=verdict,
        interrupted=interrupted,
    )


class _Child:
    """A child with pipes to and from it."""

    def __init__(self, orders: IO[bytes], answers: IO[bytes], clock: Clock) -> None:
        self._orders, self._answers, self._clock = orders, answers, clock

    def order(self, line: bytes) -> None:
        """Send one line."""
        self._orders.write(line)

    def end_orders(self) -> None:
        """Close the child's standard input."""
        self._orders.close()

    def answer(self, kind: type[T]) -> T:
        """Wait for one line, and decode it."""
        give_up_ns = self._clock.monotonic_ns() + round(PATIENCE_S * NS_PER_SECOND)
        while not select.select([self._answers], [], [], LOOK_S)[0]:
            if self._clock.monotonic_ns() > give_up_ns:
                raise RuntimeError(f"a process of the drill gave no answer for {PATIENCE_S:.0f} s")
        line = self._answers.readline()
        if not line:
            raise RuntimeError("a process of the drill ended before its time")
        return msgspec.json.decode(line, type=kind)


@contextmanager
def _child(work: str, folder: str, size: int, clock: Clock) -> Iterator[_Child]:
    """Run ``work`` in a session of its own, so that Ctrl-C is for us to handle; then end it all."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(work=work), folder, str(size)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process of the drill has no pipes")
        yield _Child(process.stdin, process.stdout, clock)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the writers that it forked, too
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
