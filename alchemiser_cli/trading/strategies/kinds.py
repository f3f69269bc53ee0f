"""The built-in kinds of strategies, and what makes a strategy of a definition."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.trading.strategies.breakout import Breakout
from alchemiser_cli.trading.strategies.contract import Strategy
from alchemiser_cli.trading.strategies.definition import (
    StrategyDefinition,
    digest_of,
    malformed,
    unknown_key,
)
from alchemiser_cli.trading.strategies.mean_reversion import MeanReversion
from alchemiser_cli.trading.strategies.model_loading import load_win_model
from alchemiser_cli.trading.strategies.momentum import Momentum
from alchemiser_cli.trading.strategies.parameters import (
    SIZING,
    BreakoutParameters,
    MeanReversionParameters,
    MomentumParameters,
    RuleParameters,
    convert_parameters,
)
from alchemiser_cli.trading.strategies.rule import Rule
from alchemiser_cli.trading.strategies.rule_strategy import RuleStrategy

__all__ = [
    "BUILT_IN_KINDS",
    "RuleKind",
    "StrategyKind",
    "make_rule_strategy",
    "param_hash",
    "rule_hash",
    "rule_of",
]

StrategyKind = Callable[[StrategyDefinition, StrategySettings, Settings], Strategy]
"""Makes a strategy; raises ``StrategyMalformedError`` for parameters that it does not know."""


class RuleKind(NamedTuple):
    """One built-in kind: its parameters, and the rule that is made of them."""

    parameters: type[RuleParameters]
    make: Callable[..., Rule]


_RULES: Mapping[str, RuleKind] = {
    "breakout": RuleKind(BreakoutParameters, Breakout),
    "mean_reversion": RuleKind(MeanReversionParameters, MeanReversion),
    "momentum": RuleKind(MomentumParameters, Momentum),
}


def rule_of(definition: StrategyDefinition) -> tuple[Rule, RuleParameters]:
    """Return the rule of a definition of a built-in kind, and its parameters.

    Raises:
        StrategyMalformedError: ``strategy-malformed``: another kind, or a parameter that it does
            not have or that is out of its bounds.
    """
    kind = _RULES.get(definition.kind)
    if kind is None:
        raise malformed(
            definition.name,
            definition.file,
            *unknown_key(definition.kind, _RULES, "kind of a rule"),
        )
    known = kind.parameters.__struct_fields__
    for key in definition.parameters.keys() - set(known):
        why, next_step = unknown_key(key, known, f"parameter of the kind {definition.kind}")
        raise malformed(definition.name, definition.file, why, next_step)
    try:
        parameters = convert_parameters(definition.parameters, kind.parameters)
    except (ValueError, msgspec.ValidationError) as error:
        raise malformed(definition.name, definition.file, f"parameters: {error}") from None
    return kind.make(parameters), parameters


def param_hash(definition: StrategyDefinition, settings: StrategySettings) -> str:
    """Return the hash of all that a strategy is configured with: 16 hexadecimal digits.

    It is over kind, version, symbols, parameters (those of a built-in kind with their defaults)
    and the model's name, after the settings replaced what they replace.

    Raises:
        StrategyMalformedError: ``strategy-malformed``.
    """
    whole = definition.with_settings(settings)
    return digest_of(
        {
            "kind": whole.kind,
            "version": whole.version,
            "symbols": sorted(whole.symbols),
            "parameters": _complete(whole),
            "model": whole.model,
        }
    )


def rule_hash(definition: StrategyDefinition) -> str:
    """Return the hash of what a model learns from: kind, version and parameters without sizes.

    A model goes on with other symbols, sizes and confidence, and with nothing else.

    Raises:
        StrategyMalformedError: ``strategy-malformed``.
    """
    parameters = {
        name: value for name, value in _complete(definition).items() if name not in SIZING
    }
    return digest_of(
        {"kind": definition.kind, "version": definition.version, "parameters": parameters}
    )


def make_rule_strategy(
    definition: StrategyDefinition, strategy: StrategySettings, settings: Settings
) -> Strategy:
    """Return a strategy of a built-in kind; its model is read by its ``load``.

    Raises:
        StrategyMalformedError: ``strategy-malformed``.
    """
    whole = definition.with_settings(strategy)
    rule, parameters = rule_of(whole)
    model, digest = whole.model, rule_hash(whole)
    return RuleStrategy(
        whole.name,
        param_hash(definition, strategy),
        rule,
        parameters,
        whole.symbols,
        settings.options.multiplier,
        None
        if model is None
        else lambda: load_win_model(
            settings.models_folder, model, whole.name, whole.kind, rule, digest
        ),
    )


BUILT_IN_KINDS: Mapping[str, StrategyKind] = dict.fromkeys(_RULES, make_rule_strategy)
"""The kinds that come with alchemiser and need nothing beside a definition."""


def _complete(definition: StrategyDefinition) -> Mapping[str, object]:
    """Return the parameters with defaults, for one value gives one hash however it is written."""
    if definition.kind not in _RULES:
        return definition.parameters
    _, parameters = rule_of(definition)
    return msgspec.structs.asdict(parameters)
