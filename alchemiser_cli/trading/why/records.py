"""Reading audit records: several trails as one, the signal that each line goes back to, details."""

import heapq
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from alchemiser_cli.trading.audit.record import AuditRecord
from alchemiser_cli.trading.decisions import decision_id, order_id

__all__ = ["detail_of", "merged", "signal_of", "without_kind"]

_ORDER = order_id("")
_DECISION = decision_id("")

Detail = TypeVar("Detail")


class _Order(msgspec.Struct, frozen=True):
    """What an order's and an execution's detail have in common."""

    order_id: str = ""


def merged(trails: Iterable[Iterable[AuditRecord]]) -> Iterator[AuditRecord]:
    """Yield the records of several trails as if they were one, in the order of their time.

    They should tell of the same trading: the services of one broker, or one run. Two replays of
    the same data give the same ids, and their lines could not be told apart.
    """
    return heapq.merge(*trails, key=lambda record: record.at_ns)


def without_kind(identity: str) -> str:
    """Return the signal's id out of that of an order, a decision, or a signal."""
    return identity.removeprefix(_ORDER).removeprefix(_DECISION)


def signal_of(record: AuditRecord) -> str:
    """Return the id of the signal that ``record`` goes back to; empty where there is none."""
    match record.event:
        case "SIGNAL":
            return record.event_id
        case "TRADE_APPROVED" | "TRADE_REJECTED":
            return without_kind(record.event_id)
        case "ORDER_SUBMITTED" | "ORDER_CLOSED" | "ORDER_REJECTED":
            return _of_order(record, record.event_id)
        case "EXECUTED":
            return _of_order(record, record.causation)
        case _:
            return ""


def detail_of(record: AuditRecord, kind: type[Detail]) -> Detail | None:
    """Return the detail of ``record``, None where it has another form."""
    try:
        return msgspec.json.decode(record.detail, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _of_order(record: AuditRecord, identity: str) -> str:
    if not identity.startswith(_ORDER):
        order = detail_of(record, _Order)
        identity = "" if order is None else order.order_id
    return without_kind(identity)
