"""Choosing dead letters, and summing them up."""

import heapq
from collections.abc import Iterable, Iterator

import msgspec

from alchemiser_cli.streaming.dead_letters.letter import DeadLetter
from alchemiser_cli.streaming.dead_letters.memory import RedriveMemory

__all__ = [
    "DeadLetterListing",
    "ListedLetter",
    "ReasonCount",
    "Selection",
    "count_by_reason",
    "list_letters",
]


class Selection(msgspec.Struct, frozen=True):
    """Which letters are meant; None is any."""

    code: str | None = None
    reason: str | None = None

    def among(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Yield those of ``letters`` that are meant."""
        for letter in letters:
            told = letter.failure
            if self.code in {None, told.code} and self.reason in {None, told.reason}:
                yield letter


class ListedLetter(msgspec.Struct, frozen=True):
    """A letter, and when it was sent back (UTC nanoseconds) if it was."""

    letter: DeadLetter
    redriven_at_ns: int | None


class DeadLetterListing(msgspec.Struct, frozen=True):
    """The newest letters, and how many there are."""

    total: int
    redriven: int
    letters: tuple[ListedLetter, ...]


class ReasonCount(msgspec.Struct, frozen=True):
    """Letters of one family, code and reason; times are UTC milliseconds of the messages."""

    family: str
    code: str | None
    reason: str | None
    count: int
    redriven: int
    first_ms: int
    last_ms: int
    example: str  # the id of the newest


def list_letters(
    letters: Iterable[DeadLetter],
    memory: RedriveMemory,
    *,
    limit: int,
    open_only: bool = False,
) -> DeadLetterListing:
    """Return the ``limit`` newest letters, newest first; no more are held in memory.

    ``open_only`` leaves out, and does not count, those that were sent back.
    """
    total = sent_back = 0

    def counted() -> Iterator[ListedLetter]:
        nonlocal total, sent_back
        for letter in letters:
            at_ns = memory.redriven_at_ns(letter)
            if open_only and at_ns is not None:
                continue
            total += 1
            sent_back += at_ns is not None
            yield ListedLetter(letter, at_ns)

    newest = heapq.nlargest(limit, counted(), key=_newness)
    return DeadLetterListing(total, sent_back, tuple(newest))


def count_by_reason(
    letters: Iterable[DeadLetter], memory: RedriveMemory, *, open_only: bool = False
) -> tuple[ReasonCount, ...]:
    """Return how many letters there are of each family, code and reason, the most first."""
    groups: dict[tuple[str, str | None, str | None], ReasonCount] = {}
    for letter in letters:
        sent_back = memory.redriven_at_ns(letter) is not None
        if open_only and sent_back:
            continue
        told, at_ms = letter.failure, letter.timestamp_ms
        key = told.family, told.code, told.reason
        before = groups.get(key) or ReasonCount(*key, 0, 0, at_ms, at_ms, letter.id)
        groups[key] = msgspec.structs.replace(
            before,
            count=before.count + 1,
            redriven=before.redriven + sent_back,
            first_ms=min(before.first_ms, at_ms),
            last_ms=max(before.last_ms, at_ms),
            example=letter.id if at_ms >= before.last_ms else before.example,
        )
    return tuple(sorted(groups.values(), key=lambda one: (-one.count, one.code or "")))


def _newness(one: ListedLetter) -> tuple[int, int, int]:
    return one.letter.timestamp_ms, one.letter.partition, one.letter.offset
