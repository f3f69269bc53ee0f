"""The watchdog's judgement: which silence means that data stopped, though the socket stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from alchemiser_cli.clock import NS_PER_SECOND, Clock

__all__ = ["Silence", "SilenceWatch"]

# A symbol that usually comes once a second may be silent for 20 s before it is suspicious.
PACE_FACTOR = 20.0
_PACE_WEIGHT = 0.1
_PACE_TICKS = 10  # so many ticks make a pace


@dataclass(frozen=True)
class Silence:
    """What is silent and for how long, in seconds; no ``symbol`` means the whole connection."""

    symbol: str | None
    silent_s: float


@dataclass(slots=True)
class _Voice:
    last_ns: int
    proven: bool = False
    ticks: int = 0
    pace_ns: float = 0.0


class SilenceWatch:
    """Knows when each symbol was last heard, and says what has been silent for too long.

    A connection is too silent after ``silence_s`` without anything. One symbol of it is so when
    it also exceeds ``PACE_FACTOR`` times its own usual pace (an exponential mean of the time
    between its ticks): a symbol that trades once an hour is not lost after ten seconds. With a
    new connection the paces begin anew, so a symbol that is halted costs one reconnection and
    not one every ``silence_s``.
    """

    def __init__(self, symbols: Iterable[str], silence_s: float, clock: Clock) -> None:
        """Begin without a connection."""
        self._silence_ns = round(silence_s * NS_PER_SECOND)
        self._clock = clock
        now_ns = clock.monotonic_ns()
        self._voices = {symbol: _Voice(now_ns) for symbol in symbols}
        self._heard_ns = now_ns

    def connected(self) -> None:
        """Begin to watch a new connection."""
        self._heard_ns = self._clock.monotonic_ns()
        self.disconnected()

    def disconnected(self) -> None:
        """Take no symbol as proven any more, and forget the paces."""
        for voice in self._voices.values():
            voice.proven, voice.ticks, voice.pace_ns = False, 0, 0.0

    def heard(self, symbol: str | None = None) -> None:
        """Take note of a tick of ``symbol``, or of a message without one."""
        now_ns = self._clock.monotonic_ns()
        self._heard_ns = now_ns
        voice = self._voices.get(symbol) if symbol is not None else None
        if voice is None:
            return
        if voice.ticks:
            between_ns = now_ns - voice.last_ns
            weight = max(_PACE_WEIGHT, 1 / voice.ticks)
            voice.pace_ns += weight * (between_ns - voice.pace_ns)
        voice.last_ns, voice.proven = now_ns, True
        voice.ticks += 1

    def overdue(self) -> Silence | None:
        """Return what has been silent for too long, the connection before any symbol."""
        now_ns = self._clock.monotonic_ns()
        silent_ns = now_ns - self._heard_ns
        if silent_ns > self._silence_ns:
            return Silence(None, silent_ns / NS_PER_SECOND)
        for symbol, voice in self._voices.items():
            silent_ns = now_ns - voice.last_ns
            if voice.ticks >= _PACE_TICKS and silent_ns > max(
                self._silence_ns, PACE_FACTOR * voice.pace_ns
            ):
                return Silence(symbol, silent_ns / NS_PER_SECOND)
        return None

    def proven(self, symbol: str) -> bool:
        """Tell whether ``symbol`` came over the present connection."""
        return self._voices[symbol].proven

    def age_s(self, symbol: str) -> float:
        """Return the seconds since ``symbol`` was last heard, or since the start."""
        return (self._clock.monotonic_ns() - self._voices[symbol].last_ns) / NS_PER_SECOND
