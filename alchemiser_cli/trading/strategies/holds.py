"""What strategies hold and why, told once and then only now and again."""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.trading.signals import Origin

__all__ = ["Held", "HoldLog"]

MOST_KEPT = 65_536


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy wants nothing changed of a symbol; times are UTC nanoseconds.

    ``origin`` is the message that it looked at when this was noted. ``ticks`` is how many it held
    with the same reason since ``since_ns``, the first of them.
    """

    strategy_id: str
    param_hash: str
    broker: str
    symbol: str
    reason: str
    origin: Origin
    at_ns: int
    since_ns: int
    ticks: int


class _Stretch:
    """A hold that goes on: what is known of it, and when it was told last."""

    __slots__ = ("origin", "reason", "since_ns", "ticks", "told_ns")

    def __init__(self, reason: str, origin: Origin, at_ns: int) -> None:
        self.reason = reason
        self.origin = origin
        self.since_ns = self.told_ns = at_ns
        self.ticks = 0


class HoldLog:
    """Holds by strategy and symbol; one that lasts is due again after ``repeat_s``."""

    def __init__(self, broker: str, repeat_s: float) -> None:
        """Begin with none."""
        self._broker = broker
        self._repeat_ns = round(repeat_s * NS_PER_SECOND)
        self._stretches: OrderedDict[tuple[str, str], _Stretch] = OrderedDict()
        self._hashes: dict[str, str] = {}
        self._due: list[Held] = []

    def note(
        self, strategy: str, param_hash: str, symbol: str, reason: str, origin: Origin, at_ns: int
    ) -> None:
        """Take in one hold; it is due where its reason is new or was told too long ago."""
        stretches, key = self._stretches, (strategy, symbol)
        stretch = stretches.get(key)
        if stretch is not None and stretch.reason == reason:
            stretch.ticks += 1
            stretch.origin = origin
            if at_ns - stretch.told_ns < self._repeat_ns:
                return
            stretch.told_ns = at_ns
        else:
            if stretch is None and len(stretches) >= MOST_KEPT:
                stretches.popitem(last=False)
            self._hashes[strategy] = param_hash
            stretch = stretches[key] = _Stretch(reason, origin, at_ns)
            stretch.ticks = 1
        self._due.append(self._told(key, stretch, at_ns))

    def acted(self, strategy: str, symbol: str) -> None:
        """End the hold of a symbol: the next one is due, whatever its reason."""
        self._stretches.pop((strategy, symbol), None)

    def take_due(self) -> list[Held]:
        """Return the holds that are due since the last call, oldest first."""
        due, self._due = self._due, []
        return due

    def now(self) -> Mapping[tuple[str, str], Held]:
        """Return what is held now, by strategy and symbol; ``at_ns`` is when it was told last."""
        return {
            key: self._told(key, stretch, stretch.told_ns)
            for key, stretch in self._stretches.items()
        }

    def _told(self, key: tuple[str, str], stretch: _Stretch, at_ns: int) -> Held:
        strategy, symbol = key
        return Held(
            strategy_id=strategy,
            param_hash=self._hashes[strategy],
            broker=self._broker,
            symbol=symbol,
            reason=stretch.reason,
            origin=stretch.origin,
            at_ns=at_ns,
            since_ns=stretch.since_ns,
            ticks=stretch.ticks,
        )
