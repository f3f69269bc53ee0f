"""Datasets of market data, opened by name: what exists, and the ticks that it holds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alchemiser_cli.market.datasets.registry import DatasetEntry, list_datasets, open_dataset

if TYPE_CHECKING:
    from alchemiser_cli.market.datasets.dataset import (
        Columns,
        Dataset,
        Instrument,
        Provenance,
        SourceFile,
    )

__all__ = [
    "Columns",
    "Dataset",
    "DatasetEntry",
    "Instrument",
    "Provenance",
    "SourceFile",
    "list_datasets",
    "open_dataset",
]


if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import the dataset's classes, and NumPy with them, when they are first asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.dataset"), name)
