"""One order from the message that led to it to the position that it left."""

import difflib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.errors import OrderNotFoundError
from alchemiser_cli.trading import orders
from alchemiser_cli.trading.audit.record import AuditEvent, AuditRecord
from alchemiser_cli.trading.decisions import Decision, order_id
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.signals import Signal
from alchemiser_cli.trading.why.records import detail_of, signal_of, without_kind

__all__ = ["Moment", "OrderState", "OrderStory", "explain_order"]

OrderState = Literal["undecided", "refused", "approved"] | orders.OrderState

# So many ids that begin alike are followed to the end; more are ambiguous anyway.
_FOLLOWED = 8
_REMEMBERED = 2_000
_NEAREST = 3

Detail = TypeVar("Detail")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the trail; ``after_s`` is seconds since the first line of the story."""

    at: str
    at_ns: int
    after_s: float
    event: AuditEvent
    event_id: str
    reason: str
    quantity: int


class OrderStory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is on record of one order; parts that no trail has are None or empty.

    ``state`` is the order's, or before there is one: ``undecided``, ``refused``, ``approved``.
    ``signal`` has the origin, the features and the model; ``decision`` has each limit's reading.
    ``average_price`` and ``commission`` are over all fills; ``position`` is that of the strategy
    in the symbol after the last of them, in units or contracts.
    """

    order_id: str
    signal_id: str
    state: OrderState
    symbol: str
    strategy_id: str
    broker: str
    run_id: str
    app_version: str
    signal: Signal | None
    decision: Decision | None
    order: Order | None
    updates: tuple[OrderUpdate, ...]
    executions: tuple[Execution, ...]
    filled: int
    average_price: float | None
    commission: float
    position: int | None
    timeline: tuple[Moment, ...]


def explain_order(records: Iterable[AuditRecord], identity: str) -> OrderStory:
    """Rebuild the story of an order, read once from ``records`` in the order of their time.

    Memory is that of a few stories, the open positions, and a number for each execution.

    Args:
        records: Lines of one trail, or of several (``merged``) that tell of the same trading.
        identity: An order's or a signal's id, or enough of its beginning to be the only one.

    Raises:
        OrderNotFoundError: ``order-not-found``: no id begins so, or several do.
    """
    asked = identity.strip()
    search = _Search(without_kind(asked), orders_only=asked.startswith(order_id("")))
    for record in records:
        search.take(record)
    key = search.the_one(asked)
    return _story(key, search.found[key], search.positions_after.get(key))


class _Search:
    """Keeps what belongs to the ids that begin as wanted, and the positions on the way."""

    def __init__(self, wanted: str, *, orders_only: bool) -> None:
        self.found: dict[str, list[AuditRecord]] = {}
        self.positions_after: dict[str, int] = {}
        self._wanted = wanted
        self._orders_only = orders_only
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)
        self._orders = 0
        self._positions: dict[tuple[str, str, str], int] = {}
        self._counted: set[int] = set()

    def take(self, record: AuditRecord) -> None:
        """Take in one line."""
        key = signal_of(record)
        if record.event == "EXECUTED":
            self._book(record, key)
        if not key:
            return
        if record.event == "ORDER_SUBMITTED":
            self._orders += 1
            self._recent.append(record.event_id)
        if not self._wanted or not key.startswith(self._wanted):
            return
        if key in self.found or len(self.found) < _FOLLOWED or key == self._wanted:
            self.found.setdefault(key, []).append(record)

    def the_one(self, asked: str) -> str:
        """Return the key that was meant.

        Raises:
            OrderNotFoundError: ``order-not-found``.
        """
        if self._wanted in self.found:
            return self._wanted
        keys = [
            key
            for key, records in self.found.items()
            if not self._orders_only or any(one.event == "ORDER_SUBMITTED" for one in records)
        ]
        if len(keys) == 1:
            return keys[0]
        if keys:
            named = [order_id(key) for key in keys]
            raise OrderNotFoundError(
                f"the ids of several orders begin with {asked!r}",
                why=f"They are {', '.join(named)}{' and more' * (len(keys) >= _FOLLOWED)}.",
                next_step="Write more digits of the one that you mean.",
                context={"asked": asked, "near": named},
            )
        near = (
            difflib.get_close_matches(order_id(self._wanted), self._recent, n=_NEAREST, cutoff=0.5)
            or list(self._recent)[: -_NEAREST - 1 : -1]
        )
        raise OrderNotFoundError(
            f"no order {asked!r} is on record",
            why=f"The audit trail that was read has {self._orders:,} order(s), "
            "and no order or signal with an id that begins so.",
            next_step=f"The nearest are {', '.join(near)}: alchemiser trade why {near[0]}"
            if near
            else "See what is on record: alchemiser audit show",
            context={"asked": asked, "near": near, "orders": self._orders},
        )

    def _book(self, record: AuditRecord, key: str) -> None:
        mark = hash((record.broker, record.event_id))
        if mark in self._counted:
            return
        self._counted.add(mark)
        place = (record.broker, record.strategy_id, record.symbol)
        position = self._positions.get(place, 0) + record.quantity
        if position:
            self._positions[place] = position
        else:
            self._positions.pop(place, None)
        if self._wanted and key.startswith(self._wanted):
            self.positions_after[key] = position


