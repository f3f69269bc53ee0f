"""The probability that a trade wins, from a model's coefficients: one sum and one exponential."""

from collections.abc import Mapping
from math import exp

from alchemiser_cli.trading.signals import ModelStamp

__all__ = ["WinModel", "logistic", "model_inputs"]


class WinModel:
    """A logistic regression on standardised features, folded into one weight a feature.

    scikit-learn's pipeline takes some hundred microseconds a row, this about one; both give the
    same number to rounding.
    """

    __slots__ = ("_bias", "_terms", "stamp")

    def __init__(
        self,
        stamp: ModelStamp,
        features: Mapping[str, bool],
        weights: tuple[float, ...],
        bias: float,
    ) -> None:
        """Take ``weights`` in the order of ``features``, on values that are not standardised.

        A feature that is marked has the sign of a direction, and enters in that of the trade.
        """
        self.stamp = stamp
        self._bias = bias
        self._terms = tuple(
            (name, weight, directed)
            for (name, directed), weight in zip(features.items(), weights, strict=True)
        )

    def probability(self, features: Mapping[str, float], side: int) -> float:
        """Return the probability that a trade on ``side``, 1 or -1, wins: 0 to 1."""
        total = self._bias
        for name, weight, directed in self._terms:
            value = features[name]
            total += weight * (value * side if directed else value)
        return logistic(total)


def model_inputs(
    features: Mapping[str, float], directions: Mapping[str, bool], side: int
) -> list[float]:
    """Return the row that a model is trained on for a trade on ``side``, 1 or -1."""
    return [
        features[name] * side if directed else features[name]
        for name, directed in directions.items()
    ]


def logistic(total: float) -> float:
    """Return 1 / (1 + exp(-total)) without overflow."""
    if total >= 0.0:
        return 1.0 / (1.0 + exp(-total))
    grown = exp(total)
    return grown / (1.0 + grown)
