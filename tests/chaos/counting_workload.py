"""The smallest workload: a thread asks a registry, counts, and sets aside what fails."""

import threading

from alchemiser_cli.chaos.workloads.registry import WORKLOADS
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.faults import fault_point

POINT = fault_point("registry.get")


def register(monkeypatch):
    """Let experiments of a test name it ``counting``."""
    monkeypatch.setitem(WORKLOADS, "counting", f"{__name__}:CountingWorkload")


class CountingWorkload:
    def __init__(self, laboratory, *, rate=200, sets_aside=True, loses=0, heals=True):
        self.laboratory, self.rate, self.sets_aside = laboratory, rate, sets_aside
        self.loses, self.heals = loses, heals
        self.offered = self.done = self.aside = self.lost = 0
        self.failing = self.stopped = False
        self.ended = threading.Event()
        self.offers = []

    def start(self):
        self.thread = threading.Thread(target=self.go)
        self.thread.start()

    def go(self):
        while not self.ended.wait(1 / self.rate):
            self.offered += 1
            try:
                if POINT.armed is not None:
                    POINT.strike()
                self.done += 1
                self.failing = self.failing and not self.heals
            except AlchemiserError as error:
                self.failing = True
                if self.sets_aside:
                    self.aside += 1
                else:
                    self.lost += 1
                self.laboratory.journal.capture(error)

    def stop(self):
        assert not self.stopped
        self.stopped = True
        self.ended.set()
        self.thread.join()

    def work(self):
        lost = self.lost + self.loses if self.stopped else 0
        return Work(offered=self.offered, done=self.done, set_aside=self.aside, lost=lost)

    def steady(self):
        return Steadiness(not self.failing, "failing" if self.failing else "working")

    def defences(self):
        return {"dead letters": Defence(self.aside > 0, f"{self.aside} were set aside")}

    def offer(self, what):
        self.offers.append(what)
        return len(self.offers)