def _story(key: str, records: Sequence[AuditRecord], position: int | None) -> OrderStory:
    lines: dict[tuple[str, str], AuditRecord] = {}
    for record in sorted(records, key=lambda one: one.at_ns):
        lines.setdefault((record.event, record.event_id), record)  # a crash may repeat a line
    first = next(iter(lines.values()))
    signal = _last(lines.values(), Signal, "SIGNAL")
    decision = _last(lines.values(), Decision, "TRADE_APPROVED", "TRADE_REJECTED")
    if decision is not None:  # the line has the limits, its detail does not repeat them
        judged = [one for one in lines.values() if one.event.startswith("TRADE_")]
        decision = replace(decision, limits=next(reversed(judged)).limits)
    order = _last(lines.values(), Order, "ORDER_SUBMITTED")
    updates = _all(lines.values(), OrderUpdate, "ORDER_CLOSED", "ORDER_REJECTED")
    executions = _all(lines.values(), Execution, "EXECUTED")
    if signal is None and decision is not None:
        signal = decision.signal
    filled = sum(abs(one.change) for one in executions)
    value = sum(abs(one.change) * one.price for one in executions)
    return OrderStory(
        order_id=order_id(key),
        signal_id=key,
        state=_state(lines.values(), updates, filled),
        symbol=next((one.symbol for one in lines.values() if one.symbol), ""),
        strategy_id=next((one.strategy_id for one in lines.values() if one.strategy_id), ""),
        broker=first.broker,
        run_id=first.run_id,
        app_version=first.app_version,
        signal=signal,
        decision=decision,
        order=order,
        updates=tuple(updates),
        executions=tuple(executions),
        filled=filled,
        average_price=value / filled if filled else None,
        commission=sum(one.commission for one in executions),
        position=position,
        timeline=tuple(
            Moment(
                at=one.at,
                at_ns=one.at_ns,
                after_s=round((one.at_ns - first.at_ns) / NS_PER_SECOND, 6),
                event=one.event,
                event_id=one.event_id,
                reason=one.reason,
                quantity=one.quantity,
            )
            for one in lines.values()
        ),
    )


def _state(lines: Iterable[AuditRecord], updates: Sequence[OrderUpdate], filled: int) -> OrderState:
    if updates:
        return updates[-1].state
    if filled:
        return "partially_filled"
    events = {line.event for line in lines}
    for event, state in _STATES.items():
        if event in events:
            return state
    return "undecided"


_STATES: dict[AuditEvent, OrderState] = {
    "ORDER_REJECTED": "rejected",
    "ORDER_SUBMITTED": "submitted",
    "TRADE_REJECTED": "refused",
    "TRADE_APPROVED": "approved",
}


def _all(lines: Iterable[AuditRecord], kind: type[Detail], *events: AuditEvent) -> list[Detail]:
    found = (detail_of(line, kind) for line in lines if line.event in events)
    return [one for one in found if one is not None]


def _last(lines: Iterable[AuditRecord], kind: type[Detail], *events: AuditEvent) -> Detail | None:
    return next(reversed(_all(lines, kind, *events)), None)
