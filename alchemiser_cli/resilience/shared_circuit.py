"""The circuit as this process knows it, kept in step with what other processes store."""

import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.resilience.circuit import BreakerState, Circuit

__all__ = ["CircuitStore", "OnChange", "SharedCircuit"]

OnChange = Callable[[Circuit, Circuit], None]
"""Told of every change of state that this process makes or sees: before and after."""

_PAUSE_S = 30.0  # a store that failed is left alone for so long
_TRIES = 20  # each lost race means that another process got on

_log = get_logger("monitoring", "breaker")


class CircuitStore(Protocol):
    """Where processes share circuits; what it raises when it cannot be used is coded."""

    def load(self, name: str) -> Circuit:
        """Return the circuit as stored; one never stored is closed, with version zero."""
        ...

    def swap(self, name: str, before: Circuit, after: Circuit) -> Circuit | None:
        """Store ``after`` with the next version, unless ``before`` is no more stored: then None."""
        ...


class SharedCircuit:
    """The latest known circuit; without a store, or with one that is down, simply ours.

    Safe to share between threads. What changed while the store was down is stored when it is
    back, unless somebody isolated the circuit in the meantime. The log tells once that the
    store is down, and once that it is back.
    """

    __slots__ = (
        "_clock",
        "_lock",
        "_name",
        "_on_change",
        "_refresh_ns",
        "_store",
        "_unsaved",
        "current",
        "due_ns",
        "store_is_down",
    )

    def __init__(
        self,
        name: str,
        clock: Clock,
        store: CircuitStore | None,
        *,
        refresh_s: float,
        on_change: OnChange,
    ) -> None:
        """Start closed; the store is first asked at the first call."""
        self._name = name
        self._clock = clock
        self._store = store
        self._refresh_ns = round(refresh_s * 1e9)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._unsaved = False
        self.store_is_down = False
        self.current = Circuit()
        self.due_ns = 0  # when the store is to be asked next, monotonic

    def refresh(self) -> None:
        """Look at the store, unless another thread does already."""
        if self._store is None or not self._lock.acquire(blocking=False):
            return
        try:
            before = self.current
            self._load()
            after = self.current
        finally:
            self._lock.release()
        self._tell(before, after)

    def apply(self, step: Callable[[Circuit], Circuit]) -> tuple[Circuit, Circuit]:
        """Take ``step`` from the stored circuit, or from ours; return it before and after.

        ``step`` is called again when another process changed the circuit in between.
        """
        with self._lock:
            known = self.current
            before, after = self._stepped(step)
            self.current = after
        self._tell(known, after)
        return before, after

    def _stepped(self, step: Callable[[Circuit], Circuit]) -> tuple[Circuit, Circuit]:
        for _ in range(_TRIES):
            if not self._load():
                break
            before = self.current
            after = step(before)
            if after == before:
                return before, before
            if (stored := self._swap(before, after)) is not None:
                return before, stored
        before = self.current
        after = step(before)
        self._unsaved = self._unsaved or (self._store is not None and after != before)
        return before, after

    def _load(self) -> bool:
        """Make the stored circuit the current one; False when there is no store to ask."""
        now_ns = self._clock.monotonic_ns()
        if self._store is None or (self.store_is_down and now_ns < self.due_ns):
            return False
        try:
            stored = self._store.load(self._name)
        except (AlchemiserError, ValueError) as error:  # ValueError: a state of a later version
            return self._lost(error)
        self.due_ns = now_ns + self._refresh_ns
        if self.store_is_down:
            self.store_is_down = False
            _log.info("breaker_store_is_back", breaker=self._name)
        if self._unsaved:
            ours = msgspec.structs.replace(self.current, version=stored.version)
            if stored.state is not BreakerState.ISOLATED and ours != stored:
                saved = self._swap(stored, ours)
                if saved is None:
                    return False  # lost a race, or the store again: ours stands until next time
                stored = saved
            self._unsaved = False
        self.current = stored
        return True

    def _swap(self, before: Circuit, after: Circuit) -> Circuit | None:
        if self._store is None:
            return None
        try:
            return self._store.swap(self._name, before, after)
        except AlchemiserError as error:
            self._lost(error)
            return None

    def _lost(self, error: Exception) -> bool:
        self.due_ns = self._clock.monotonic_ns() + max(self._refresh_ns, round(_PAUSE_S * 1e9))
        if not self.store_is_down:
            self.store_is_down = True
            code = getattr(error, "code", "")
            _log.warning("breaker_store_is_down", breaker=self._name, code=code, error=str(error))
        return False

    def _tell(self, before: Circuit, after: Circuit) -> None:
        if before.state is after.state:
            return
        to_log = _log.info if after.state is BreakerState.CLOSED else _log.warning
        to_log(
            "breaker_changed",
            breaker=self._name,
            before=before.state.value,
            after=after.state.value,
            reason=after.reason,
        )
        self._on_change(before, after)
