"""Where a consumer starts in a partition that it is given."""

from typing import Literal

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Message, TopicPartition

__all__ = ["Start", "StartPositions"]

Start = Literal["earliest", "latest", "committed"] | int  # int: UTC nanoseconds

_NS_PER_MS = 1_000_000


class StartPositions:
    """Chooses the offset at a partition's first assignment; later ones go on as committed.

    A time means the first message stamped at or after it. A cluster without an index by time
    (the embedded one) is read from the beginning, and ``too_early`` tells what to pass over.
    """

    def __init__(self, start: Start, timeout_s: float) -> None:
        """Start at ``start``; each question to the broker may take ``timeout_s``."""
        self._start = start
        self._timeout_s = timeout_s
        self._begun: set[tuple[str, int]] = set()
        self._scanning: set[tuple[str, int]] = set()
        self._first: dict[tuple[str, int], int] = {}  # the first match, where scanned

    def choose(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return ``partitions`` with the offsets to start from.

        Raises:
            confluent_kafka.KafkaException: the broker did not answer.
        """
        fresh = [place for place in partitions if (place.topic, place.partition) not in self._begun]
        again = [place for place in partitions if (place.topic, place.partition) in self._begun]
        if self._start == "earliest":
            fresh = [_at(place, OFFSET_BEGINNING) for place in fresh]
        elif self._start == "latest":
            fresh = [_at(place, self._end(consumer, place)) for place in fresh]
        elif isinstance(self._start, int):
            fresh = self._by_time(consumer, fresh, self._start // _NS_PER_MS)
        self._begun.update((place.topic, place.partition) for place in fresh)
        return fresh + again

    @property
    def scanning(self) -> bool:
        """Whether a partition is, or was, read from before the time to start from."""
        return bool(self._scanning or self._first)

    def too_early(self, message: Message) -> bool:
        """Tell whether a message lies before the start time, in a partition that is scanned.

        As with an index, all after the first match count. The same message may be asked again.
        """
        place = message.topic() or "", message.partition() or 0
        offset = message.offset() or 0
        if place in self._first:
            return offset < self._first[place]
        if place not in self._scanning:
            return False
        if isinstance(self._start, int) and message.timestamp()[1] < self._start // _NS_PER_MS:
            return True
        self._scanning.discard(place)
        self._first[place] = offset
        return False

    def _end(self, consumer: Consumer, place: TopicPartition) -> int:
        """Return the end as a number, so that a later rebalance cannot move it."""
        return consumer.get_watermark_offsets(place, timeout=self._timeout_s)[1]

    def _by_time(
        self, consumer: Consumer, places: list[TopicPartition], at_ms: int
    ) -> list[TopicPartition]:
        if not places:
            return []
        chosen = []
        asked = [_at(place, at_ms) for place in places]
        for answer in consumer.offsets_for_times(asked, timeout=self._timeout_s):
            if answer.offset == OFFSET_END and not self._has_index(consumer, answer):
                self._scanning.add((answer.topic, answer.partition))
                chosen.append(_at(answer, OFFSET_BEGINNING))
            else:
                chosen.append(_at(answer, answer.offset))
        return chosen

    def _has_index(self, consumer: Consumer, place: TopicPartition) -> bool:
        """Tell whether "no message is that late" can be believed: ask for the first of all."""
        low, high = consumer.get_watermark_offsets(place, timeout=self._timeout_s)
        if low == high:
            return True  # empty: its end is its beginning
        (first,) = consumer.offsets_for_times([_at(place, 0)], timeout=self._timeout_s)
        return first.offset >= 0


def _at(place: TopicPartition, offset: int) -> TopicPartition:
    return TopicPartition(place.topic, place.partition, offset)
