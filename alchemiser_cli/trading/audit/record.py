"""One line of the audit trail: what happened, to what, why, and the hash that chains it."""

from typing import Any, Literal

import msgspec

from alchemiser_cli.trading.decisions import LimitReading

__all__ = ["SCHEMA_VERSION", "AuditEntry", "AuditEvent", "AuditRecord"]

SCHEMA_VERSION = 1

AuditEvent = Literal[
    "RUN_STARTED",
    "RUN_ENDED",
    "STRATEGY_LOADED",
    "STRATEGY_DISABLED",
    "SIGNAL",
    "HELD",
    "TRADE_APPROVED",
    "TRADE_REJECTED",
    "ORDER_SUBMITTED",
    "ORDER_REJECTED",
    "ORDER_CLOSED",
    "EXECUTED",
    "TRADING_STATE",
    "KILL_SWITCH_SET",
    "KILL_SWITCH_CLEARED",
    "FLATTEN_REQUESTED",
    "RECONCILED",
    "PUBLISHED",
    "FAULT_INJECTED",
    "FAULT_ENDED",
]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is to be written: everything of a line but its place in the chain.

    ``event_id`` names the thing that it tells of: the signal, decision, order or execution.
    ``causation`` is the ``event_id`` that led to it. ``quantity`` is signed, in units or
    contracts. ``detail`` is any JSON content, a struct above all, from which state is rebuilt.
    Nothing personal and no secret belongs here.
    """

    event: AuditEvent
    event_id: str
    causation: str = ""
    strategy_id: str = ""
    param_hash: str = ""
    model_hash: str = ""
    reason: str = ""
    symbol: str = ""
    side: str = ""
    quantity: int = 0
    limits: tuple[LimitReading, ...] = ()
    detail: Any = None


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line as it is read; ``at`` is ISO 8601 with offset, ``at_ns`` the same in UTC ns.

    ``sequence`` counts the trail's lines from 0 without a gap, across its files. ``hash`` is over
    ``prev_hash`` and the line without its hash, both in hexadecimal.
    """

    schema_version: int
    sequence: int
    event_id: str
    at: str
    at_ns: int
    event: AuditEvent
    app_version: str
    run_id: str
    broker: str
    strategy_id: str
    param_hash: str
    model_hash: str
    reason: str
    symbol: str
    side: str
    quantity: int
    limits: tuple[LimitReading, ...]
    causation: str
    detail: msgspec.Raw
    prev_hash: str
    hash: str
