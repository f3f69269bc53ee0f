"""Storms: of many failures of one fingerprint a few are kept whole, the others as their number."""

from collections.abc import Callable, Iterator

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors.journal.capture import Snapshot, grouped
from alchemiser_cli.errors.journal.records import Captured

__all__ = ["Storm"]

SAMPLES = 3
KINDS_LIMIT = 2_000
REMEMBERED = 4_096

Kind = tuple[str, bool, bool]


class _Fold:
    """One second of one kind of failure."""

    __slots__ = ("extra", "last_ns", "samples", "second", "taken")

    def __init__(self, second: int, samples: int) -> None:
        self.second = second
        self.samples = samples
        self.extra = 0
        self.taken: Snapshot | None = None
        self.last_ns = 0


class Storm:
    """Folds failures by fingerprint and second; keeps one failure a fingerprint in memory.

    The first ``SAMPLES`` of a second become records of their own; the others become one record
    with their number as ``count``. While a storm lasts, each second is one such record.
    """

    def __init__(self, make: Callable[[Snapshot], Captured], component: str) -> None:
        """Use ``make`` for the records; ``component`` is that of failures that name none."""
        self._make = make
        self._component = component
        self._folds: dict[Kind, _Fold] = {}
        self._known: dict[tuple[str, str, str], str] = {}

    def take(self, taken: Snapshot) -> Iterator[Captured]:
        """Take one failure and yield the records that are ready because of it."""
        kind = (self._fingerprint(taken), taken.recovered, taken.injected)
        second = taken.at_ns // NS_PER_SECOND
        fold = self._folds.get(kind)
        if fold is None or fold.second != second:
            lasting = fold is not None and fold.second == second - 1 and fold.samples == 0
            if fold is not None:
                yield from self._emit(fold)
            elif len(self._folds) >= KINDS_LIMIT:
                yield from self.finish()
                self._folds.clear()
            fold = self._folds[kind] = _Fold(second, 0 if lasting else SAMPLES)
        if fold.samples:
            fold.samples -= 1
            yield self._make(taken)
        else:
            fold.taken = fold.taken or taken
            fold.extra += 1
            fold.last_ns = taken.at_ns

    def sweep(self, now_ns: int) -> Iterator[Captured]:
        """Yield the records of the seconds that are over."""
        current = now_ns // NS_PER_SECOND
        for kind, fold in list(self._folds.items()):
            if fold.second != current:
                yield from self._emit(fold)
            if abs(current - fold.second) > 1:
                del self._folds[kind]

    def finish(self) -> Iterator[Captured]:
        """Yield all that was added up so far."""
        for fold in list(self._folds.values()):
            yield from self._emit(fold)

    def _emit(self, fold: _Fold) -> Iterator[Captured]:
        if fold.taken is None:
            return
        record = self._make(fold.taken)
        yield msgspec.structs.replace(record, count=fold.extra, at_ns=fold.last_ns)
        fold.taken, fold.extra = None, 0

    def _fingerprint(self, taken: Snapshot) -> str:
        key = (taken.code, str(taken.context.component), taken.what)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[key] = grouped(taken, self._component)[0]
        return found
