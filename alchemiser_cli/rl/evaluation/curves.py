"""Curves for charts: long series cut down to as many points as a chart can show."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.clock import iso_from_ns
from alchemiser_cli.rl.evaluation.performance import Account, drawdowns

__all__ = ["POINTS", "Curves", "draw_curves"]

POINTS = 240


class Curves(msgspec.Struct, frozen=True):
    """Points of all folds in a row; lists are as long as ``rows``.

    Equity, positions and exposure are those at the point's row; a drawdown is the deepest since
    the point before, so that none is lost between two points.
    """

    rows: tuple[int, ...]  # of the market
    times: tuple[str, ...]  # ISO 8601, UTC
    equity: dict[str, tuple[float, ...]]  # of the policy and of each baseline, chained over folds
    drawdown: dict[str, tuple[float, ...]]
    positions: tuple[tuple[int, ...], ...]  # a tuple of ten contracts a point
    gross: tuple[float, ...]  # delta notional over equity
    net: tuple[float, ...]


def draw_curves(
    accounts: Mapping[str, Account],
    rows: NDArray[np.int64],
    event_time_ns: NDArray[np.int64],
    points: int = POINTS,
) -> Curves:
    """Cut the joined ``accounts`` down; the first of them is the policy.

    ``rows`` (n + 1,) are the market's rows of the accounts' equity, ``event_time_ns`` (n + 1,)
    their times.
    """
    at = np.unique(np.linspace(0, len(rows) - 1, min(points, len(rows))).round().astype(int))
    since = np.concatenate([[0], at[:-1] + 1])
    policy = next(iter(accounts.values()))
    return Curves(
        rows=tuple(rows[at].tolist()),
        times=tuple(iso_from_ns(int(time)) for time in event_time_ns[at]),
        equity={name: _rounded(one.equity[at], 2) for name, one in accounts.items()},
        drawdown={
            name: _rounded(np.maximum.reduceat(drawdowns(one.equity), since), 6)
            for name, one in accounts.items()
        },
        positions=tuple(tuple(row) for row in policy.positions[at].round().astype(int).tolist()),
        gross=_rounded(policy.gross[at], 4),
        net=_rounded(policy.net[at], 4),
    )


def _rounded(values: NDArray[np.float64], digits: int) -> tuple[float, ...]:
    return tuple(np.round(values, digits).tolist())
