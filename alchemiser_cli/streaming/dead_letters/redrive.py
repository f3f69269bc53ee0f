"""Sending dead letters back to where they came from, each once and not for ever."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import DeliveryFailedError, RedriveLoopError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.streaming.acknowledged import AcknowledgedProducer, Header, Outgoing, Sent
from alchemiser_cli.streaming.dead_letters import names
from alchemiser_cli.streaming.dead_letters.headers import text_bytes
from alchemiser_cli.streaming.dead_letters.letter import DeadLetter
from alchemiser_cli.streaming.dead_letters.memory import RedriveMemory

__all__ = ["RedriveOutcome", "RedriveResult", "RedriveStep", "Redriver", "redrive_loop"]

RedriveOutcome = Literal["sent", "planned", "already", "loop", "elsewhere"]

_log = get_logger("market_data", "streaming.redrive")


class RedriveStep(msgspec.Struct, frozen=True):
    """What became of one letter.

    sent: it lies at ``sent``; planned: a dry run; already: an earlier redrive sent it; loop: it
    failed again after every redrive that it may have; elsewhere: it came from another topic.
    """

    id: str
    outcome: RedriveOutcome
    topic: str
    partition: int | None
    code: str | None
    reason: str | None
    redrives: int
    sent: Sent | None = None


class RedriveResult(msgspec.Struct, frozen=True):
    """What became of each chosen letter, in the order in which they were read."""

    topic: str
    dry_run: bool
    steps: tuple[RedriveStep, ...]

    def count(self, outcome: RedriveOutcome) -> int:
        """Return how many letters came to this."""
        return sum(step.outcome == outcome for step in self.steps)

    def refuse_if_all_loop(self, max_redrives: int) -> None:
        """Raise where letters loop and nothing else could be sent back.

        Raises:
            RedriveLoopError: ``redrive-loop``.
        """
        loops = [step for step in self.steps if step.outcome == "loop"]
        if loops and not self.count("sent") and not self.count("planned"):
            raise redrive_loop(self.topic, [step.id for step in loops], max_redrives)


class Redriver:
    """Sends dead letters back to ``topic``; without a ``producer`` it is a dry run.

    A message gets its key, value, timestamp, headers and partition back; of ours, only when it
    first failed and how often it was redriven stay, so that the next failure can tell a loop.
    """

    def __init__(
        self,
        topic: str,
        memory: RedriveMemory,
        clock: Clock,
        *,
        max_redrives: int,
        producer: AcknowledgedProducer | None,
    ) -> None:
        """Send by ``producer``, whose block is open, or only plan."""
        self._topic = topic
        self._memory = memory
        self._clock = clock
        self._max_redrives = max_redrives
        self._producer = producer

    async def redrive(
        self, letters: Iterable[DeadLetter], stop: Callable[[], bool] = lambda: False
    ) -> RedriveResult:
        """Send each letter that may go, one after another, until ``stop``.

        Each is acknowledged, then remembered, before the next: messages of one key keep their
        order, and a process that dies has sent at most one letter that it does not remember.

        Raises:
            DeliveryFailedError: ``delivery-failed``; ``redriven`` in its context says how many
                were sent before.
            DatabaseError: as ``StateDatabase.begin``.
        """
        steps: list[RedriveStep] = []
        for letter in letters:
            if stop():
                break
            outcome = self._outcome(letter)
            sent = None
            if outcome == "planned" and self._producer is not None:
                try:
                    sent = await self._send(letter, self._producer)
                except DeliveryFailedError as refusal:
                    done = sum(step.outcome == "sent" for step in steps)
                    refusal.context |= {"dead_letter": letter.id, "redriven": done}
                    raise
                outcome = "sent"
            steps.append(self._step(letter, outcome, sent))
        return RedriveResult(self._topic, self._producer is None, tuple(steps))

    def _outcome(self, letter: DeadLetter) -> RedriveOutcome:
        if letter.failure.topic not in {None, self._topic}:
            return "elsewhere"
        if self._memory.redriven_at_ns(letter) is not None:
            return "already"
        return "loop" if letter.failure.redrives >= self._max_redrives else "planned"

    async def _send(self, letter: DeadLetter, producer: AcknowledgedProducer) -> Sent:
        partition = letter.failure.partition
        if partition is not None:
            partition = await producer.same_partition(self._topic, partition)
        outgoing = Outgoing(
            topic=self._topic,
            key=letter.key,
            value=letter.value,
            headers=self._headers(letter),
            timestamp_ms=max(letter.timestamp_ms, 0),
            partition=-1 if partition is None else partition,
        )
        sent = await producer.send(outgoing)
        self._memory.remember(letter, sent)
        _log.info(
            "dead_letter_redriven",
            dlq=True,
            dead_letter=letter.id,
            dead_letter_topic=letter.topic,
            code=letter.failure.code,
            reason=letter.failure.reason,
            redrives=letter.failure.redrives + 1,
            topic=sent.topic,
            partition=sent.partition,
            offset=sent.offset,
        )
        return sent

    def _headers(self, letter: DeadLetter) -> list[Header]:
        told = letter.failure
        first = told.first_failed_at or iso_from_ns(self._clock.now_ns())
        ours = {names.FIRST_FAILED, names.REDRIVES}
        return [
            *(header for header in told.originals if header[0] not in ours),
            (names.FIRST_FAILED, text_bytes(first)),
            (names.REDRIVES, text_bytes(told.redrives + 1)),
        ]

    def _step(self, letter: DeadLetter, outcome: RedriveOutcome, sent: Sent | None) -> RedriveStep:
        told = letter.failure
        topic = told.topic or self._topic
        place = (letter.id, outcome, topic, told.partition)
        return RedriveStep(*place, told.code, told.reason, told.redrives, sent)


def redrive_loop(topic: str, ids: list[str], max_redrives: int) -> RedriveLoopError:
    """Return ``redrive-loop`` for letters that were redriven as often as they may be."""
    return RedriveLoopError(
        f"{len(ids):,} dead letters of {topic!r} are not sent back again",
        why=f"Each failed again after {max_redrives} redrives; another one would fail too.",
        next_step="Find out why with `alchemiser dlq show ID`; once that is mended, raise "
        "dead_letters.max_redrives for one redrive.",
        context={"topic": topic, "ids": ids[:20], "max_redrives": max_redrives},
    )
