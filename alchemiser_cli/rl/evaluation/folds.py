"""Walk-forward folds: consecutive ranges of held-out rows, and the runs within them."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from alchemiser_cli.errors import ChainDataError

__all__ = ["LEAST_STEPS", "Fold", "Run", "rows_between", "runs_within", "walk_forward_folds"]

LEAST_STEPS = 8  # of a fold


class Fold(msgspec.Struct, frozen=True):
    """Decisions at ``first_row`` to ``last_row - 1``; the last of them is filled at ``last_row``.

    The next fold begins at ``last_row``: no step is judged twice and none is left out.
    """

    first_row: int
    last_row: int

    @property
    def steps(self) -> int:
        """Return how many steps of the market the fold has."""
        return self.last_row - self.first_row


class Run(msgspec.Struct, frozen=True):
    """One account, from ``first_row`` to its fold's end; for the whole fold, ``seed`` is None."""

    fold: int
    seed: int | None
    first_row: int
    last_row: int


def walk_forward_folds(first_row: int, last_row: int, count: int) -> tuple[Fold, ...]:
    """Cut the rows into ``count`` folds of equal length, give or take one step.

    Raises:
        ChainDataError: ``chain-data-insufficient`` where a fold would have fewer than 8 steps.
    """
    if count < 1 or last_row - first_row < count * LEAST_STEPS:
        raise ChainDataError(
            "the held-out data are too short to be judged",
            why=f"They have {max(0, last_row - first_row)} steps for {count} folds of at least "
            f"{LEAST_STEPS}.",
            next_step="Use a longer dataset, hold out more of it, or ask for fewer folds.",
        )
    bounds = np.linspace(first_row, last_row, count + 1).round().astype(int).tolist()
    return tuple(Fold(*pair) for pair in pairwise(bounds))


def runs_within(folds: Sequence[Fold], seeds: Sequence[int]) -> tuple[Run, ...]:
    """Return the runs: first each fold as a whole, then each fold once more for each seed.

    A seed's run begins 1 to a quarter of the fold's steps later, drawn evenly, and goes on to its
    end. So the runs tell how much a result hangs on the day that one began; they overlap and say
    nothing of other markets.
    """
    whole = [Run(at, None, fold.first_row, fold.last_row) for at, fold in enumerate(folds)]
    later = [
        Run(at, seed, fold.first_row + _offset(seed, at, fold.steps), fold.last_row)
        for seed in seeds
        for at, fold in enumerate(folds)
    ]
    return tuple(whole + later)


def rows_between(trained: tuple[int, int], first_row: int, last_row: int) -> int:
    """Return how many rows lie between trained and judged ones; negative where they overlap.

    ``trained`` is half open: rows ``trained[0]`` to ``trained[1] - 1`` were seen in training.
    """
    begin, end = trained
    return max(first_row - end, begin - last_row - 1)


def _offset(seed: int, fold: int, steps: int) -> int:
    return int(np.random.default_rng([seed, fold]).integers(1, steps // 4 + 1))
