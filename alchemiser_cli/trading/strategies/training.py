"""Training a strategy's model: does its rule's next trade win? Judged walk-forward, then saved."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.errors import ExtraMissingError, StrategyModelError, UsageError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.trading import StrategySettings
from alchemiser_cli.trading.strategies.calibration import Forecast, forecast
from alchemiser_cli.trading.strategies.definition import artefact_name, find_definition
from alchemiser_cli.trading.strategies.kinds import param_hash, rule_hash, rule_of
from alchemiser_cli.trading.strategies.model_passport import (
    MODEL_FILE,
    StrategyPassport,
    TrainingData,
)
from alchemiser_cli.trading.strategies.model_saving import refuse_existing, save_model
from alchemiser_cli.trading.strategies.rule import feature_schema_hash
from alchemiser_cli.trading.strategies.symbols import SymbolChoice
from alchemiser_cli.trading.strategies.trades import TradeHistory, trades_of
from alchemiser_cli.trading.strategies.walk_forward import FoldScore, walk_forward

__all__ = ["StrategyTraining", "train_strategy"]

NOTED = 8  # inputs whose probabilities stand in the passport

_log = get_logger("trading", "trading.strategies")


class StrategyTraining(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training: the model, and what it is worth on trades that it had not seen.

    ``pooled`` and ``base`` are over all folds. ``taken`` of them had ``min_confidence``, and
    ``taken_wins`` of those won. ``weights`` are those of standardised features.
    """

    strategy: str
    model: str
    folder: Path
    dataset: str
    symbols: tuple[str, ...]
    rows: int
    trades: int
    wins: int
    horizon: int
    seed: int
    folds: tuple[FoldScore, ...]
    pooled: Forecast
    base: Forecast
    min_confidence: float
    taken: int
    taken_wins: int
    weights: dict[str, float]
    model_hash: str
    param_hash: str
    feature_schema_hash: str

    @property
    def better_than_base(self) -> bool:
        """Whether its probabilities beat the base rate by both proper scores."""
        return self.pooled.log_loss < self.base.log_loss and self.pooled.brier < self.base.brier


def train_strategy(
    settings: Settings,
    name: str,
    ticks: Iterable[Tick],
    clock: Clock,
    *,
    dataset: str,
    folds: int = 5,
    seed: int = 1,
    model: str | None = None,
) -> StrategyTraining:
    """Train the model of the strategy ``name`` on ``ticks`` and save it in HOME/models.

    A logistic regression on standardised features says how likely the rule's trade is to win. It
    is first judged walk-forward on ``folds`` folds, then fitted to all trades. ``model`` is the
    name to save it under; without one, that of the settings or the definition, or the strategy's.

    Raises:
        StrategyNotFoundError: ``strategy-not-found``.
        StrategyMalformedError: ``strategy-malformed``, also for a kind that no model judges.
        StrategyModelError: ``strategy-model-unusable``: too few trades to learn from.
        ModelExistsError: ``model-exists``.
        ExtraMissingError: ``extra-missing``: scikit-learn or skops is not installed.
        UsageError: ``usage``: the model's name is none.
        HomeNotWritableError: ``home-not-writable``.
        DiskFullError: ``disk-full``.
    """
    configured = settings.strategies.get(name, StrategySettings())
    definition = find_definition(name, settings.home).with_settings(configured)
    rule, parameters = rule_of(definition)
    folder = settings.models_folder / _saved_name(model or definition.model or name)
    refuse_existing(folder)
    fit = _fitting(seed)
    history = trades_of(rule, parameters, SymbolChoice(definition.symbols), ticks)
    try:
        scores, said, bases, came = walk_forward(history, folds, _probabilities(fit))
    except ValueError as error:
        raise _too_few(name, definition.symbols, dataset, history, error) from None
    pipeline = fit(history.inputs, history.won)
    content = _dumped(pipeline)
    named = msgspec.structs.replace(definition, model=folder.name)
    digest = hashlib.sha256(content).hexdigest()
    created_at = iso_from_ns(clock.now_ns())
    pooled, base = forecast(said, came), forecast(bases, came)
    passport = StrategyPassport(
        name=folder.name,
        strategy=name,
        rule=definition.kind,
        version=created_at,
        created_at=created_at,
        sha256={MODEL_FILE: digest},
        feature_schema_hash=feature_schema_hash(definition.kind, rule),
        rule_hash=rule_hash(definition),
        param_hash=param_hash(named, StrategySettings()),
        features=tuple(rule.features),
        data=_data(dataset, history),
        horizon=parameters.horizon,
        folds=folds,
        seed=seed,
        metrics=pooled,
        base=base,
        inputs=tuple(tuple(row) for row in history.inputs[:NOTED]),
        probabilities=tuple(pipeline.predict_proba(history.inputs[:NOTED])[:, 1].tolist()),
        versions={one: metadata.version(one) for one in ("scikit-learn", "skops", "numpy")},
    )
    save_model(folder, content, passport)
    _log.info("strategy_model_saved", strategy=name, model=folder.name, hash=digest)
    weights = pipeline.named_steps["regression"].coef_[0].tolist()
    taken = [won for p, won in zip(said, came, strict=True) if p >= parameters.min_confidence]
    return StrategyTraining(
        strategy=name,
        model=folder.name,
        folder=folder,
        dataset=dataset,
        symbols=passport.data.symbols,
        rows=history.rows,
        trades=len(history),
        wins=sum(history.won),
        horizon=parameters.horizon,
        seed=seed,
        folds=tuple(scores),
        pooled=pooled,
        base=base,
        min_confidence=parameters.min_confidence,
        taken=len(taken),
        taken_wins=sum(taken),
        weights=dict(zip(rule.features, weights, strict=True)),
        model_hash=digest,
        param_hash=passport.param_hash,
        feature_schema_hash=passport.feature_schema_hash,
    )


