"""The thread that owns the consumer: it fetches, holds back, outlasts outages, and commits."""

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Generic, Protocol, TypeVar

from confluent_kafka import Message

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, RegistryUnreachableError, StreamingError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience import RetryPolicy
from alchemiser_cli.settings.sections import ConsumerSettings
from alchemiser_cli.streaming.membership import GroupMember
from alchemiser_cli.streaming.offsets import PartitionLease
from alchemiser_cli.streaming.outages import OutageCallback
from alchemiser_cli.streaming.results import PartitionProgress

__all__ = ["Fetcher", "Intake"]

_POLL_S = 0.1  # longest wait for a message before looking around
_HOLD_S = 0.5  # how long a full buffer is waited for before partitions are paused
_LOOK_EVERY_NS = NS_PER_SECOND
_BACKOFF = RetryPolicy(base_s=0.2, cap_s=10.0)

Work = TypeVar("Work")
Work_co = TypeVar("Work_co", covariant=True)

_FETCH = fault_point("streaming.fetch")

_log = get_logger("market_data", "streaming.consumer")


class Intake(Protocol[Work_co]):
    """Makes work of raw messages, in the thread that fetched them."""

    def take(
        self, messages: Sequence[Message], leases: dict[int, PartitionLease]
    ) -> tuple[int, Work_co]:
        """Return how many messages are to be worked on, and the work.

        Raises:
            RegistryUnreachableError: ``registry-unreachable``; the same messages may be given
                again.
        """
        ...


