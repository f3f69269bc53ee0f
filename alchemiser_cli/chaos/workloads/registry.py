"""The workloads that experiments may name; none is loaded before it is asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from alchemiser_cli.chaos.workloads.workload import Workload

__all__ = ["WORKLOADS", "workload_class"]

WORKLOADS: Mapping[str, str] = {
    "alerts": "alchemiser_cli.chaos.workloads.notifying:NotifyingWorkload",
    "journal": "alchemiser_cli.chaos.workloads.journalling:JournallingWorkload",
    "schemas": "alchemiser_cli.chaos.workloads.schemas:SchemasWorkload",
    "stream": "alchemiser_cli.chaos.workloads.stream:StreamWorkload",
    "trading": "alchemiser_cli.chaos.workloads.trading:TradingWorkload",
    "training": "alchemiser_cli.chaos.workloads.training:TrainingWorkload",
    "weights": "alchemiser_cli.chaos.workloads.weights:WeightsWorkload",
}
"""Each name with ``MODULE:CLASS``; the class is made with the laboratory and the arguments."""


def workload_class(name: str) -> Callable[..., Workload]:
    """Return the class of the workload ``name``.

    Raises:
        KeyError: without such a workload.
    """
    module, _, attribute = WORKLOADS[name].partition(":")
    return cast("Callable[..., Workload]", getattr(import_module(module), attribute))
