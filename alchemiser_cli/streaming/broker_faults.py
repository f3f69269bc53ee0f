"""The faults of an embedded Kafka: it follows the conditions that are armed in this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from alchemiser_cli.errors import EmbeddedBrokerFailedError
from alchemiser_cli.faults import Armed, FaultPoint, fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.streaming.broker_answers import API_KEYS, Answers, Leaderless, Requests
from alchemiser_cli.streaming.broker_conditions import (
    Condition,
    Deletion,
    Down,
    LeaderMove,
    RoundTrip,
)
from alchemiser_cli.streaming.embedded import EmbeddedKafka

__all__ = ["broker_faults_reach"]

LOOK_EVERY_S = 0.02

_log = get_logger("application", "streaming.broker_faults")


@contextmanager
def broker_faults_reach(kafka: EmbeddedKafka) -> Iterator[None]:
    """Let the faults ``broker.*`` of this process reach ``kafka`` for the length of the block.

    A fault that is in force already is brought about at once, and ``arm`` returns when that is
    done. All is healed at the end. Of several clusters in a process, the last one is reached.
    """
    requests = Requests(kafka)
    leader = fault_point("broker.leader")
    conditions: dict[str, Condition] = {
        "connections": Down(kafka),
        "round-trip": RoundTrip(kafka),
        "leader": LeaderMove(kafka) if kafka.brokers > 1 else Leaderless(kafka, requests, leader),
        "records": Deletion(kafka),
    }
    for api in API_KEYS:
        conditions[api] = Answers(kafka, requests, fault_point(f"broker.{api}"), api)
    changed, left = threading.Event(), threading.Event()
    followers = [
        _Follower(fault_point(f"broker.{name}"), condition, changed)
        for name, condition in conditions.items()
    ]

    def watch() -> None:
        while not left.is_set():
            changed.wait()
            changed.clear()
            while not left.is_set() and sum(one.look() for one in followers):
                left.wait(LOOK_EVERY_S)

    thread = threading.Thread(target=watch, name="broker faults", daemon=True)
    thread.start()
    with ExitStack() as stack:
        for follower in followers:
            stack.callback(follower.leave)
            follower.follow()
        try:
            yield
        finally:
            left.set()
            changed.set()
            thread.join()


class _Follower:
    """Keeps one condition as its fault point wants it: also by schedule, and not beyond the end."""

    def __init__(self, point: FaultPoint, condition: Condition, changed: threading.Event) -> None:
        self._point = point
        self._condition = condition
        self._changed = changed
        self._lock = threading.Lock()
        self._armed: Armed | None = None
        self._begun = False
        self._before = point.listener

    def follow(self) -> None:
        self._point.listen(self._take)

    def leave(self) -> None:
        self._point.listener = None
        self._take(None)
        self._point.listen(self._before)

    def look(self) -> bool:
        """Bring about or heal what the hour demands; tell whether there is a fault at all."""
        with self._lock:
            armed = self._armed
            if armed is None:
                return False
            if not armed.in_force():
                self._heal()
            elif self._begun:
                self._try(partial(self._condition.keep, armed))
            else:
                self._begun = True
                self._try(partial(self._condition.begin, armed))
        if armed.is_over:
            self._point.disarm(armed)  # which comes back as _take(None)
        return True

    def _take(self, armed: Armed | None) -> None:
        with self._lock:
            self._heal()
            self._armed = armed
        self.look()
        self._changed.set()

    def _heal(self) -> None:
        if self._begun:
            self._begun = False
            self._try(self._condition.end)

    def _try(self, step: Callable[[], None]) -> None:
        from confluent_kafka import KafkaException

        try:
            step()
        except (EmbeddedBrokerFailedError, KafkaException) as error:
            # A fault that cannot be brought about never strikes, and that is seen in its strikes.
            _log.warning("broker_fault_failed", target=self._point.name, reason=str(error))
