"""Market data: ticks and their quality, datasets, feeds, events and the exchange's calendar."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alchemiser_cli.market.ticks import Tick, TickKind, tick_schema

if TYPE_CHECKING:
    from alchemiser_cli.market.calendar import SessionState, session_at
    from alchemiser_cli.market.columns import TickColumns
    from alchemiser_cli.market.datasets import (
        Columns,
        Dataset,
        DatasetEntry,
        Instrument,
        Provenance,
        SourceFile,
        list_datasets,
        open_dataset,
    )
    from alchemiser_cli.market.envelope import EventEnvelope, envelope_schema, event

__all__ = [
    "Columns",
    "Dataset",
    "DatasetEntry",
    "EventEnvelope",
    "Instrument",
    "Provenance",
    "SessionState",
    "SourceFile",
    "Tick",
    "TickColumns",
    "TickKind",
    "envelope_schema",
    "event",
    "list_datasets",
    "open_dataset",
    "session_at",
    "tick_schema",
]

_HOMES = {
    "EventEnvelope": "envelope",
    "SessionState": "calendar",
    "TickColumns": "columns",
    "envelope_schema": "envelope",
    "event": "envelope",
    "session_at": "calendar",
}


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import the part of the package that holds ``name`` when it is first asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'datasets')}"), name)
