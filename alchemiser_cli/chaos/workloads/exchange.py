"""An exchange of our own whose clock is right, whatever happens to ours, and keeps every tick."""

from pathlib import Path

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market import Tick

__all__ = ["STRATEGY", "SYMBOL", "TOPIC", "Exchange", "write_strategy"]

SYMBOL = "SPX"
STRATEGY = "laboratory"
TOPIC = "laboratory.ticks"

_TURN = 5  # ticks up, and as many down: a momentum of two rows trades at each turn
_DEFINITION = f"""\
kind = "momentum"
version = 1
symbols = ["{SYMBOL}"]

[parameters]
lookback = 2
volatility_rows = 2
quantity = 1
"""


class Exchange:
    """A market that turns every few ticks; each row is due at its time and stays readable."""

    def __init__(self, rate: float, true_clock: Clock) -> None:
        """Open with ``rate`` ticks a second from now on."""
        self._clock = true_clock
        self._between_ns = round(NS_PER_SECOND / rate)
        self._opened_ns = true_clock.now_ns()
        self._opened_at = true_clock.monotonic_ns()
        self._closed: int | None = None

    @property
    def now_ns(self) -> int:
        """Return the right time in UTC nanoseconds."""
        return self._opened_ns + self._clock.monotonic_ns() - self._opened_at

    @property
    def due(self) -> int:
        """Return how many ticks there are by now."""
        if self._closed is not None:
            return self._closed
        return (self._clock.monotonic_ns() - self._opened_at) // self._between_ns

    def tick(self, row: int) -> Tick:
        """Return the tick ``row``, counted from zero; the same at each call."""
        turn = row % (2 * _TURN)
        return Tick(
            symbol=SYMBOL,
            venue="laboratory",
            kind="trade",
            sequence=row,
            event_time_ns=self._opened_ns + row * self._between_ns,
            price=2_750.0 + (turn if turn <= _TURN else 2 * _TURN - turn),
        )

    def close(self) -> None:
        """Make no further tick."""
        self._closed = self.due


def write_strategy(home: Path) -> None:
    """Write the definition of the strategy that trades this market into ``home``."""
    folder = home / "configs" / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{STRATEGY}.toml").write_text(_DEFINITION, encoding="utf-8")
