"""Strategies: their contract, the built-in kinds, their definitions, loading, and running.

Names here are loaded when they are first used: listing definitions loads no strategy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alchemiser_cli.trading.strategies.contract import Strategy
    from alchemiser_cli.trading.strategies.definition import (
        StrategyDefinition,
        artefact_name,
        definition_names,
        find_definition,
        read_definition,
    )
    from alchemiser_cli.trading.strategies.holds import Held
    from alchemiser_cli.trading.strategies.host import StrategyHost
    from alchemiser_cli.trading.strategies.kinds import (
        BUILT_IN_KINDS,
        StrategyKind,
        param_hash,
    )
    from alchemiser_cli.trading.strategies.loading import (
        LoadedStrategies,
        load_strategies,
        open_strategies,
    )
    from alchemiser_cli.trading.strategies.overruns import OverranError, OverrunGuard
    from alchemiser_cli.trading.strategies.status_store import StrategyStatusStore
    from alchemiser_cli.trading.strategies.training import StrategyTraining, train_strategy

__all__ = [
    "BUILT_IN_KINDS",
    "Held",
    "LoadedStrategies",
    "OverranError",
    "OverrunGuard",
    "Strategy",
    "StrategyDefinition",
    "StrategyHost",
    "StrategyKind",
    "StrategyStatusStore",
    "StrategyTraining",
    "artefact_name",
    "definition_names",
    "find_definition",
    "load_strategies",
    "open_strategies",
    "param_hash",
    "read_definition",
    "train_strategy",
]

_HOMES = {
    "contract": ("Strategy",),
    "definition": (
        "StrategyDefinition",
        "artefact_name",
        "definition_names",
        "find_definition",
        "read_definition",
    ),
    "holds": ("Held",),
    "host": ("StrategyHost",),
    "kinds": (
        "BUILT_IN_KINDS",
        "StrategyKind",
        "param_hash",
    ),
    "loading": (
        "LoadedStrategies",
        "load_strategies",
        "open_strategies",
    ),
    "overruns": (
        "OverranError",
        "OverrunGuard",
    ),
    "status_store": ("StrategyStatusStore",),
    "training": (
        "StrategyTraining",
        "train_strategy",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)
