"""Reading: nothing is handed on that was not proven, and a reader never waits for a writer."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import (
    AlchemiserError,
    SegmentCorruptError,
    SegmentSchemaError,
    StaleWeightsError,
)
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.control import RETIRED_WORD
from alchemiser_cli.shm.files import open_file, segment_name
from alchemiser_cli.shm.freshness import Freshness, freshness_of
from alchemiser_cli.shm.layout import PUBLISHED_WORD, Header
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.presence import FAILURES, REFUSALS, RETRIES, ReaderLine
from alchemiser_cli.shm.slots import SlotHead, decode_head, slot_of
from alchemiser_cli.shm.struck import held_up_on_purpose, spoiled_on_purpose
from alchemiser_cli.shm.words import PUBLISHED, TO_COMPLETE, fence_of_one_thread, unseal
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry import names as metric

__all__ = ["Copy", "ReadCounts", "SegmentReader", "Sight"]

T = TypeVar("T")
C = TypeVar("C")

_LOG = get_logger("application", "shm")

NOTHING_SEEN = 0  # no sealed word is zero


class Copy(msgspec.Struct, Generic[C], frozen=True):
    """A private copy of a slot: checksum of what was copied, head, and what the payload became."""

    checksum: int
    head: bytes
    content: C


class Sight(NamedTuple, Generic[C]):
    """A consistent look at the published generation, or else the ``fault``.

    Without a copy and without a fault nothing was published, or the file was retired.
    """

    word: int
    generation: int
    copy: Copy[C] | None
    fault: str = ""


class ReadCounts(msgspec.Struct):
    """What one reader met: attempts that a writer overtook, copies that failed their checksum, and
    generations that were refused.
    """  # noqa: D205  one sentence

    retries: int = 0
    checksum_failures: int = 0
    refusals: int = 0


class SegmentReader(ABC, Generic[C, T]):
    """One reader's place in a segment: the last good value, and whether there is a newer one.

    ``poll`` copies a slot out, and hands the copy on only if the slot's mark was that of the
    published generation before and after, and the checksum, seeded with the generation, fits.
    After ``shm.read_attempts`` vain attempts, and for a copy that a proof refuses, the last good
    value stays and ``freshness`` is stale. Not to be shared between threads.
    """

    def __init__(
        self,
        file: Path,
        clock: Clock,
        settings: ShmSettings,
        schema_hash: int,
        telemetry: Telemetry = SILENT,
    ) -> None:
        """Attach to the segment ``file``, which holds what ``schema_hash`` says; 0: anything.

        Raises:
            SegmentSchemaError: ``segment-schema-mismatch``.
            SharedMemoryError: others as for ``open_file``.
        """
        self._file = file
        self._clock = clock
        self._settings = settings
        self._schema_hash = schema_hash
        self._fence = fence_of_one_thread()
        self._value: T | None = None
        self._head: SlotHead | None = None
        self.refusal: AlchemiserError | None = None
        self.counts = ReadCounts()
        name = segment_name(file)
        self._retries = telemetry.counter(metric.SHM_READ_RETRIES, segment=name)
        self._failures = telemetry.counter(metric.SHM_CHECKSUM_FAILURES, segment=name)
        self._shown_generation = telemetry.gauge(metric.SHM_GENERATION, segment=name)
        self._shown_age = telemetry.gauge(metric.SHM_AGE_SECONDS, segment=name)
        self._attach()

    @property
    def header(self) -> Header:
        """The header of the segment."""
        return self._mapping.header

    @property
    def head(self) -> SlotHead | None:
        """What the slot of the last good value says of itself: generation, times, provenance."""
        return self._head

    @property
    def value(self) -> T | None:
        """The last good value, whatever its age; None before the first."""
        return self._value

    def poll(self) -> T | None:
        """Return the published value if it is new and proven, and None otherwise.

        Costs two calls if nothing was published. Never raises for what is in the segment: what
        is refused stands in ``refusal`` until something newer is accepted.
        """
        if self._words[PUBLISHED_WORD] == self._seen:
            return None
        return self._read()

    def freshness(self) -> Freshness:
        """Return how old the value is and what to do; follows a segment that was replaced."""
        refusal = None if self.refusal is None else self.refusal.code
        found = freshness_of(self._head, refusal, self._settings, self._clock)
        self._line.beat(self._clock.now_ns())
        if found.age_s is not None:
            self._shown_age.set(found.age_s)
        retired = self._words[PUBLISHED_WORD] == RETIRED_WORD
        if (retired or found.state == "expired") and self._replaced():
            self._follow()
        return found

    def require(self) -> T:
        """Return the newest value that is proven and not expired.

        Raises:
            StaleWeightsError: ``weights-stale``; the context says whether to hold or to go flat.
        """
        self.poll()
        found = self.freshness()
        if self._value is not None and found.action == "act":
            return self._value
        raise self._stale(found) from self.refusal

    def close(self) -> None:
        """Leave the segment; values that were read stay good. Twice is harmless."""
        self._line.release()

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()

    @abstractmethod
    def _prepare(self, mapping: Mapping) -> None:
        """Get ready to copy from ``mapping``."""

    @abstractmethod
    def _copied(self, index: int, generation: int) -> Copy[C] | None:
        """Copy slot ``index`` and hash the copy; None if its lengths are impossible."""

    @abstractmethod
    def _accepted(self, head: SlotHead, content: C) -> T:
        """Return the value of a proven copy, or raise why it must not be used."""

    def _attach(self) -> None:
        descriptor, header = open_file(self._file)
        try:
            if self._schema_hash not in {0, header.schema_hash}:
                raise self._unlike(header)
            self._mapping = Mapping(descriptor, header, writable=False)
            self._line = ReaderLine(self._file, descriptor, header, self._clock)
            self._inode = os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        self._words = self._mapping.words
        self._seen = NOTHING_SEEN
        self._floor = 0  # the largest generation that was seen in this file
        self._prepare(self._mapping)

    def _read(self) -> T | None:
        sight = self._sight(self._copied)
        if sight.word == RETIRED_WORD:
            return self._follow()
        if sight.copy is not None:
            return self._proven(sight.word, sight.generation, sight.copy)
        if sight.fault:
            self._refuse(sight.word, self._corrupt(sight.fault))
        self._seen = sight.word
        return None

    def _sight(self, take: Callable[[int, int], Copy[C] | None]) -> Sight[C]:
        """Take slot and generation of what is published, until nothing changed meanwhile."""
        words, fence = self._words, self._fence
        word, fault = NOTHING_SEEN, ""
        for _ in range(self._settings.read_attempts):
            word = words[PUBLISHED_WORD]
            generation = unseal(PUBLISHED, word)
            if word == RETIRED_WORD:
                return Sight(word, 0, None)
            if generation is None or generation < self._floor:
                fault = f"its published generation is damaged ({word:#018x})"
                continue
            index = slot_of(generation)
            mark, expected = self._mapping.marks[index], word ^ TO_COMPLETE
            if words[mark] != expected:
                if not any(words[one] for one in self._mapping.marks):
                    return Sight(word, 0, None)  # nothing was published yet
                fault = f"slot {index} does not hold generation {generation}"
                self._retry()
                fence()
                continue
            fence()
            copy = take(index, generation)
            checksum = words[mark + 1]
            fence()
            if words[mark] != expected:
                fault = "its writer was faster than this reader"
                self._retry()
                continue
            if copy is None or copy.checksum != checksum:
                fault = f"slot {index} does not match its checksum"
                self._line.count(FAILURES)
                self._failures.inc()
                self.counts.checksum_failures += 1
                continue
            return Sight(word, generation, copy)
        return Sight(word, 0, None, fault)

    def _retry(self) -> None:
        self._line.count(RETRIES)
        self._retries.inc()
        self.counts.retries += 1

    def _proven(self, word: int, generation: int, copy: Copy[C]) -> T | None:
        """Take the copy over, unless its content is refused."""
        self._floor = generation
        try:
            head = decode_head(copy.head)
            value = self._accepted(head, copy.content)
        except AlchemiserError as error:
            self._refuse(word, error)
            return None
        except (ValueError, msgspec.MsgspecError) as error:  # its writer wrote it so
            self._refuse(word, self._corrupt(str(error)))
            return None
        self._value, self._head, self._seen, self.refusal = value, head, word, None
        self._line.saw(generation, self._clock.now_ns())
        self._shown_generation.set(generation)
        return value

    def _refuse(self, word: int, error: AlchemiserError) -> None:
        """Keep the last good value, and look again only when the published word changes."""
        self._seen = word
        self.refusal = error
        self._line.count(REFUSALS)
        self.counts.refusals += 1
        _LOG.warning(
            "shm_generation_refused",
            segment=self._file.name,
            code=error.code,
            why=error.why,
            kept_generation=self._head.generation if self._head else 0,
        )

    def _replaced(self) -> bool:
        try:
            return self._file.stat().st_ino != self._inode
        except OSError:
            return False

    def _follow(self) -> T | None:
        """Attach to the file that has the name now; without one, keep what there is."""
        line = self._line
        try:
            self._attach()
        except AlchemiserError as error:
            self.refusal = error
            self._seen = self._words[PUBLISHED_WORD]
            return None
        line.release()
        if self._words[PUBLISHED_WORD] == RETIRED_WORD:  # about to be removed
            self._seen = RETIRED_WORD
            return None
        return self._read()

    def _stale(self, found: Freshness) -> StaleWeightsError:
        why = "Nothing was published yet."
        if found.age_s is not None:
            why = f"They are {found.age_s:.1f} s old; shm.max_age_s is {self._settings.max_age_s}."
        if self.refusal is not None:
            why += f" Newer ones were refused: {self.refusal.what}."
        stale = StaleWeightsError(
            f"{self._file.name} has no weights that may be acted on",
            why=why,
            next_step="Look at the writer; until it publishes, the setting shm.when_expired holds.",
            context={"action": found.action, "generation": found.generation},
        )
        refused_on_purpose = self.refusal is not None and self.refusal.injected
        stale.injected = refused_on_purpose or held_up_on_purpose()
        return stale

    def _corrupt(self, fault: str) -> SegmentCorruptError:
        corrupt = SegmentCorruptError(
            f"{self._file.name} cannot be read",
            why=f"{self._settings.read_attempts} attempts failed, the last because {fault}.",
            next_step=f"Look at it: alchemiser shm inspect {segment_name(self._file)}",
        )
        corrupt.injected = spoiled_on_purpose()
        return corrupt

    def _unlike(self, header: Header) -> SegmentSchemaError:
        return SegmentSchemaError(
            f"{self._file} holds something else",
            why=f"Its schema is {header.schema_hash:016x}, and {self._schema_hash:016x} is asked "
            "for.",
            next_step="Run writer and reader of one version, or read another segment.",
        )
