"""What became of each use of a resolution: whether it was a drill, and whether the error came back.

It is read from the records and the groups alone, so it takes as long in a journal of a million
failures as in one of a hundred. Each record says when the trouble that it ended began
(``seconds``); a trouble that began after an earlier use is that use's return.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors.journal.lifecycle import NS_PER_MINUTE
from alchemiser_cli.errors.journal.records import ErrorGroup, MinuteCount, Resolution

__all__ = ["Experience", "Use", "uses"]


class Experience(Protocol):
    """What is asked of the journal's store, whose methods these are."""

    def groups(self, *, code: str | None = None, limit: int) -> list[ErrorGroup]:
        """Return the groups, of all codes or one, the most recently seen first."""
        ...

    def resolutions(self, code: str) -> list[Resolution]:
        """Return the records of one code."""
        ...

    def minutes_of(self, code: str, minutes: Collection[int]) -> list[MinuteCount]:
        """Return the counts of one code in each of ``minutes`` (since 1970, UTC)."""
        ...


@dataclass(frozen=True)
class Use:
    """One record, and when its error came back after it (UTC ns), or None if it did not."""

    record: Resolution
    returned_ns: int | None


def uses(
    store: Experience, code: str, groups: Iterable[ErrorGroup], records: Iterable[Resolution]
) -> list[Use]:
    """Return the uses in ``records`` of ``code`` that were no drill, the oldest first.

    A use is a drill where its trouble began in a minute whose failures of that code and component
    were all caused on purpose; a return that was caused on purpose is none.

    Raises:
        DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
    """
    by_print = {group.fingerprint: group for group in groups}
    of_print: dict[str, list[Resolution]] = {}
    for record in sorted(records, key=lambda one: (one.at_ns, one.id)):
        of_print.setdefault(record.fingerprint, []).append(record)
    drills = _Drills(store, code, [(by_print.get(key), those) for key, those in of_print.items()])
    found: list[Use] = []
    for fingerprint, those in of_print.items():
        found += _of_group(drills, by_print.get(fingerprint), those)
    return sorted(found, key=lambda use: (use.record.at_ns, use.record.id))


class _Drills:
    """Tells what was caused on purpose, with one question to the store for all records."""

    def __init__(
        self,
        store: Experience,
        code: str,
        troubles: Iterable[tuple[ErrorGroup | None, list[Resolution]]],
    ) -> None:
        asked: set[int] = set()
        for group, records in troubles:
            if group is None or group.injected in (0, group.count):
                continue  # all of it was real, or all was on purpose
            asked.add(group.state_changed_ns // NS_PER_MINUTE)
            asked.update(minute for record in records for minute in _minutes(*_began(record)))
        counts = store.minutes_of(code, asked) if asked else []
        self._drilled = {(one.component, one.minute) for one in counts if one.injected}
        self._real = {(one.component, one.minute) for one in counts if not one.injected}

    def had(self, group: ErrorGroup, since_ns: int, until_ns: int) -> bool:
        """Whether the group's failures in the minutes of a span were all caused on purpose."""
        if group.injected in (0, group.count):
            return group.injected > 0
        span = {(group.component, minute) for minute in _minutes(since_ns, until_ns)}
        return bool(span & self._drilled) and not span & self._real


def _of_group(
    drills: _Drills, group: ErrorGroup | None, records: list[Resolution]
) -> Iterator[Use]:
    if group is None:
        real = records
    else:
        real = [record for record in records if not drills.had(group, *_began(record))]
    present_ns = _present_trouble(drills, group)
    following: list[tuple[int, int]] = []  # when the troubles of later records began, latest first
    judged: list[Use] = []
    for record in reversed(real):
        returned_ns = next(
            (latest for earliest, latest in reversed(following) if earliest >= record.at_ns), None
        )
        # What was recorded as mended was resolved then, so what is not resolved now came later.
        came_later = present_ns is not None and record.at_ns < present_ns
        present = present_ns if came_later and record.worked is not False else None
        judged.append(Use(record, present if returned_ns is None else returned_ns))
        if record.seconds is not None:
            following.append(_began(record))
    return reversed(judged)


def _present_trouble(drills: _Drills, group: ErrorGroup | None) -> int | None:
    if group is None or group.state == "resolved":
        return None
    at_ns = group.state_changed_ns
    return None if drills.had(group, at_ns, at_ns) else at_ns


def _began(record: Resolution) -> tuple[int, int]:
    """Return the span in which the trouble began (UTC ns): ``seconds`` is without its fraction."""
    latest = record.at_ns - (record.seconds or 0) * NS_PER_SECOND
    return latest - NS_PER_SECOND, latest


def _minutes(since_ns: int, until_ns: int) -> range:
    return range(since_ns // NS_PER_MINUTE, until_ns // NS_PER_MINUTE + 1)