class Fetcher(Generic[Work]):
    """Runs a group member until told to end; attributes without underscore may be read anywhere.

    ``deliver``, ``each_second``, ``ended`` and ``on_outage`` (once an outage of a broker or the
    registry, when it begins) are called in this thread. ``done`` is asked how
    many of the delivered messages are finished, ``dropped`` how many of these were given up with
    their partitions; they come again, to us or to another member.

    When too many are not, nothing is fetched; when that lasts, the partitions are paused and the
    polling goes on, so that the group does not take slow callbacks for a dead consumer.
    """

    def __init__(
        self,
        member: GroupMember,
        intake: Intake[Work],
        settings: ConsumerSettings,
        clock: Clock,
        *,
        limit: int | None,
        deliver: Callable[[Work], object],
        done: Callable[[], int],
        dropped: Callable[[], int],
        each_second: Callable[[], object],
        ended: Callable[[], object],
        on_outage: OutageCallback,
    ) -> None:
        """Prepare the thread; at most ``limit`` messages are delivered and not dropped."""
        self._member = member
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._limit = limit
        self._deliver = deliver
        self._done = done
        self._dropped = dropped
        self._each_second = each_second
        self._ended = ended
        self._on_outage = on_outage
        self._ending = threading.Event()
        self._room = threading.Event()
        self._random = Random()  # noqa: S311  spreads load, keeps no secret
        self._thread = threading.Thread(target=self._run, name="alchemiser-consumer", daemon=True)
        self._decoded = False
        # Messages of a partition that came to us while all were paused, and their leases.
        self._strays: list[tuple[Message, PartitionLease | None]] = []
        self._looked_ns = 0
        self.delivered = 0
        self.rejoined = 0
        self.first_ns: int | None = None  # when the poll began that brought the first message
        self.last_ns: int | None = None  # when the last message came, or the last assignment
        self.lag: int | None = None
        self.waiting_for = ""  # what an outage is of
        self.failure: BaseException | None = None
        self.partitions: list[PartitionProgress] = []

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Ask the thread to fetch no more and to leave the group."""
        self._ending.set()
        self._room.set()

    def make_room(self) -> None:
        """Tell the thread that messages are done; it looks for itself how many."""
        self._room.set()

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    @property
    def complete(self) -> bool:
        """Whether everything was delivered that may be."""
        return self._most() == 0

    @property
    def paused(self) -> bool:
        """Whether our partitions are paused."""
        return self._member.paused

    def _run(self) -> None:
        try:
            self._member.join()
            self._outlast_refusals()
        except BaseException as error:  # noqa: BLE001  it is raised by whoever waits for the end
            self.failure = error
        try:
            self.partitions = self._member.leave()
        except BaseException as error:  # noqa: BLE001  as above
            self.failure = self.failure or error
        self._ended()

    def _outlast_refusals(self) -> None:
        """Fetch to the end; join anew after errors that the client does not mend itself."""
        outage = _Outage(self._settings.max_outage_s, self._clock, self._random)
        while True:
            came = self.delivered
            try:
                if outage.begun:
                    self.waiting_for = "the broker"
                    self._member.rejoin()
                    self.rejoined += 1
                    self.waiting_for = ""
                self._fetch()
            except RegistryUnreachableError:
                raise
            except StreamingError as error:
                if self.delivered > came:
                    outage.over()
                fresh = not outage.begun
                wait_s = outage.wait_after(error)
                if fresh:
                    self._on_outage(error)
                _log.warning("consumer_rejoins", code=error.code, why=error.why, wait_s=wait_s)
                if self._ending.wait(wait_s):
                    return
            else:
                return

    def _fetch(self) -> None:
        member = self._member
        while not self._ending.is_set():
            self._look_around()
            most = self._most()
            if most == 0 or self._full():
                self._hold()
                continue
            began_ns = self._clock.monotonic_ns()
            messages = self._still_ours(self._strays[:most])
            del self._strays[:most]
            messages = messages or member.take(most, _POLL_S)
            if _FETCH.armed is not None:
                messages = _FETCH.alter_all(messages)
            if messages:
                self._hand_on(messages, began_ns)
            elif not member.assigned:
                self.last_ns = None  # a rebalance is no silence: nothing can come
            elif self.last_ns is None:
                self.last_ns = self._clock.monotonic_ns()

    def _hand_on(self, messages: list[Message], began_ns: int) -> None:
        try:
            count, work = self._intake.take(messages, self._member.leases)
        except RegistryUnreachableError as error:
            if not self._decoded:
                raise  # as at the start: a wrong URL is not an outage
            found = self._outlast_registry(messages, error)
            if found is None:
                return  # they were not begun, so they are not committed
            count, work = found
        self._decoded = True
        if not count:
            return
        if self.first_ns is None:
            self.first_ns = began_ns
        self.delivered += count
        self.last_ns = self._clock.monotonic_ns()
        self._deliver(work)

    def _outlast_registry(
        self, messages: list[Message], error: AlchemiserError
    ) -> tuple[int, Work] | None:
        """Hold everything until the registry answers again; nothing is lost or set aside."""
        outage = _Outage(self._settings.max_outage_s, self._clock, self._random)
        self.waiting_for = "the schema registry"
        self._member.pause()
        _log.warning("registry_outage_paused", code=error.code, why=error.why)
        self._on_outage(error)
        held = self._with_leases(messages)
        while not self._ending.is_set():
            until_ns = self._clock.monotonic_ns() + round(outage.wait_after(error) * NS_PER_SECOND)
            while not self._ending.is_set() and self._clock.monotonic_ns() < until_ns:
                self._look_around()
                self._strays += self._with_leases(self._member.take(1, _POLL_S))
            try:
                found = self._intake.take(self._still_ours(held), self._member.leases)
            except RegistryUnreachableError as again:
                error = again
                continue
            self._member.resume()
            self.waiting_for = ""
            _log.info("registry_outage_over", waited_s=outage.lasted_s)
            return found
        return None

    def _most(self) -> int:
        """Return how many messages may be fetched at once, without regard to the buffer."""
        if self._limit is None:
            return self._settings.batch_size
        left = self._limit - self.delivered + self._dropped()
        return max(0, min(self._settings.batch_size, left))

    def _full(self) -> bool:
        return self.delivered - self._done() >= self._settings.max_buffered

    def _hold(self) -> None:
        """Wait for room: first without polling, then polling with the partitions paused."""
        waited_from_ns = self._clock.monotonic_ns()
        while self._most():
            self._room.clear()
            if not self._full():
                return
            waited_s = (self._clock.monotonic_ns() - waited_from_ns) / NS_PER_SECOND
            if waited_s >= _HOLD_S or not self._room.wait(_HOLD_S - waited_s):
                break
        member = self._member
        member.pause()
        _log.info("partitions_paused", under_way=self.delivered - self._done())
        while not self._ending.is_set() and (not self._most() or self._half_full()):
            self._room.clear()
            self._strays += self._with_leases(member.take(1, 0))
            self._look_around()
            self._room.wait(_POLL_S)
        if not self._ending.is_set():
            member.resume()
            _log.info("partitions_resumed", under_way=self.delivered - self._done())

    def _with_leases(self, messages: list[Message]) -> list[tuple[Message, PartitionLease | None]]:
        leases = self._member.leases
        return [(message, leases.get(message.partition() or 0)) for message in messages]

    def _still_ours(self, held: list[tuple[Message, PartitionLease | None]]) -> list[Message]:
        """Return the messages whose partitions did not go and come back since."""
        leases = self._member.leases.values()
        return [message for message, lease in held if any(lease is one for one in leases)]

    def _half_full(self) -> bool:
        return self.delivered - self._done() > self._settings.max_buffered // 2

    def _look_around(self) -> None:
        self._member.commit_when_due()
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._looked_ns > _LOOK_EVERY_NS:
            self._looked_ns = now_ns
            self.lag = self._member.lag()
            if (absence := self._member.absence()) is not None:
                _log.warning("broker_outage", code=absence.code, why=absence.why)
                self._on_outage(absence)
            self._each_second()


class _Outage:
    """How long something has refused, and how long to wait before asking again.

    Refusals that are further apart than the longest outage are two outages.
    """

    def __init__(self, longest_s: float, clock: Clock, random: Random) -> None:
        self._longest_s = longest_s
        self._clock = clock
        self._random = random
        self._failures = 0
        self._since_ns = self._last_ns = 0

    @property
    def begun(self) -> bool:
        return self._failures > 0

    @property
    def lasted_s(self) -> float:
        return (self._clock.monotonic_ns() - self._since_ns) / NS_PER_SECOND

    def over(self) -> None:
        self._failures = 0

    def wait_after(self, error: AlchemiserError) -> float:
        """Return the seconds to wait; raises ``error`` once the outage lasted too long."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._last_ns > self._longest_s * NS_PER_SECOND:
            self._failures = 0
        self._last_ns = now_ns
        if not self._failures:
            self._since_ns = now_ns
        elif self.lasted_s > self._longest_s:
            raise error
        self._failures += 1
        return _BACKOFF.wait_s(self._failures, self._random)
