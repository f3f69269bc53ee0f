"""The passport of a strategy's model: what it was made from, what it holds, what it is worth."""

from typing import Literal

import msgspec

from alchemiser_cli.trading.strategies.calibration import Forecast

__all__ = ["MODEL_FILE", "PASSPORT_FILE", "SCHEMA_VERSION", "StrategyPassport", "TrainingData"]

PASSPORT_FILE = "passport.json"
MODEL_FILE = "model.skops"
SCHEMA_VERSION = 1


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was trained on. ``rows`` are ticks, ``trades`` those that had a side.

    ``sha256`` is over times, symbols and prices of the ticks; times are UTC nanoseconds.
    """

    dataset: str
    symbols: tuple[str, ...]
    rows: int
    trades: int
    first_event_time_ns: int
    last_event_time_ns: int
    sha256: str


class StrategyPassport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a strategy's model; stored as ``passport.json``.

    ``sha256`` holds the other files by name. ``rule_hash`` and ``feature_schema_hash`` are those of
    the rule that it goes with; ``param_hash`` is the whole definition's at the training.
    ``metrics`` are pooled over the folds that the model had not seen, ``base`` those of always
    saying the share of wins that was known then. ``probabilities`` are the model's own answers to
    ``inputs``, which a reader must find again.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["strategy"] = "strategy"
    name: str
    strategy: str
    rule: str
    version: str
    created_at: str
    sha256: dict[str, str]
    feature_schema_hash: str
    rule_hash: str
    param_hash: str
    features: tuple[str, ...]
    data: TrainingData
    horizon: int
    folds: int
    seed: int
    metrics: Forecast
    base: Forecast
    inputs: tuple[tuple[float, ...], ...]
    probabilities: tuple[float, ...]
    versions: dict[str, str]
