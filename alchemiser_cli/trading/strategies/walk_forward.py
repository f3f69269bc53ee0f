"""Walk-forward: a model is always judged on trades that were made after all it has seen."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from alchemiser_cli.trading.strategies.calibration import Forecast, forecast
from alchemiser_cli.trading.strategies.trades import TradeHistory

__all__ = ["LEAST_TRADES", "Fit", "Fold", "FoldScore", "folds_of", "walk_forward"]

LEAST_TRADES = 30
"""Trades that each training and each test needs at the least."""

Fit = Callable[[Sequence[Sequence[float]], Sequence[bool]], Callable[..., list[float]]]
"""Takes inputs and outcomes, and returns what gives the probability of winning for inputs."""


class Fold(msgspec.Struct, frozen=True):
    """One fold as places in the history: train on ``trained``, test on the half-open ``tested``.

    ``purged`` is how many trades before the test were left out, for they ended within it.
    """

    trained: tuple[int, ...]
    tested: tuple[int, int]
    purged: int


class FoldScore(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on one fold, and the base rate beside it; times are UTC nanoseconds."""

    trained: int
    purged: int
    first_event_time_ns: int
    last_event_time_ns: int
    model: Forecast
    base: Forecast


def folds_of(history: TradeHistory, folds: int) -> Iterator[Fold]:
    """Yield folds whose training grows: block k+1 is tested after blocks 1 to k were trained on.

    A trade that had not ended before the first one of the test is purged: its outcome rests on
    prices of the test (López de Prado, Advances in Financial Machine Learning, 2018, chapter 7).
    """
    count = len(history)
    edges = [count * at // (folds + 1) for at in range(folds + 2)]
    for start, end in pairwise(edges[1:]):
        begins_ns = history.entered_ns[start] if start < count else 0
        trained = tuple(at for at in range(start) if history.ended_ns[at] < begins_ns)
        yield Fold(trained, (start, end), start - len(trained))


def walk_forward(
    history: TradeHistory, folds: int, fit: Fit
) -> tuple[list[FoldScore], list[float], list[float], list[bool]]:
    """Judge a way of fitting; return each fold's score, and all probabilities, bases and outcomes.

    The base of a fold is the share of wins in its training, said of every trade.

    Raises:
        ValueError: A fold has too few trades to learn from or to judge by, as a sentence's part.
    """
    scores = []
    said: list[float] = []
    bases: list[float] = []
    came: list[bool] = []
    for fold in folds_of(history, folds):
        start, end = fold.tested
        known = [history.won[at] for at in fold.trained]
        won = history.won[start:end]
        if min(len(known), len(won)) < LEAST_TRADES or len(set(known)) < 2:
            raise ValueError(
                f"a fold has {len(known)} trades to learn from and {len(won)} to be judged by; "
                f"it needs {LEAST_TRADES} of each, and wins as well as losses"
            )
        probability = fit([history.inputs[at] for at in fold.trained], known)
        probabilities = probability(history.inputs[start:end])
        base = [sum(known) / len(known)] * len(won)
        scores.append(
            FoldScore(
                trained=len(known),
                purged=fold.purged,
                first_event_time_ns=history.entered_ns[start],
                last_event_time_ns=history.entered_ns[end - 1],
                model=forecast(probabilities, won),
                base=forecast(base, won),
            )
        )
        said += probabilities
        bases += base
        came += won
    return scores, said, bases, came
