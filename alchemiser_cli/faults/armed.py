"""A fault that is in force in this process: when it strikes, how often, and when it ends."""

import threading
import time
from collections.abc import Callable
from random import Random

import msgspec

from alchemiser_cli.faults.fault import Fault

__all__ = ["Armed", "Strikes"]


class Strikes(msgspec.Struct, frozen=True):
    """How often a fault struck in this process; times are UTC nanoseconds of the true clock."""

    count: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Armed:
    """One fault in force, for ``remaining_s`` seconds and never longer; shared by all threads.

    It reads the operating system's clocks itself: it must end also while the clock that
    everything else reads is skewed or stopped.
    """

    __slots__ = (
        "_begin",
        "_end",
        "_lock",
        "_random",
        "_strikes",
        "ended",
        "fault",
        "lease",
        "tell",
    )

    def __init__(
        self,
        fault: Fault,
        remaining_s: float,
        *,
        target: str,
        lease: str = "",
        begins_in_s: float = 0.0,
        tell: Callable[["Armed"], None] | None = None,
    ) -> None:
        """Begin in ``begins_in_s`` seconds; ``tell`` is called before a strike that kills."""
        self.fault = fault
        self.lease = lease
        self.tell = tell
        self.ended = threading.Event()
        self._random = Random(f"{fault.seed}:{target}")  # noqa: S311  repeatable, keeps no secret
        self._lock = threading.Lock()
        self._strikes = Strikes()
        now = time.monotonic()
        self._begin = now + begins_in_s
        self._end = now + remaining_s

    @property
    def strikes(self) -> Strikes:
        """Return how often it struck so far."""
        return self._strikes

    @property
    def remaining_s(self) -> float:
        """Return the seconds until its end; zero or less once it is over."""
        return 0.0 if self.ended.is_set() else self._end - time.monotonic()

    @property
    def is_over(self) -> bool:
        """Tell whether its time is up, or it was ended before."""
        return self.remaining_s <= 0

    def in_force(self) -> bool:
        """Tell whether it may strike now, chance and count left aside."""
        now = time.monotonic()
        if now < self._begin or now >= self._end or self.ended.is_set():
            return False
        fault = self.fault
        if fault.every_s is None:
            return True
        return (now - self._begin) % fault.every_s < (fault.active_s or fault.every_s)

    def draw(self) -> bool:
        """Take one chance: tell whether it strikes, and count it."""
        if not self.in_force():
            return False
        fault = self.fault
        with self._lock:
            if fault.count is not None and self._strikes.count >= fault.count:
                return False
            if fault.probability < 1 and self._random.random() >= fault.probability:
                return False
            self.note()
        return True

    def note(self) -> None:
        """Count a strike that needs no chance, as a condition's that was brought about."""
        now_ns, seen = time.time_ns(), self._strikes
        self._strikes = Strikes(seen.count + 1, seen.first_ns or now_ns, now_ns)

    def spoiled(self, data: bytes) -> bytes:
        """Return ``data`` with one to three of its bits flipped; empty data stays as it is."""
        if not data:
            return data
        spoiled = bytearray(data)
        with self._lock:
            for _ in range(self._random.randint(1, 3)):
                position = self._random.randrange(len(spoiled))
                spoiled[position] ^= 1 << self._random.randrange(8)
        # Two flips of one bit would leave it whole.
        if spoiled == data:
            spoiled[0] ^= 1
        return bytes(spoiled)

    def end(self) -> None:
        """End it now; whoever hangs in it goes on."""
        self.ended.set()
