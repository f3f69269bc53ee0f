"""Windows of many environments without a copy: rows are written once, and windows are views.

A tape holds the observation rows of all environments, (rows, n, 100), so that a step writes one
block of it; the window of the present is a slice. There are two tapes with the same rows, and
steps return windows of them by turns. So when an environment begins anew, its window is rewritten
in the tape whose window is returned next, while the observations of the step before stay as they
were in the other; that one follows a step later. Whoever keeps a window longer is safe as well: a
tape of which a view is still alive is left to its holder, and a copy is written on.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from alchemiser_cli.market.chains import CONTRACTS
from alchemiser_cli.rl.observation import FEATURES, WINDOW

__all__ = ["CONTEXT", "HELD", "PROGRESS", "TAPE_ROWS", "Tapes"]

# The account's columns, as OWN_COLUMNS has them.
HELD = slice(0, 1 + CONTRACTS)  # cash, and each position
CONTEXT = slice(91, 94)  # unrealised PnL, drawdown, leverage
PROGRESS = 99

TAPE_ROWS = 64 + WINDOW
SPARES = 2

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Tapes:
    """The last rows of n environments, twice."""

    def __init__(self, count: int) -> None:
        """Make room for ``count`` environments; each must begin before its window is looked at."""
        self._shape = (TAPE_ROWS, count, len(FEATURES))
        self._tapes = [np.zeros(self._shape, np.float32) for _ in range(2)]
        self._alone = sys.getrefcount(self._tapes[0])
        self._spares: list[Rows] = []
        self._at = WINDOW - 1
        self._turn = 0
        self._owed: Indices | None = None  # whose windows the other tape does not have yet

    def write(
        self, features: Rows, rows: Indices, held: Floats, context: Floats, progress: Floats
    ) -> None:
        """Add the rows of a step.

        Args:
            features: The market's features (T, 100).
            rows: Where each environment is in them, (n,).
            held: Cash ratio and positions, (11, n).
            context: Unrealised PnL, drawdown and leverage, (3, n).
            progress: Progress of each episode, (n,).
        """
        if self._at + 1 == TAPE_ROWS:
            self._turn_over()
        self._at += 1
        self._turn ^= 1
        lines = self._tapes[self._turn][self._at]
        np.take(features, rows, axis=0, out=lines, mode="clip")
        lines[:, HELD] = held.T
        lines[:, CONTEXT] = context.T
        lines[:, PROGRESS] = progress
        self._tapes[self._turn ^ 1][self._at] = lines
        del lines  # it would count as a view that somebody holds
        if self._owed is not None:
            which, self._owed = self._owed, None
            self._rewrite(which, self._window(self._turn ^ 1)[:, which])

    def begin(self, which: Indices, windows: Rows) -> None:
        """Give the environments ``which`` the windows (which, 16, 100) of a new episode."""
        self._rewrite(which, windows.transpose(1, 0, 2))
        self._owed = which if self._owed is None else np.union1d(self._owed, which)

    def windows(self) -> Rows:
        """Return the present windows (n, 16, 100): a view that is never written to again."""
        return self._window(self._turn).transpose(1, 0, 2)

    def _window(self, turn: int) -> Rows:
        return self._tapes[turn][self._at - WINDOW + 1 : self._at + 1]

    def _rewrite(self, which: Indices, windows: Rows) -> None:
        span = slice(self._at - WINDOW + 1, self._at + 1)
        if self._held(self._tapes, self._turn):
            free = self._free()
            free[span] = self._tapes[self._turn][span]
            self._replace(self._turn, free)
        self._tapes[self._turn][span, which] = windows

    def _turn_over(self) -> None:
        """Go on at the beginning of the tapes, or of others."""
        for turn in (0, 1):
            free = self._free() if self._held(self._tapes, turn) else self._tapes[turn]
            free[: WINDOW - 1] = self._tapes[turn][TAPE_ROWS - WINDOW + 1 :]
            if free is not self._tapes[turn]:
                self._replace(turn, free)
        self._at = WINDOW - 2

    def _replace(self, turn: int, free: Rows) -> None:
        self._spares = [*self._spares, self._tapes[turn]][-SPARES:]
        self._tapes[turn] = free

    def _free(self) -> Rows:
        """Return a tape that nobody holds: an old one, or else a new one."""
        for index in range(len(self._spares)):
            if not self._held(self._spares, index):
                return self._spares.pop(index)
        return np.zeros(self._shape, np.float32)

    def _held(self, tapes: list[Rows], index: int) -> bool:
        """Tell whether a view of the tape is alive; CPython's count of references knows."""
        return sys.getrefcount(tapes[index]) > self._alone
