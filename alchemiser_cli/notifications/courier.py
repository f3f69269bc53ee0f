"""The courier: reads what happened, lets incidents go on, and sends what is due, pass after pass.

Several may run at once, in several processes: sources are read by one at a time, and each message
is leased to one. One that dies is replaced by the next pass of any other.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.errors.translate import translated
from alchemiser_cli.notifications.advancing import Advanced, Links, advance, no_links
from alchemiser_cli.notifications.counting import count_held, count_open, count_sent, first_delays_s
from alchemiser_cli.notifications.digests import queue_digests
from alchemiser_cli.notifications.incidents import IncidentStore
from alchemiser_cli.notifications.ledger import Ledger
from alchemiser_cli.notifications.messages import Channel
from alchemiser_cli.notifications.policies import Policies
from alchemiser_cli.notifications.pruning import Pruner
from alchemiser_cli.notifications.sending import Sent, failure_of, send_due
from alchemiser_cli.notifications.silences import Silences
from alchemiser_cli.notifications.sources import Source
from alchemiser_cli.notifications.turns import Turn
from alchemiser_cli.notifications.weighting import weighted
from alchemiser_cli.telemetry import SILENT, Telemetry

__all__ = ["Courier", "Office", "PassResult", "delivering"]

PASS_EVERY_S = 2.0
READ_AT_ONCE = 5_000  # failures of one source in one pass
LEAVING_S = 5.0  # how long a command that ends waits for the message that is under way

_TURN = "courier"
_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Office:
    """What a courier works with: incidents, ledger, channels by name, policies and silences."""

    store: IncidentStore
    ledger: Ledger
    channels: Mapping[str, Channel]
    policies: Policies
    silences: Silences


class PassResult(msgspec.Struct, frozen=True):
    """What one pass did, or several: alerts that sources gave, messages by what became of them.

    ``troubles`` says what the pass could not do, each as ``code: what``.
    """

    alerts: int = 0
    queued: int = 0
    held: int = 0
    silenced: int = 0
    resolved: int = 0
    digests: int = 0
    sent: int = 0
    retried: int = 0
    failed: int = 0
    troubles: tuple[str, ...] = ()

    def plus(self, other: "PassResult") -> "PassResult":
        """Return the sum of two; a trouble that both had stands once."""
        ours, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        sums = {name: ours[name] + theirs[name] for name in ours if name != "troubles"}
        return PassResult(**sums, troubles=tuple(dict.fromkeys(self.troubles + other.troubles)))


class Courier:
    """Makes passes; what one part of a pass cannot do keeps the other parts from nothing.

    Such a trouble, and a message that was given up, go to ``on_failure``: the first of a kind, and
    again once it was away. ``exposure`` is the open exposure as a share of equity, by which
    troubles of trading weigh more. ``daily`` queues what goes out once a day, and returns how many
    messages it queued. ``links`` are those of a message. One courier belongs to one thread.
    """

    def __init__(
        self,
        office: Office,
        sources: Sequence[Source],
        clock: Clock,
        *,
        telemetry: Telemetry = SILENT,
        on_failure: Callable[[AlchemiserError], object] = lambda _error: None,
        exposure: Callable[[], float] = lambda: 0.0,
        daily: Callable[[], int] = lambda: 0,
        links: Links = no_links,
    ) -> None:
        """Keep what is needed; nothing is opened before the first pass."""
        self._office = office
        self._sources = list(sources)
        self._clock = clock
        self._telemetry = telemetry
        self._on_failure = on_failure
        self._exposure = exposure
        self._daily = daily
        self._links = links
        self._turn = Turn(office.store.database, _TURN)
        self._troubles: list[AlchemiserError] = []
        self._known: frozenset[tuple[str, str]] = frozenset()
        self._pruner = Pruner(office.store.database, office.store.settings.keep_days)
        self.last: PassResult | None = None
        self.total = PassResult()

    def pass_once(self, stop: threading.Event | None = None) -> PassResult:
        """Make one pass; after ``stop`` no further message is begun. It raises no coded error."""
        stop = stop or threading.Event()
        office, store = self._office, self._office.store
        self._troubles = []
        alerts = self._tried(self._read, 0)
        moved = self._tried(self._advance, None)
        daily = self._tried(self._daily, 0)
        digests = self._tried(
            lambda: queue_digests(office.ledger, store.settings, self._clock.now_ns()), 0
        )
        sent = self._tried(
            lambda: send_due(office.ledger, office.channels, self._clock, stop), Sent([])
        )
        self._tried(lambda: self._count(sent), None)
        self._tried(lambda: self._pruner.prune_due(self._clock.now_ns()), None)
        result = PassResult(
            alerts=alerts,
            queued=moved.queued if moved else 0,
            held=moved.held if moved else 0,
            silenced=moved.silenced if moved else 0,
            resolved=moved.resolved if moved else 0,
            digests=digests + daily,
            sent=sent.sent,
            retried=sent.retried,
            failed=sent.failed,
            troubles=tuple(f"{error.code}: {error.what}" for error in self._troubles),
        )
        self._report(sent)
        self.last = result
        self.total = self.total.plus(result)
        return result

    def run(self, stop: threading.Event) -> None:
        """Make a pass every two seconds until ``stop`` is set."""
        while not stop.is_set():
            self.pass_once(stop)
            stop.wait(PASS_EVERY_S)

    def _read(self) -> int:
        """Take what the sources know, if it is this courier's turn; returns how many alerts."""
        if not self._turn.take(self._clock.now_ns()):
            return 0
        try:
            return sum(self._tried(partial(self._take, source), 0) for source in self._sources)
        finally:
            self._turn.give_back(self._clock.now_ns())

    def _take(self, source: Source) -> int:
        settings = self._office.store.settings
        alerts = source.read(READ_AT_ONCE)
        if alerts and settings.exposure_raises:
            share = self._exposure()
            alerts = [weighted(alert, share, settings) for alert in alerts]
        self._office.store.take_all(alerts)
        source.taken()
        return len(alerts)

    def _advance(self) -> Advanced:
        office = self._office
        now_ns = self._clock.now_ns()
        done = advance(
            office.store,
            office.ledger,
            office.policies,
            office.silences,
            now_ns,
            links=self._links,
        )
        if done.held:
            count_held(self._telemetry, office.store.database, now_ns)
        return done

    def _count(self, sent: Sent) -> None:
        if self._telemetry is SILENT:
            return
        store = self._office.store
        count_sent(self._telemetry, sent.settled, first_delays_s(store.database, sent.settled))
        count_open(self._telemetry, [one.severity for one in store.open()])

    def _report(self, sent: Sent) -> None:
        """Hand over what went wrong, but not again what went wrong in the pass before."""
        found = {(error.code, error.what): error for error in self._troubles}
        for key, error in found.items():
            if key not in self._known:
                self._on_failure(error)
        self._known = frozenset(found)
        for one in sent.settled:
            if one.state == "failed":
                self._on_failure(failure_of(one, injected=one.id in sent.struck))

    def _tried(self, part: Callable[[], _Done], otherwise: _Done) -> _Done:
        try:
            return part()
        except Exception as error:  # noqa: BLE001  the other parts of the pass go on
            self._troubles.append(translated(error, doing="make a pass of the courier"))
            return otherwise


@contextmanager
def delivering(courier: Courier) -> Iterator[Courier]:
    """Let a courier make its passes in a thread of its own while the block runs.

    At the end one more pass is made, so that what happened in the block is on its way; it waits
    for at most five seconds, for what is not sent by then is sent by another courier.
    """
    stop, leaving = threading.Event(), threading.Event()

    def work() -> None:
        courier.run(stop)
        courier.pass_once(leaving)

    # A daemon: a channel that hangs must not keep the process from ending.
    thread = threading.Thread(target=work, name="courier", daemon=True)
    thread.start()
    try:
        yield courier
    finally:
        stop.set()
        thread.join(LEAVING_S)
        leaving.set()
