"""The kinds of strategies beyond the built-in rules: the trained policy, and those of plugins."""

from collections.abc import Mapping

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import ExtraMissingError, PluginRejectedError, StrategyModelError
from alchemiser_cli.hooks import PluginAnswers, load_plugins
from alchemiser_cli.settings import Settings, StrategySettings
from alchemiser_cli.trading.strategies import (
    BUILT_IN_KINDS,
    Strategy,
    StrategyDefinition,
    StrategyKind,
    param_hash,
)

__all__ = ["strategy_kinds"]


def strategy_kinds(settings: Settings, clock: Clock) -> Mapping[str, StrategyKind]:
    """Return every kind of strategy by name; the learning libraries load with the first policy.

    Raises:
        PluginRejectedError: ``plugin-rejected``.
    """

    def policy(
        definition: StrategyDefinition, chosen: StrategySettings, whole: Settings
    ) -> Strategy:
        try:
            from alchemiser_cli.pipeline.trading.policy import PolicyStrategy
        except (ImportError, ExtraMissingError) as error:
            raise StrategyModelError(
                f"the strategy {definition.name!r} cannot be loaded",
                why=f"A policy needs the packages of the extra `train`: {error}.",
                next_step="Install alchemiser[train], or disable the strategy.",
                context={"strategy": definition.name},
            ) from error
        return PolicyStrategy(
            definition.name,
            chosen.symbols or definition.symbols,
            param_hash(definition, chosen),
            chosen.model_copy(update={"model": chosen.model or definition.model}),
            whole,
            clock,
        )

    return _with_plugins({**BUILT_IN_KINDS, "policy": policy}, settings)


def _with_plugins(found: dict[str, StrategyKind], settings: Settings) -> dict[str, StrategyKind]:
    """Add the kinds of all allowed plugins; none of them may take a name that is taken."""
    answers = PluginAnswers(load_plugins(settings.plugins))
    for plugin, item in answers.of("alchemiser_strategies", "name its kinds", settings=settings):
        name, kind = item if isinstance(item, tuple) and len(item) == 2 else (None, None)
        if not isinstance(name, str) or not callable(kind) or name in found:
            raise PluginRejectedError(
                f"the plugin {plugin!r} names no kind of strategy, or one that is taken: {item!r}",
                why="A kind is its name and a function that makes a strategy of a definition.",
                next_step=f"Correct the plugin, or take {plugin!r} out of `plugins`.",
                context={"plugin": plugin},
            )
        found[name] = kind
    return found
