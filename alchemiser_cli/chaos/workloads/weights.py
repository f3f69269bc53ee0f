"""Weights on their way from one process to the decisions of another.

A child process publishes; a supervisor starts it again whenever it dies. A reader in this process
asks for weights as often as they come.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.workloads import weight_publisher
from alchemiser_cli.chaos.workloads.weight_decisions import Decisions
from alchemiser_cli.chaos.workloads.weight_publisher import SEGMENT, numbered
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.shm import WeightSegment
from alchemiser_cli.shm.inspecting import gather_facts

__all__ = ["WeightsWorkload"]

FIRST_S = 30.0  # for the first generation: a child loads its libraries
ENDING_S = 5.0
FLOWING_S = 1.0  # longest time between two generations in the steady state
LOOK_S = 0.05


class WeightsWorkload:
    """A piece of work is one decision, which asks for the newest weights and acts on them.

    It is done on whole and fresh weights, set aside where the reader says that none may be acted
    on, lost where it was taken on torn or on expired ones, and counts as twice where weights went
    back.
    """

    def __init__(self, laboratory: Laboratory, *, rate: float = 50.0, size: int = 65_536) -> None:
        """Publish, and decide, ``rate`` times a second; weights take about ``size`` bytes."""
        self._laboratory = laboratory
        self._rate = rate
        self._size = size
        self._settings = laboratory.settings.shm
        self._segment = WeightSegment(self._settings, SEGMENT, laboratory.clock)
        self._decisions: Decisions | None = None
        self._publisher: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._begun_after = 0  # the generation that was seen last when the writer was started
        self._deaths = 0
        self._cut_off = 0  # slots that a dead writer left half written
        self._takeovers = 0

    def start(self) -> None:
        """Start the publisher, the reader and the supervisor; return when weights flow."""
        clock, journal = self._laboratory.clock, self._laboratory.journal
        self._segment.writer(numbered(self._size, 0)).close()
        reader = self._segment.reader()
        decisions = Decisions(reader, self._settings.max_age_s, clock, journal.capture)
        self._publisher = self._started()
        deadline_ns = clock.monotonic_ns() + round(FIRST_S * 1e9)
        while reader.poll() is None:
            if self._publisher.poll() is not None or clock.monotonic_ns() > deadline_ns:
                raise RuntimeError(f"no weights were published within {FIRST_S:.0f} s")
            clock.sleep(LOOK_S)
        self._decisions = decisions
        for work in (self._decide, self._supervise):
            thread = threading.Thread(target=work, name=f"weights{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the child and the threads."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ENDING_S)
        if self._publisher is not None:
            self._publisher.kill()
            self._publisher.wait()
        if self._decisions is not None:
            self._decisions.reader.close()

    def work(self) -> Work:
        """Return the account of the decisions."""
        return Work() if self._decisions is None else self._decisions.work()

    def steady(self) -> Steadiness:
        """Tell whether newer weights come, and are acted on."""
        if self._decisions is None or self._publisher is None:
            return Steadiness(False, "nothing was published yet")
        since_s = self._decisions.since_newest_s()
        judged = self._decisions.judged
        doing = "acted on" if judged.is_acting else "held"
        if self._publisher.poll() is not None or judged.generation <= self._begun_after:
            return Steadiness(False, f"generation {judged.generation} is {doing}, without a writer")
        return Steadiness(
            judged.is_acting and since_s < FLOWING_S,
            f"generation {judged.generation}, {since_s:.2f} s old, is {doing}",
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell what kept decisions from torn, mixed and expired weights."""
        if self._decisions is None:
            return {}
        judged, counts = self._decisions.judged, self._decisions.reader.counts
        unharmed = not (judged.torn or judged.went_back)
        return {
            "spare slots": Defence(
                unharmed and self._cut_off > 0,
                f"{self._cut_off} of {self._deaths} dead writers left a slot half written; "
                f"{judged.torn} decisions on torn weights",
            ),
            "writer lease": Defence(
                self._deaths > 0 and self._takeovers > 0,
                f"{self._takeovers} leases of {self._deaths} dead writers were taken over",
            ),
            "checksum": Defence(
                unharmed and counts.checksum_failures > 0,
                f"{counts.checksum_failures} copies failed their checksum; "
                f"{judged.torn} decisions on torn weights",
            ),
            "freshness limit": Defence(
                judged.refrained > 0 and not judged.too_old,
                f"{judged.refrained} decisions were not taken, {judged.too_old} on weights older "
                f"than {self._settings.max_age_s:g} s were",
            ),
        }

    def _decide(self) -> None:
        decisions = self._decisions
        while decisions is not None and not self._stopping.wait(1 / self._rate):
            try:
                decisions.decide()
            except Exception as error:  # noqa: BLE001  the work must go on to be judged
                self._laboratory.journal.capture(translated(error, doing="decide on weights"))

    def _supervise(self) -> None:
        """Start the publisher again when it has died, and look at what it left."""
        while not self._stopping.wait(LOOK_S):
            if self._publisher is None or self._publisher.poll() is None:
                continue
            self._deaths += 1
            facts = gather_facts(self._settings, SEGMENT, self._laboratory.clock, tensors=False)
            self._cut_off += any(slot.state == "writing" for slot in facts.slots)
            self._takeovers = facts.takeovers
            self._begun_after = facts.generation or 0
            self._publisher = self._started()
        facts = gather_facts(self._settings, SEGMENT, self._laboratory.clock, tensors=False)
        self._takeovers = facts.takeovers

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", weight_publisher.__name__),
                *(str(self._rate), str(self._size), str(os.getpid())),
            ],
            env=self._laboratory.child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