def _fitting(seed: int) -> Callable[[Sequence[Sequence[float]], Sequence[bool]], Any]:
    """Return what fits a pipeline; the libraries are loaded here and nowhere earlier."""
    try:
        import skops.io  # type: ignore[import-untyped]  # it carries no types  # noqa: F401
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
        from sklearn.pipeline import Pipeline  # type: ignore[import-untyped]
        from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"the package {error.name} is not installed",
            why="A strategy's model is trained with scikit-learn and saved with skops.",
            next_step="pip install 'alchemiser[train]'",
        ) from None

    def fit(inputs: Sequence[Sequence[float]], won: Sequence[bool]) -> Any:
        scaler = StandardScaler()
        regression = LogisticRegression(max_iter=1_000, random_state=seed)
        pipeline = Pipeline([("scaler", scaler), ("regression", regression)])
        return pipeline.fit(inputs, [int(one) for one in won])

    return fit


def _probabilities(
    fit: Callable[[Sequence[Sequence[float]], Sequence[bool]], Any],
) -> Callable[[Sequence[Sequence[float]], Sequence[bool]], Callable[..., list[float]]]:
    def fitted(
        inputs: Sequence[Sequence[float]], won: Sequence[bool]
    ) -> Callable[[Sequence[Sequence[float]]], list[float]]:
        pipeline = fit(inputs, won)

        def probability(rows: Sequence[Sequence[float]]) -> list[float]:
            column: list[float] = pipeline.predict_proba(rows)[:, 1].tolist()
            return column

        return probability

    return fitted


def _dumped(pipeline: Any) -> bytes:
    import skops.io

    content: bytes = skops.io.dumps(pipeline)
    return content


def _data(dataset: str, history: TradeHistory) -> TrainingData:
    return TrainingData(
        dataset=dataset,
        symbols=tuple(sorted(history.symbols)),
        rows=history.rows,
        trades=len(history),
        first_event_time_ns=history.first_event_time_ns,
        last_event_time_ns=history.last_event_time_ns,
        sha256=history.sha256,
    )


def _saved_name(model: str) -> str:
    try:
        return artefact_name(model)
    except ValueError as error:
        raise UsageError(
            str(error),
            why="A name has up to 100 letters, digits, points, hyphens and underscores.",
            next_step="Give another --name.",
        ) from None


def _too_few(
    name: str, symbols: Sequence[str], dataset: str, history: TradeHistory, error: ValueError
) -> StrategyModelError:
    return StrategyModelError(
        f"the strategy {name!r} has too few trades in {dataset} to train a model",
        why=f"It made {len(history)} on {history.rows} rows of {', '.join(symbols)}: {error}.",
        next_step="Take a longer dataset that holds its symbols, or fewer folds.",
        context={"strategy": name, "dataset": dataset, "trades": len(history)},
    )
