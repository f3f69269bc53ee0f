"""What a trail says of the state at its end: nothing else is needed after a crash."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from alchemiser_cli.trading.audit import read_trail
from alchemiser_cli.trading.audit.record import AuditRecord
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.orders import Execution, Order, OrderUpdate
from alchemiser_cli.trading.risk import TradingDay
from alchemiser_cli.trading.signals import Signal

__all__ = ["AccountStart", "Folded", "StateNow", "decision_of", "fold", "fold_trail"]


DAY = ("day_started", "day_peak")
"""Reasons of ``TRADING_STATE`` lines whose detail is the day that losses count from."""


class AccountStart(msgspec.Struct, frozen=True):
    """The detail of a ``RUN_STARTED`` line: what the account was opened with."""

    initial_cash: float


class StateNow(msgspec.Struct, frozen=True):
    """The detail of every other ``TRADING_STATE`` line: the state from there on."""

    state: str


class Folded(msgspec.Struct, kw_only=True):
    """The content of a trail by kind, each in the order of its lines.

    ``unpublished`` are the lines since the last ``PUBLISHED`` one: what a service wrote and may
    not have sent. ``state`` is the last trading state, None where none was written.
    """

    signals: list[Signal] = []
    decisions: list[Decision] = []
    orders: list[Order] = []
    closed: list[OrderUpdate] = []
    executions: list[Execution] = []
    unpublished: list[AuditRecord] = []
    state: str | None = None
    day: TradingDay | None = None
    account: AccountStart | None = None
    lines: int = 0


def fold_trail(folder: Path, *, publishes: bool = False) -> Folded:
    """Fold the trail in ``folder``; an absent one is empty."""
    return fold(read_trail(folder), publishes=publishes) if folder.is_dir() else Folded()


def fold(records: Iterable[AuditRecord], *, publishes: bool = False) -> Folded:
    """Fold ``records``, which are in the order of their trail.

    ``unpublished`` is kept of a service that ``publishes``; a desk sends nothing on.
    """
    folded = Folded()
    for record in records:
        folded.lines += 1
        if _take(folded, record) and publishes:
            folded.unpublished.append(record)
    return folded


def decision_of(record: AuditRecord) -> Decision:
    """Return the decision that a line tells of, with its limits."""
    return replace(_detail(record, Decision), limits=record.limits)


def _take(folded: Folded, record: AuditRecord) -> bool:
    """Take in one line; tell whether it is of something that a service sends on."""
    match record.event:
        case "SIGNAL":
            folded.signals.append(_detail(record, Signal))
        case "TRADE_APPROVED" | "TRADE_REJECTED":
            folded.decisions.append(decision_of(record))
        case "ORDER_SUBMITTED":
            folded.orders.append(_detail(record, Order))
        case "ORDER_CLOSED" | "ORDER_REJECTED":
            folded.closed.append(_detail(record, OrderUpdate))
        case "EXECUTED":
            folded.executions.append(_detail(record, Execution))
        case "TRADING_STATE" if record.reason in DAY:
            folded.day = _detail(record, TradingDay)
            return False
        case "TRADING_STATE":
            folded.state = _detail(record, StateNow).state
            return False
        case "RUN_STARTED":
            folded.account = folded.account or _detail(record, AccountStart)
            return False
        case "PUBLISHED":
            folded.unpublished.clear()
            return False
        case _:
            return False
    return True


T = TypeVar("T", bound=msgspec.Struct)


def _detail(record: AuditRecord, kind: type[T]) -> T:
    return msgspec.json.decode(record.detail, type=kind)
