"""Alerts that people must be told of, each once, whatever becomes of the channel meanwhile."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.laboratory.people import CHANNEL
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.notifications.alert import Alert, fingerprint_of
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Delivery
from alchemiser_cli.notifications.outbox import Outbox
from alchemiser_cli.notifications.policies import Policies, Policy, Step
from alchemiser_cli.state import StateDatabase

__all__ = ["NotifyingWorkload"]

_CODE = "market-data-stale"
_COMPONENT = "laboratory"
_START_S = 60.0
_STOP_S = 20.0
_LATE_S = 3.0
_WAITING = ("queued", "sending", "held", "digested")
_MOST = 100_000


class NotifyingWorkload:
    """Raises alerts through the outbox; the laboratory's courier and channel deliver them.

    A piece of work is an alert; it is done when the channel took its message. What was given up
    is lost.
    """

    def __init__(self, laboratory: Laboratory, *, rate: float = 4.0) -> None:
        """Prepare to raise ``rate`` alerts a second."""
        self._laboratory = laboratory
        self._between_s = 1.0 / rate
        self._true_clock = TrueClock()
        self._incidents: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._evidence = StateDatabase.of(laboratory.settings, self._true_clock, suffers=False)
        self._ledger = Ledger(self._evidence, self._true_clock)
        self._last: Work | None = None
        self._seen: Mapping[str, Defence] = {}

    def start(self) -> None:
        """Raise alerts in a thread; return when the first was delivered.

        Raises:
            RuntimeError: where none is.
        """
        self._thread = threading.Thread(target=self._run, name="chaos-alerts", daemon=True)
        self._thread.start()
        if not self._wait(lambda: self.work().done > 0, _START_S):
            raise RuntimeError("the courier of the laboratory delivered nothing")

    def stop(self) -> None:
        """Raise no more, and let what waits be delivered."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        self._wait(self._all_told, _STOP_S)
        self._last = self._account(ended=True)
        self._seen = self.defences()
        self._evidence.close()

    def work(self) -> Work:
        """Return how many alerts were raised, and how many were told."""
        return self._last or self._account(ended=False)

    def steady(self) -> Steadiness:
        """Tell whether no message waits for long."""
        now_ns = self._true_clock.now_ns()
        ages = [now_ns - one.queued_ns for one in self._waiting()]
        late = sum(age > _LATE_S * NS_PER_SECOND for age in ages)
        return Steadiness(
            not late and bool(self._incidents), f"{len(ages)} messages wait, {late} of them long"
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell of the outbox: it keeps what the channel does not take, and tries again."""
        if self._seen:
            return self._seen
        messages = self._messages()
        again = sum(one.attempts > 1 for one in messages)
        given_up = sum(one.state == "failed" for one in messages)
        return {
            "outbox": Defence(
                again > 0 and not given_up,
                f"messages tried again: {again}; given up: {given_up}; of {len(messages)}",
            )
        }

    def _run(self) -> None:
        laboratory = self._laboratory
        settings = laboratory.settings
        policy = Policy(name=CHANNEL, steps=(Step(after_s=0, channels=(CHANNEL,)),))
        policies = Policies([policy], settings.notifications)
        store = IncidentStore(laboratory.state, settings.alerts, laboratory.clock, policies)
        outbox, number = Outbox(store), 0
        while not self._stop.wait(self._between_s):
            number += 1
            self._incidents.add(outbox.raise_alert(self._alert(number)))

    def _alert(self, number: int) -> Alert:
        return Alert(
            fingerprint=fingerprint_of(_COMPONENT, str(number)),
            kind="error",
            severity="critical",
            code=_CODE,
            component=_COMPONENT,
            what=f"the alert {number} of the laboratory",
            why="It is raised so that one can see whether it arrives.",
            next_step="Nothing.",
            at_ns=self._laboratory.clock.now_ns(),
        )

    def _account(self, *, ended: bool) -> Work:
        offered = len(self._incidents)
        states = Counter(self._states().values())
        done = states["sent"]
        waiting = sum(states[state] for state in _WAITING)
        lost = max(0, offered - done - waiting) if ended else 0
        return Work(offered=offered, done=done, twice=self._twice(), set_aside=waiting, lost=lost)

    def _states(self) -> dict[str, str]:
        """Return what became of each incident's message."""
        return {one.incident: one.state for one in self._messages() if one.incident is not None}

    def _messages(self) -> list[Delivery]:
        ours = self._incidents.copy()
        found = self._ledger.list(channel=CHANNEL, limit=_MOST)
        return [one for one in found if one.kind == "alert" and one.incident in ours]

    def _waiting(self) -> list[Delivery]:
        return [one for one in self._messages() if one.state in _WAITING]

    def _all_told(self) -> bool:
        return len(self._states()) == len(self._incidents) and not self._waiting()

    def _twice(self) -> int:
        """Count messages that somebody read before, word for word."""
        told = [str(one.get("title")) for one in list(self._laboratory.people.taken)]
        read = Counter(title for title in told if "of the laboratory" in title)
        return sum(read.values()) - len(read)

    def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        until_ns = self._true_clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
        while not holds():
            if self._true_clock.monotonic_ns() > until_ns:
                return False
            self._true_clock.sleep(0.1)
        return True
