"""The observation: one table of its hundred features, and the hash by which models know it."""

import hashlib
from typing import Literal

import msgspec
import numpy as np

from alchemiser_cli.market.chains import CONTRACTS, GREEKS
from alchemiser_cli.market.indicators import INDICATORS

__all__ = [
    "FEATURES",
    "OBSERVATION_SHAPE",
    "OWN_COLUMNS",
    "WINDOW",
    "Feature",
    "observation_schema",
]
__all__ += ["observation_schema_hash"]

WINDOW = 16
LIMIT = 10.0  # every value is clipped to -LIMIT .. LIMIT

Source = Literal["market", "account"]


class Feature(msgspec.Struct, frozen=True):
    """One column of the observation, and whether the market or the account decides on it."""

    index: int
    name: str
    source: Source
    meaning: str


def _features() -> tuple[Feature, ...]:
    rows: list[tuple[str, Source, str]] = [("cash_ratio", "account", "cash / initial balance")]
    rows += [
        (f"position_{i}", "account", f"contracts held of option {i} / max_contracts")
        for i in range(CONTRACTS)
    ]
    rows += [
        (f"log_moneyness_{i}", "market", f"log(spot / strike) of option {i}")
        for i in range(CONTRACTS)
    ]
    rows += [
        (f"{greek}_{i}", "market", f"tanh of the {greek} of option {i}, scaled")
        for i in range(CONTRACTS)
        for greek in GREEKS
    ]
    rows += [(name, "market", meaning) for name, meaning in INDICATORS.items()]
    rows += [
        ("unrealised_pnl", "account", "(value of positions - their cost) / initial balance"),
        ("drawdown", "account", "1 - equity / peak equity of the episode"),
        ("leverage", "account", "gross delta notional / equity, tanh of a tenth"),
        ("realised_volatility", "market", "deviation of the last 20 log returns, annualised"),
        ("implied_volatility", "market", "at-the-money implied volatility, annualised"),
        ("spot_return", "market", "log return of spot over the last step"),
        ("log_spot_over_first_strike", "market", "log(spot / strike of option 0)"),
        ("time_to_expiry", "market", "years to expiry"),
        ("episode_progress", "account", "steps taken / steps of the episode"),
    ]
    return tuple(Feature(i, *row) for i, row in enumerate(rows))


FEATURES = _features()
OBSERVATION_SHAPE = (WINDOW, len(FEATURES))
# The columns that an environment fills at each step; the market's are known beforehand.
OWN_COLUMNS = np.array([feature.index for feature in FEATURES if feature.source == "account"])


def observation_schema() -> dict[str, object]:
    """Return what an observation is, for passports and segments: window, limit and features."""
    return {
        "window": WINDOW,
        "limit": LIMIT,
        "dtype": "float32",
        "features": [msgspec.to_builtins(feature) for feature in FEATURES],
    }


def observation_schema_hash() -> str:
    """Return SHA-256 of the schema as JSON with sorted keys, in hexadecimal."""
    encoded = msgspec.json.encode(observation_schema(), order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
