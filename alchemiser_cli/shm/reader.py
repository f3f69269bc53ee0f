"""Reading: nothing is handed on that was not proven, and a reader never waits for a writer."""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

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
from alchemiser_cli.shm.files import open_file
from alchemiser_cli.shm.freshness import Freshness, freshness_of
from alchemiser_cli.shm.layout import PUBLISHED_WORD, Header
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.presence import FAILURES, REFUSALS, RETRIES, ReaderLine
from alchemiser_cli.shm.slots import SlotHead, decode_head, slot_of
from alchemiser_cli.shm.words import PUBLISHED, TO_COMPLETE, fence_of_one_thread, unseal

__all__ = ["Copy", "SegmentReader"]

T = TypeVar("T")
C = TypeVar("C")

_LOG = get_logger("application", "shm")

NOTHING_SEEN = 0  # no sealed word is zero


class Copy(msgspec.Struct, Generic[C], frozen=True):
    """A private copy of a slot: checksum of what was copied, head, and what the payload became."""

    checksum: int
    head: bytes
    content: C


class SegmentReader(ABC, Generic[C, T]):
    """One reader's place in a segment: the last good value, and whether there is a newer one.

    ``poll`` copies a slot out, and hands the copy on only if the slot's mark was that of the
    published generation before and after, and the checksum, seeded with the generation, fits.
    After ``shm.read_attempts`` vain attempts, and for a copy that a proof refuses, the last good
    value stays and ``freshness`` is stale. Not to be shared between threads.
    """

    def __init__(self, file: Path, clock: Clock, settings: ShmSettings, schema_hash: int) -> None:
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
        why = "Nothing was published yet."
        if found.age_s is not None:
            why = f"They are {found.age_s:.1f} s old; shm.max_age_s is {self._settings.max_age_s}."
        if self.refusal is not None:
            why += f" Newer ones were refused: {self.refusal.what}."
        raise StaleWeightsError(
            f"{self._file.name} has no weights that may be acted on",
            why=why,
            next_step="Look at the writer; until it publishes, the setting shm.when_expired holds.",
            context={"action": found.action, "generation": found.generation},
        ) from self.refusal

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
        words, fence = self._words, self._fence
        word, fault = NOTHING_SEEN, ""
        for _ in range(self._settings.read_attempts):
            word = words[PUBLISHED_WORD]
            generation = unseal(PUBLISHED, word)
            if word == RETIRED_WORD:
                return self._follow()
            if generation is None or generation < self._floor:
                fault = f"its published generation is damaged ({word:#018x})"
                continue
            index = slot_of(generation)
            mark, expected = self._mapping.marks[index], word ^ TO_COMPLETE
            if words[mark] != expected:
                if not any(words[one] for one in self._mapping.marks):
                    self._seen = word  # nothing was published yet
                    return None
                fault = f"slot {index} does not hold generation {generation}"
                self._line.count(RETRIES)
                fence()
                continue
            fence()
            copy = self._copied(index, generation)
            checksum = words[mark + 1]
            fence()
            if words[mark] != expected:
                fault = "its writer was faster than this reader"
                self._line.count(RETRIES)
                continue
            if copy is None or copy.checksum != checksum:
                fault = f"slot {index} does not match its checksum"
                self._line.count(FAILURES)
                continue
            return self._proven(word, generation, copy)
        self._refuse(word, self._corrupt(fault))
        return None

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
        return value

    def _refuse(self, word: int, error: AlchemiserError) -> None:
        """Keep the last good value, and look again only when the published word changes."""
        self._seen = word
        self.refusal = error
        self._line.count(REFUSALS)
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

    def _corrupt(self, fault: str) -> SegmentCorruptError:
        return SegmentCorruptError(
            f"{self._file.name} cannot be read",
            why=f"{self._settings.read_attempts} attempts failed, the last because {fault}.",
            next_step="Stop its writer, and let it publish into a new segment.",
        )

    def _unlike(self, header: Header) -> SegmentSchemaError:
        return SegmentSchemaError(
            f"{self._file} holds something else",
            why=f"Its schema is {header.schema_hash:016x}, and {self._schema_hash:016x} is asked "
            "for.",
            next_step="Run writer and reader of one version, or read another segment.",
        )
