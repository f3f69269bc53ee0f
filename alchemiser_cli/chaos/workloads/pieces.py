"""The account of pieces of work, each known by its number from its offer to its end."""

import threading

from alchemiser_cli.chaos.workloads.workload import Work

__all__ = ["PieceAccount"]


class PieceAccount:
    """Counts pieces from any thread; whoever does one may ask whether it was done before."""

    def __init__(self) -> None:
        """Begin without a piece."""
        self._lock = threading.Lock()
        self._offered: set[int] = set()
        self._done: set[int] = set()
        self._aside: set[int] = set()
        self._twice = 0
        self._again = 0
        self._over = False

    def offered(self, piece: int) -> None:
        """Note that ``piece`` was handed over."""
        with self._lock:
            self._offered.add(piece)

    def came_before(self, piece: int) -> bool:
        """Tell whether ``piece`` was done before, and count that it came again."""
        with self._lock:
            before = piece in self._done
            self._again += before
            return before

    def done(self, piece: int) -> None:
        """Note the effect of ``piece``; a second one is one too many."""
        with self._lock:
            self._twice += piece in self._done
            self._done.add(piece)

    def set_aside(self, piece: int) -> None:
        """Note that ``piece`` lies where it can be found."""
        with self._lock:
            self._aside.add(piece)

    def close(self) -> None:
        """Note that nothing more will be done: what is missing now is lost."""
        with self._lock:
            self._over = True

    @property
    def again(self) -> int:
        """How often a piece came that was done before."""
        return self._again

    @property
    def open(self) -> int:
        """How many pieces wait to be done or set aside."""
        with self._lock:
            return len(self._offered - self._done - self._aside)

    def work(self) -> Work:
        """Return the account up to now."""
        with self._lock:
            ended = self._done | self._aside
            return Work(
                offered=len(self._offered),
                done=len(self._done),
                twice=self._twice,
                set_aside=len(self._aside - self._done),
                lost=len(self._offered - ended) if self._over else 0,
            )
