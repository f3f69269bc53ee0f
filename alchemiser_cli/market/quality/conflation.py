"""Latest only: which of the waiting ticks are out of date, because a newer one waits too."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from alchemiser_cli.market.ticks import Tick, TickKind

if TYPE_CHECKING:
    from alchemiser_cli.market.columns import TickColumns

__all__ = ["CONFLATED_KINDS", "Conflated", "latest_only", "latest_only_columns"]

CONFLATED_KINDS: frozenset[TickKind] = frozenset({"quote", "bar"})


class Conflated(msgspec.Struct, frozen=True):
    """Indexes of the waiting ticks, both rising; together they are all of them."""

    kept: list[int]
    skipped: list[int]


def latest_only(
    waiting: Sequence[Tick | None], kinds: Collection[TickKind] = CONFLATED_KINDS
) -> Conflated:
    """Tell which of the ``waiting`` ticks may be skipped.

    A quote or a bar is a state: a newer one of the same (venue, symbol) and kind replaces it.
    Newest is what has the latest event time, and of equal ones the last. A trade is an event,
    and volume that is skipped never comes again: trades are conflated only where ``kinds`` says
    so. A quote never replaces a bar, nor the other way round.

    Args:
        waiting: ticks in their order; None stands for a message that is no tick, and is kept.
        kinds: the kinds that may be skipped.

    Returns:
        The indexes to keep and those to skip.
    """
    newest: dict[tuple[str, str, str], int] = {}
    skipped = []
    for at, tick in enumerate(waiting):
        if tick is None or tick.kind not in kinds:
            continue
        key = tick.venue, tick.symbol, tick.kind
        other = newest.get(key)
        if other is None:
            newest[key] = at
            continue
        rival = waiting[other]
        if rival is not None and rival.event_time_ns > tick.event_time_ns:
            skipped.append(at)
        else:
            skipped.append(other)
            newest[key] = at
    gone = set(skipped)
    return Conflated([at for at in range(len(waiting)) if at not in gone], sorted(gone))


def latest_only_columns(
    columns: "TickColumns", kinds: Collection[TickKind] = CONFLATED_KINDS
) -> Conflated:
    """Tell which rows may be skipped, as ``latest_only`` does of ticks."""
    import numpy as np

    from alchemiser_cli.market.columns import KINDS

    rows = np.arange(len(columns))
    may_go = np.isin(columns.kind, [code for code, kind in enumerate(KINDS) if kind in kinds])
    candidates = rows[may_go]
    # From the oldest to the newest; of equal times the last row is the newest.
    order = candidates[np.argsort(columns.event_time_ns[candidates], kind="stable")]
    fields = columns.venue, columns.symbol, columns.kind
    keys = zip(*(field[order].tolist() for field in fields), strict=True)
    newest = list(dict(zip(keys, order.tolist(), strict=True)).values())
    gone = may_go.copy()
    gone[newest] = False
    return Conflated(rows[~gone].tolist(), rows[gone].tolist())
