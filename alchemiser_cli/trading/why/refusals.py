"""Why nothing was traded: refusals and holds of a symbol around a moment."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.trading.audit.record import AuditEvent, AuditRecord
from alchemiser_cli.trading.decisions import Decision, LimitReading, order_id
from alchemiser_cli.trading.instruments import instrument_of
from alchemiser_cli.trading.orders import OrderUpdate
from alchemiser_cli.trading.why.holds import Held, Holds
from alchemiser_cli.trading.why.narration import said_of
from alchemiser_cli.trading.why.records import detail_of, signal_of
from alchemiser_cli.trading.why.surroundings import Circumstance, Scene

__all__ = ["Refusal", "RefusalStory", "explain_refusals"]

SHOWN = 50

_DECIDED = ("TRADE_APPROVED", "TRADE_REJECTED", "ORDER_REJECTED")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One signal that led to no trade.

    ``by`` is who refused. ``limit`` is the one that failed, None where no limit did. ``target``
    is the position that the strategy wanted, None where only the broker's word is on record.
    ``away_s`` is seconds from the moment asked for, negative before it.
    """

    at: str
    at_ns: int
    away_s: float
    by: Literal["risk gate", "broker"]
    reason: str
    symbol: str
    strategy_id: str
    signal_id: str
    target: int | None
    limit: LimitReading | None
    limits: tuple[LimitReading, ...]


class RefusalStory(msgspec.Struct, frozen=True, kw_only=True):
    """What is on record of a symbol around a moment, the nearest first.

    ``by_reason`` counts all refusals in the window, also those beyond the fifty that are kept.
    ``approved`` are ids of the nearest orders that were approved, of ``approvals`` in all.
    ``circumstances`` held at the moment. ``said`` sums it up in a sentence or two, also where
    nothing was found.
    """

    symbol: str
    at_ns: int
    window_s: float
    refusals: tuple[Refusal, ...]
    by_reason: dict[str, int]
    holds: tuple[Held, ...]
    approved: tuple[str, ...]
    approvals: int
    circumstances: tuple[Circumstance, ...]
    said: str


def explain_refusals(
    records: Iterable[AuditRecord], symbol: str, at_ns: int, window_s: float = 3_600.0
) -> RefusalStory:
    """Tell why ``symbol`` was not traded around ``at_ns`` (UTC nanoseconds); reads records once.

    A symbol stands for its option contracts too. ``window_s`` is looked at before and after. A
    hold counts where it lasted into the window, whenever it was written.
    """
    window = _Window(symbol, at_ns, round(window_s * NS_PER_SECOND))
    for record in records:
        window.take(record)
    refusals = window.refusals()
    circumstances = window.scene.circumstances()
    by_reason = dict(window.by_reason.most_common())
    return RefusalStory(
        symbol=symbol,
        at_ns=at_ns,
        window_s=window_s,
        refusals=refusals,
        by_reason=by_reason,
        holds=window.holds(),
        approved=window.approved(),
        approvals=window.approvals,
        circumstances=circumstances,
        said=said_of(
            symbol,
            at_ns,
            window_s,
            by_reason=by_reason,
            holds=[(one.strategy_id, one.reason) for one in window.holds()],
            approved=window.approved(),
            approvals=window.approvals,
            scene=window.scene,
        ),
    )


class _Window:
    """What of the symbol falls into the time that is asked for, and no more than is shown."""

    def __init__(self, symbol: str, at_ns: int, width_ns: int) -> None:
        self.by_reason: Counter[str] = Counter()
        self.approvals = 0
        self.scene = Scene(at_ns)
        self._symbol = symbol
        self._at_ns = at_ns
        self._width_ns = width_ns
        self._about: dict[str, bool] = {}
        self._refused = _Nearest(at_ns)
        self._approved = _Nearest(at_ns)
        self._holds = Holds(at_ns, width_ns)
        self._decided: set[tuple[AuditEvent, str]] = set()

    def take(self, record: AuditRecord) -> None:
        """Take in one line."""
        self.scene.take(record)
        self._holds.passed(record)
        if not record.symbol:
            return
        about = self._about.get(record.symbol)
        if about is None:
            about = self._symbol in (record.symbol, instrument_of(record.symbol, 1).underlying)
            self._about[record.symbol] = about
        inside = abs(record.at_ns - self._at_ns) <= self._width_ns
        if not about:
            if inside or self._holds.overlaps(record):
                self.scene.others.add(record.symbol)
            return
        self.scene.met(record.at_ns)
        self._holds.take(record)
        if inside and record.event in _DECIDED and self._is_new(record):
            if record.event == "TRADE_APPROVED":
                self.approvals += 1
                self._approved.take(record)
            else:
                self.by_reason[record.reason] += 1
                self._refused.take(record)

    def refusals(self) -> tuple[Refusal, ...]:
        """Return the nearest refusals."""
        return tuple(_refusal(record, self._at_ns) for record in self._refused.ordered())

    def approved(self) -> tuple[str, ...]:
        """Return the ids of the nearest orders that were approved."""
        return tuple(order_id(signal_of(record)) for record in self._approved.ordered())

    def holds(self) -> tuple[Held, ...]:
        """Return the holds, those at the moment first, then the nearest, the newest before."""
        return self._holds.ordered()

    def _is_new(self, record: AuditRecord) -> bool:
        """Tell whether this is no line that a crash let a service write again."""
        known = len(self._decided)
        self._decided.add((record.event, record.event_id))
        return len(self._decided) > known


class _Nearest:
    """The records nearest to a moment, at most ``SHOWN`` of them; each thing once."""

    def __init__(self, at_ns: int) -> None:
        self._at_ns = at_ns
        self._kept: list[tuple[int, int, int, AuditRecord]] = []
        self._taken = 0

    def take(self, record: AuditRecord) -> None:
        """Keep ``record`` while it is among the nearest."""
        self._taken += 1
        away = abs(record.at_ns - self._at_ns)
        entry = (-away, record.at_ns, self._taken, record)
        if len(self._kept) < SHOWN:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def ordered(self) -> list[AuditRecord]:
        """Return them, the nearest first and of two as near the newer one."""
        return [entry[3] for entry in sorted(self._kept, key=lambda one: one[:3], reverse=True)]


def _refusal(record: AuditRecord, at_ns: int) -> Refusal:
    decision = detail_of(record, Decision) if record.event == "TRADE_REJECTED" else None
    update = detail_of(record, OrderUpdate) if record.event == "ORDER_REJECTED" else None
    return Refusal(
        at=record.at,
        at_ns=record.at_ns,
        away_s=round((record.at_ns - at_ns) / NS_PER_SECOND, 6),
        by=_BY[record.event],
        reason=record.reason if update is None else update.reason or record.reason,
        symbol=record.symbol,
        strategy_id=record.strategy_id,
        signal_id=signal_of(record),
        target=None if decision is None else decision.signal.target,
        limit=_failed(record.limits),
        limits=record.limits,
    )


def _failed(limits: Sequence[LimitReading]) -> LimitReading | None:
    return next((limit for limit in reversed(limits) if not limit.passed), None)


_BY: dict[AuditEvent, Literal["risk gate", "broker"]] = {
    "TRADE_REJECTED": "risk gate",
    "ORDER_REJECTED": "broker",
}
