"""Holds: a strategy looked and wanted nothing, until it wanted something or for another reason.

A hold is on record when it begins and now and then while it lasts; its end is not. It ends with
the next hold or signal of the same strategy and symbol, or with the last line of the run. Its
lines may be written much later than what they tell of, so their place in the trail says nothing.
"""

import msgspec
from msgspec.structs import replace

from alchemiser_cli.trading.audit.record import AuditRecord
from alchemiser_cli.trading.why.records import detail_of

__all__ = ["Held", "HeldDetail", "Holds"]


class HeldDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The detail of a ``HELD`` line; times are UTC nanoseconds.

    ``ticks`` is how many it held since ``since_ns``. ``until_ns`` is that of the last of them;
    where it is None, ``at_ns`` is, when this was noted, or the time of the line.
    """

    reason: str
    since_ns: int
    until_ns: int | None = None
    at_ns: int | None = None
    ticks: int = 0


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy wanted nothing: why, from when to when (UTC ns), and at how many ticks.

    Ticks after its last line are not counted.
    """

    symbol: str
    strategy_id: str
    reason: str
    since_ns: int
    until_ns: int
    ticks: int


class Holds:
    """The holds that last into a window, joined where strategy, symbol and reason are the same."""

    def __init__(self, at_ns: int, width_ns: int) -> None:
        """Begin with none; the window is ``width_ns`` to both sides of ``at_ns``."""
        self._at_ns = at_ns
        self._width_ns = width_ns
        self._places: dict[tuple[str, str, str], _Place] = {}
        self._newest_ns: dict[str, int] = {}

    def passed(self, record: AuditRecord) -> None:
        """Note how far the record's run has come, whatever the line is about."""
        if record.at_ns > self._newest_ns.get(record.run_id, 0):
            self._newest_ns[record.run_id] = record.at_ns

    def overlaps(self, record: AuditRecord) -> bool:
        """Tell whether a ``HELD`` line tells of something in the window."""
        return record.event == "HELD" and self._away(_held(record)) <= self._width_ns

    def take(self, record: AuditRecord) -> None:
        """Take in one line about the symbol."""
        if record.event not in ("HELD", "SIGNAL"):
            return
        key = (record.run_id, record.strategy_id, record.symbol)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(
                self._at_ns - self._width_ns, self._at_ns + self._width_ns
            )
        if record.event == "SIGNAL":
            place.edge(record.at_ns)
        else:
            place.take(_held(record))

    def ordered(self) -> tuple[Held, ...]:
        """Return the holds at the moment first, then the nearest, the newest before."""
        found: dict[tuple[str, str, str], Held] = {}
        for (run_id, _, _), place in self._places.items():
            for held in place.stretches(self._newest_ns.get(run_id, 0)):
                if self._away(held) > self._width_ns:
                    continue
                key = (held.strategy_id, held.symbol, held.reason)
                found[key] = _joined(found.get(key), held)
        return tuple(sorted(found.values(), key=lambda one: (self._away(one), -one.until_ns)))

    def _away(self, held: Held) -> int:
        return max(held.since_ns - self._at_ns, self._at_ns - held.until_ns, 0)


class _Place:
    """One strategy's holds of one symbol: those in the window, and the last one before it."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._inside: dict[tuple[str, int], Held] = {}
        self._before: Held | None = None
        self._edges: set[int] = set()
        self._edge_before: int | None = None
        self._edge_after: int | None = None

    def edge(self, at_ns: int) -> None:
        """Note that whatever was held before ended at ``at_ns``."""
        if at_ns < self._start_ns:
            self._edge_before = max(at_ns, self._edge_before or at_ns)
        elif at_ns > self._end_ns:
            self._edge_after = min(at_ns, self._edge_after or at_ns)
        else:
            self._edges.add(at_ns)

    def take(self, held: Held) -> None:
        """Take in what one line tells."""
        self.edge(held.since_ns)
        if held.since_ns > self._end_ns:
            return
        if held.until_ns < self._start_ns:
            if self._before is None or held.until_ns > self._before.until_ns:
                self._before = held
            return
        key = (held.reason, held.since_ns)
        known = self._inside.get(key)
        if known is None or held.until_ns > known.until_ns:
            self._inside[key] = held

    def stretches(self, newest_ns: int) -> list[Held]:
        """Return the holds, each until what came after it, at the latest ``newest_ns``."""
        found = list(self._inside.values())
        before = self._before
        if before is not None and (before.reason, before.since_ns) not in self._inside:
            found.append(before)
        more = (self._edge_before, self._edge_after)
        edges = sorted([*self._edges, *(edge for edge in more if edge is not None)])
        lasting = []
        for held in found:
            after = next((edge for edge in edges if edge > held.until_ns), newest_ns)
            lasting.append(replace(held, until_ns=max(held.until_ns, after)))
        return lasting


def _joined(one: Held | None, other: Held) -> Held:
    if one is None:
        return other
    return replace(
        other,
        since_ns=min(one.since_ns, other.since_ns),
        until_ns=max(one.until_ns, other.until_ns),
        ticks=one.ticks + other.ticks,
    )


def _held(record: AuditRecord) -> Held:
    detail = detail_of(record, HeldDetail)
    if detail is None:
        detail = HeldDetail(reason=record.reason, since_ns=record.at_ns)
    return Held(
        symbol=record.symbol,
        strategy_id=record.strategy_id,
        reason=detail.reason,
        since_ns=detail.since_ns,
        until_ns=detail.until_ns or detail.at_ns or record.at_ns,
        ticks=detail.ticks,
    )
