"""How good probabilities of winning are: sharp, calibrated, and better than the base rate."""

import math
from collections.abc import Sequence

import msgspec

__all__ = ["BINS", "Forecast", "expected_calibration_error", "forecast"]

BINS = 10
LEAST = 1e-15  # a probability of 0 or 1 that is wrong would cost an endless loss


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of probabilities against outcomes; all but ``roc_auc`` are the better the lower.

    ``roc_auc`` is None where all trades won or all lost.
    """

    trades: int
    wins: int
    log_loss: float
    brier: float
    calibration_error: float
    roc_auc: float | None


def forecast(probabilities: Sequence[float], won: Sequence[bool]) -> Forecast:
    """Score probabilities of winning, 0 to 1, against what became of the trades.

    Sources: Good 1952 (logarithmic loss); Brier 1950; Naeini, Cooper and Hauskrecht 2015
    (expected calibration error); Mann and Whitney 1947 (the area under the ROC curve).

    Raises:
        ValueError: There are none, or not as many of one as of the other.
    """
    pairs = list(zip(probabilities, won, strict=True))
    if not pairs:
        raise ValueError("there is no trade to score")
    count = len(pairs)
    lost = sum(-math.log(max(p if win else 1.0 - p, LEAST)) for p, win in pairs)
    return Forecast(
        trades=count,
        wins=sum(won),
        log_loss=lost / count,
        brier=sum((p - win) ** 2 for p, win in pairs) / count,
        calibration_error=expected_calibration_error(probabilities, won),
        roc_auc=_roc_auc(pairs),
    )


def expected_calibration_error(probabilities: Sequence[float], won: Sequence[bool]) -> float:
    """Return how far probabilities are from shares of wins, over ten bins of one width, 0 to 1."""
    sums = [[0.0, 0.0] for _ in range(BINS)]
    for p, win in zip(probabilities, won, strict=True):
        one = sums[min(int(p * BINS), BINS - 1)]
        one[0] += p
        one[1] += win
    return sum(abs(said - came) for said, came in sums) / len(probabilities)


def _roc_auc(pairs: list[tuple[float, bool]]) -> float | None:
    """Return how often a won trade had the higher probability; equal ones count half."""
    wins = sum(win for _, win in pairs)
    losses = len(pairs) - wins
    if not wins or not losses:
        return None
    ordered = sorted(pairs)
    ranks, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        ranks += (at + end + 1) / 2 * sum(win for _, win in ordered[at:end])
        at = end
    return (ranks - wins * (wins + 1) / 2) / (wins * losses)
