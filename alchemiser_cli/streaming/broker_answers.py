"""Errors of the Kafka protocol, as the embedded cluster's answers to one kind of request."""

from collections import Counter, deque
from random import Random

from alchemiser_cli.faults import Armed, FaultPoint
from alchemiser_cli.streaming.embedded import EmbeddedKafka

__all__ = ["API_KEYS", "Answers", "Leaderless", "Requests"]

API_KEYS = {
    "produce": 0,
    "fetch": 1,
    "list-offsets": 2,
    "metadata": 3,
    "offset-commit": 8,
    "offset-fetch": 9,
    "find-coordinator": 10,
    "join-group": 11,
    "heartbeat": 12,
}  # of the Kafka protocol

ANSWERS_AHEAD = 500  # pushed before they are asked for: no burst of requests may empty the queue
NOTED_AT_MOST = 256


class Requests:
    """Counts the requests that reach a cluster, for as long as at least one asks for it."""

    def __init__(self, kafka: EmbeddedKafka) -> None:
        """Mean ``kafka``; nothing is noted yet."""
        self._kafka = kafka
        self._askers = 0
        self._forgotten: Counter[int] = Counter()

    def begin(self) -> None:
        """Ask for counting."""
        if not self._askers:
            self._kafka.track_requests()
        self._askers += 1

    def end(self) -> None:
        """Ask for it no more."""
        self._askers -= 1
        if not self._askers:
            self._kafka.stop_tracking()
            self._forgotten.clear()

    def seen(self, api_key: int) -> int:
        """Return how many requests of this kind came; it never gets smaller while one asks.

        The cluster is made to forget what was counted now and then; a request that comes in
        that very moment is missed.
        """
        noted = self._kafka.requests()
        if noted.total() > NOTED_AT_MOST:
            self._kafka.track_requests()
            self._forgotten += noted
            return self._forgotten[api_key]
        return self._forgotten[api_key] + noted[api_key]


class Answers:
    """Requests of one kind are answered with an error of the protocol; each of them is a chance."""

    def __init__(
        self, kafka: EmbeddedKafka, requests: Requests, point: FaultPoint, api: str, word: str = ""
    ) -> None:
        """Mean the requests ``api``; ``word`` is the error where the fault does not name one."""
        self._kafka = kafka
        self._requests = requests
        self._point = point
        self._api_key = API_KEYS[api]
        self._word = word
        self._armed: Armed | None = None
        self._random = Random(0)  # noqa: S311  keeps no secret
        self._queued: deque[int] = deque()
        self._seen = 0

    def begin(self, armed: Armed) -> None:
        """Push the first answers."""
        self._random = self._point.random()
        self._armed = armed
        self._requests.begin()
        self._seen = self._requests.seen(self._api_key)
        self._push(armed)

    def keep(self, armed: Armed) -> None:
        """Count the answers that were given, and push more."""
        self._account(armed)
        if len(self._queued) < ANSWERS_AHEAD // 2:
            self._push(armed)

    def end(self) -> None:
        """Answer as it should be."""
        armed, self._armed = self._armed, None
        if armed is None:
            return
        self._kafka.clear_errors(self._api_key)
        self._account(armed)
        self._queued.clear()
        self._requests.end()

    def _push(self, armed: Armed) -> None:
        from confluent_kafka import KafkaError

        fault = armed.fault
        code = int(getattr(KafkaError, fault.word or self._word))
        left = ANSWERS_AHEAD
        if fault.count is not None:
            left = fault.count - armed.strikes.count - sum(map(bool, self._queued))
        more: list[int] = []
        while left > 0 and len(self._queued) + len(more) < ANSWERS_AHEAD:
            struck = fault.probability >= 1 or self._random.random() < fault.probability
            more.append(code if struck else 0)
            left -= struck
        if more:
            self._kafka.push_errors(self._api_key, *more)
            self._queued.extend(more)

    def _account(self, armed: Armed) -> None:
        seen = self._requests.seen(self._api_key)
        for _ in range(min(seen - self._seen, len(self._queued))):
            if self._queued.popleft():
                armed.note()
        self._seen = seen


class Leaderless:
    """Whoever writes or reads is told that the only broker leads no partition.

    The cluster itself keeps its leader: librdkafka's mock crashes when it is asked for a
    partition that has none.
    """

    def __init__(self, kafka: EmbeddedKafka, requests: Requests, point: FaultPoint) -> None:
        """Mean ``kafka``, with the fault of ``point``."""
        self._answers = [
            Answers(kafka, requests, point, api, "NOT_LEADER_FOR_PARTITION")
            for api in ("produce", "fetch")
        ]

    def begin(self, armed: Armed) -> None:
        """Push the first answers."""
        for answers in self._answers:
            answers.begin(armed)

    def keep(self, armed: Armed) -> None:
        """Push more."""
        for answers in self._answers:
            answers.keep(armed)

    def end(self) -> None:
        """Answer as it should be."""
        for answers in self._answers:
            answers.end()
