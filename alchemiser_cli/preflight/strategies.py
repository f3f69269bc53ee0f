"""Check that every strategy of the settings can be loaded, with its definition and its model."""

from alchemiser_cli.checks import Check, SkipCheck
from alchemiser_cli.errors import StrategyMalformedError, StrategyModelError, StrategyNotFoundError
from alchemiser_cli.preflight.setup import PRODUCTION, Setup

__all__ = ["checks"]

LOADING_S = 60.0  # a policy's libraries alone take seconds


def checks(setup: Setup) -> list[Check]:
    """Return the checks of the category ``strategies``."""
    return [
        setup.check(
            "strategies",
            "strategies load",
            "strategy-model-unusable",
            lambda: _load(setup),
            blocks_in=PRODUCTION,  # elsewhere the others may run without it
            timeout_s=LOADING_S,
        )
    ]


def _load(setup: Setup) -> str:
    from alchemiser_cli.pipeline.trading.kinds import strategy_kinds
    from alchemiser_cli.trading.strategies import open_strategies

    settings = setup.settings
    if not any(strategy.enabled for strategy in settings.strategies.values()):
        raise SkipCheck("no strategy is enabled")
    found, refused = open_strategies(settings, kinds=strategy_kinds(settings, setup.clock))
    count = sum(len(strategies) for strategies in found.values())
    if refused:
        first = refused[0].error
        kind = type(first)
        if kind not in {StrategyMalformedError, StrategyNotFoundError}:
            kind = StrategyModelError
        raise kind(
            f"{len(refused)} of {count + len(refused)} strategies would be disabled",
            why="; ".join(f"{one.strategy}: {one.error.why}" for one in refused),
            next_step=first.next_step,
            context={one.strategy: one.reason for one in refused},
        )
    return f"{count} strategies, with definition and model"
