"""Journalling the one failure that ends a command, without a thread."""

import uuid
from pathlib import Path

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors.base import AlchemiserError
from alchemiser_cli.errors.journal.capture import captured, snapshot
from alchemiser_cli.errors.journal.delivery import Delivery
from alchemiser_cli.errors.journal.spill import Spill
from alchemiser_cli.errors.journal.store import JournalStore
from alchemiser_cli.state import StateDatabase

__all__ = ["AT_TERMINAL", "Recorded", "record_once"]

AT_TERMINAL = "at_terminal"
"""The fact of a failure that somebody at a terminal saw at once."""

TAKE_IN_BYTES = 8 * 1024 * 1024  # a longer spill is left to a process that runs longer


class Recorded(msgspec.Struct, frozen=True):
    """Whether a failure was journalled, or at least spilled, and what was in the way."""

    id: str
    journalled: bool
    spilled: bool
    trouble: AlchemiserError | None


def record_once(
    database: StateDatabase,
    clock: Clock,
    spill_folder: Path,
    error: BaseException,
    *,
    component: str,
    operation: str,
    run_id: str,
    at_terminal: bool = False,
) -> Recorded:
    """Write one failure through, and take in what was spilled before; never raises.

    ``component``, ``operation`` and ``run_id`` fill in what the error's own context does not say.
    ``at_terminal`` notes that somebody saw it at once.
    """
    error_id = uuid.uuid4().hex
    taken = snapshot(error, error_id=error_id, at_ns=clock.now_ns(), recovered=False, injected=None)
    if not taken.context.operation:
        context = msgspec.structs.replace(taken.context, operation=operation)
        taken = msgspec.structs.replace(taken, context=context)
    if at_terminal:
        taken = msgspec.structs.replace(taken, facts=taken.facts | {AT_TERMINAL: True})
    spill = Spill(spill_folder)
    delivery = Delivery(JournalStore(database), spill, clock, None)
    delivery.takes_in = spill.size() <= TAKE_IN_BYTES
    delivery.deliver([captured(taken, component=component, run_id=run_id)])
    return Recorded(error_id, bool(delivery.written), bool(delivery.spilled), delivery.trouble)
