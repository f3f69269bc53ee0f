"""Loading strategies: those that cannot be used are disabled, each with its reason."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import AlchemiserError, StrategyMalformedError, StrategyModelError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.telemetry import SILENT, Telemetry
from alchemiser_cli.telemetry.names import (
    MODEL_LOAD_FAILURES,
    MODEL_LOADS,
    STRATEGIES_CONFIGURED,
    STRATEGIES_LOADED,
)
from alchemiser_cli.trading.strategies.contract import Strategy
from alchemiser_cli.trading.strategies.definition import find_definition, malformed, unknown_key
from alchemiser_cli.trading.strategies.kinds import BUILT_IN_KINDS, StrategyKind

__all__ = ["LoadedStrategies", "Refused", "load_strategies", "open_strategies"]

_log = get_logger("trading", "trading.strategies")


class Refused(NamedTuple):
    """One strategy that was not loaded, and the error that says why."""

    strategy: str
    broker: str
    error: AlchemiserError

    @property
    def reason(self) -> str:
        """The reason in one line, with its code."""
        return f"{self.error.code}: {self.error.what}: {self.error.why}"


class LoadedStrategies(msgspec.Struct, frozen=True):
    """Strategies by broker: those to run, those that are disabled and why, and how many in all.

    A broker of which no strategy could be loaded is in ``configured`` all the same.
    """

    by_broker: dict[str, tuple[Strategy, ...]]
    disabled: dict[str, dict[str, str]]
    configured: dict[str, int]

    def loaded(self, broker: str) -> int:
        """Return how many strategies of a broker run."""
        return len(self.by_broker.get(broker, ()))

    def without(self, broker: str, strategy: str, reason: str) -> "LoadedStrategies":
        """Return the same with one more strategy disabled, as happens while trading."""
        kept = tuple(one for one in self.by_broker.get(broker, ()) if one.strategy_id != strategy)
        reasons = {**self.disabled.get(broker, {}), strategy: reason}
        return LoadedStrategies(
            {**self.by_broker, broker: kept},
            {**self.disabled, broker: reasons},
            self.configured,
        )


def load_strategies(
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, StrategyKind] = BUILT_IN_KINDS,
    telemetry: Telemetry = SILENT,
    clock: Clock,
) -> LoadedStrategies:
    """Load the strategies ``names``, or all that the settings enable, and tell what came of it.

    One whose definition or model cannot be used is disabled: one warning with the reason, a
    count, and it is not among those that run. At the end each broker gets one record, ``strategy
    loading summary``, and its gauges. A strategy that the settings do not mention trades through
    the broker ``paper``; one that they disable stays disabled also where it is named.

    Raises:
        StrategyNotFoundError: ``strategy-not-found`` for one of ``names``, which a person chose.
    """
    for name in names or ():
        if name not in settings.strategies:
            _refuse_unknown(settings, name)
    started_ns = clock.monotonic_ns()
    strategies, refused = open_strategies(settings, names, kinds=kinds)
    for broker in strategies:
        for strategy in strategies[broker]:
            if strategy.model is not None:
                telemetry.counter(MODEL_LOADS, strategy_id=strategy.strategy_id).inc()
    disabled: dict[str, dict[str, str]] = {broker: {} for broker in strategies}
    for one in refused:
        disabled[one.broker][one.strategy] = one.reason
        if isinstance(one.error, StrategyModelError):
            telemetry.counter(MODEL_LOAD_FAILURES, strategy_id=one.strategy).inc()
        _log.warning(
            "strategy_disabled",
            strategy=one.strategy,
            broker=one.broker,
            code=one.error.code,
            reason=one.reason,
            next_step=one.error.next_step,
        )
    configured = {broker: len(strategies[broker]) + len(disabled[broker]) for broker in strategies}
    for broker, found in strategies.items():
        telemetry.gauge(STRATEGIES_CONFIGURED, broker=broker).set(configured[broker])
        telemetry.gauge(STRATEGIES_LOADED, broker=broker).set(len(found))
        _log.info(
            "strategy loading summary",
            broker=broker,
            configured=configured[broker],
            loaded=[one.strategy_id for one in found],
            disabled=disabled[broker],
            seconds=round((clock.monotonic_ns() - started_ns) / NS_PER_SECOND, 3),
        )
    return LoadedStrategies(strategies, disabled, configured)


def open_strategies(
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, StrategyKind] = BUILT_IN_KINDS,
) -> tuple[dict[str, tuple[Strategy, ...]], tuple[Refused, ...]]:
    """Load strategies as ``load_strategies`` does, and tell nobody: strategies by broker, refusals.

    Every broker that a strategy is configured for is a key, also where none could be loaded.
    """
    chosen = dict.fromkeys(
        names
        if names is not None
        else [name for name, one in settings.strategies.items() if one.enabled]
    )
    found: dict[str, list[Strategy]] = {}
    refused = []
    for name in chosen:
        strategy = settings.strategies.get(name, StrategySettings())
        of_broker = found.setdefault(strategy.broker, [])
        try:
            of_broker.append(_opened(name, strategy, settings, kinds))
        except AlchemiserError as error:
            refused.append(Refused(name, strategy.broker, error))
    return {broker: tuple(of_broker) for broker, of_broker in found.items()}, tuple(refused)


def _opened(
    name: str,
    strategy: StrategySettings,
    settings: Settings,
    kinds: Mapping[str, StrategyKind],
) -> Strategy:
    definition = find_definition(name, settings.home)
    if not strategy.enabled:
        why = f"strategies.{name}.enabled is false"
        raise malformed(name, definition.file, why, f"Set strategies.{name}.enabled to true.")
    kind = kinds.get(definition.kind)
    if kind is None:
        why, next_step = unknown_key(definition.kind, kinds, "kind of a strategy")
        raise malformed(name, definition.file, why, next_step)
    try:
        made = kind(definition, strategy, settings)
        made.load()
    except AlchemiserError:
        raise
    except Exception as error:  # a plugin's kind raises what it likes
        why = f"Its kind {definition.kind} raised {type(error).__name__}: {error}"
        failure = malformed(
            name, definition.file, why, "Correct the kind, or disable the strategy."
        )
        raise failure from error
    return made


def _refuse_unknown(settings: Settings, name: str) -> None:
    with suppress(StrategyMalformedError):  # it is there; loading will say what is wrong with it
        find_definition(name, settings.home)
