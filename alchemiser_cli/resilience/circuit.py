"""The states of a circuit, and every step from one to the next as a pure function.

Times are UTC nanoseconds, because processes of several hosts share them. A wall clock that was
set back past the last change ends a wait: one probe too early costs one call, a circuit that
stays open costs trading.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

__all__ = [
    "BreakerPolicy",
    "BreakerState",
    "Circuit",
    "admitted",
    "closed",
    "isolated",
    "opened",
    "refusal_s",
    "released",
]


class BreakerState(StrEnum):
    """Closed lets calls through, open refuses them, half-open probes, isolated is by hand."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    ISOLATED = "isolated"


@dataclass(frozen=True)
class BreakerPolicy:
    """When a circuit opens and how it closes again; a condition that is None is not looked at.

    Of the last ``window`` calls, or of the calls in the last ``window_s`` seconds, and not before
    ``minimum_calls`` of them: the share of failed ones reaches ``failure_rate``, or the share of
    those that took ``slow_call_s`` or longer reaches ``slow_rate``; or
    ``consecutive_failures`` calls in a row fail, whatever the minimum.

    After ``open_s``, at most ``probes`` calls at once are let through to try; ``close_after``
    successes of one process close the circuit, one failure opens it again, and so does a probe
    that has not returned ``probe_wait_s`` after the newest began.

    Errors of ours count when they are recoverable or may be retried; ``foreign`` exceptions when
    listed. What does not count is neither success nor failure. A shared state is looked up at
    most every ``refresh_s``.
    """

    failure_rate: float | None = 0.5
    slow_call_s: float | None = None
    slow_rate: float = 0.5
    consecutive_failures: int | None = None
    window: int = 100
    window_s: float | None = None
    minimum_calls: int = 10
    open_s: float = 30.0
    probes: int = 1
    close_after: int = 1
    probe_wait_s: float = 30.0
    refresh_s: float = 1.0
    foreign: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        """Refuse numbers that make no breaker."""
        if min(self.window, self.minimum_calls, self.probes, self.close_after) < 1:
            raise ValueError("window, minimum_calls, probes and close_after are at least one")
        if min(self.open_s, self.probe_wait_s, self.refresh_s) < 0:
            raise ValueError("open_s, probe_wait_s and refresh_s are not negative")
        if not 0 < (self.failure_rate or 1.0) <= 1 or not 0 < self.slow_rate <= 1:
            raise ValueError("rates are above zero and at most one")


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """One circuit as processes share it.

    ``open_until_ns`` is when an open circuit may be probed, and when a half-open one gives its
    probes up. ``open_total_ns`` is how long calls were refused, up to the last change.
    ``version`` grows with every change in the database.
    """

    state: BreakerState = BreakerState.CLOSED
    changed_at_ns: int = 0
    open_until_ns: int = 0
    opened_count: int = 0
    open_total_ns: int = 0
    probes: int = 0
    reason: str = ""
    version: int = 0

    def open_ns(self, now_ns: int) -> int:
        """Return how long calls were refused up to now, in nanoseconds."""
        if self.state not in (BreakerState.OPEN, BreakerState.ISOLATED):
            return self.open_total_ns
        return self.open_total_ns + max(0, now_ns - self.changed_at_ns)


def opened(circuit: Circuit, now_ns: int, policy: BreakerPolicy, reason: str) -> Circuit:
    """Open a closed or half-open circuit; one that is open or isolated stays as it is."""
    if circuit.state in (BreakerState.OPEN, BreakerState.ISOLATED):
        return circuit
    return _moved(
        circuit,
        BreakerState.OPEN,
        now_ns,
        reason,
        open_until_ns=now_ns + _ns(policy.open_s),
        opened_count=circuit.opened_count + 1,
    )


def admitted(circuit: Circuit, now_ns: int, policy: BreakerPolicy) -> Circuit:
    """Count one probe in, or give up the probes that never returned; else change nothing."""
    over = _is_over(circuit, now_ns)
    if circuit.state is BreakerState.OPEN and over:
        wait_ns = now_ns + _ns(policy.probe_wait_s)
        return _moved(
            circuit,
            BreakerState.HALF_OPEN,
            now_ns,
            circuit.reason,
            open_until_ns=wait_ns,
            probes=1,
        )
    if circuit.state is BreakerState.HALF_OPEN:
        if circuit.probes and over:
            return opened(circuit, now_ns, policy, "a probe did not return in time")
        if circuit.probes < policy.probes:
            return msgspec.structs.replace(
                circuit,
                probes=circuit.probes + 1,
                open_until_ns=now_ns + _ns(policy.probe_wait_s),
            )
    return circuit


def released(circuit: Circuit, period: int) -> Circuit:
    """Count one probe of the half-open period number ``period`` out."""
    if not is_probing(circuit, period) or not circuit.probes:
        return circuit
    return msgspec.structs.replace(circuit, probes=circuit.probes - 1)


def closed(circuit: Circuit, now_ns: int) -> Circuit:
    """Close the circuit from any state."""
    if circuit.state is BreakerState.CLOSED:
        return circuit
    return _moved(circuit, BreakerState.CLOSED, now_ns, "")


def isolated(circuit: Circuit, now_ns: int, reason: str) -> Circuit:
    """Refuse every call until ``closed``, from any state."""
    return _moved(circuit, BreakerState.ISOLATED, now_ns, reason)


def is_probing(circuit: Circuit, period: int) -> bool:
    """Tell whether the half-open period after opening number ``period`` goes on."""
    return circuit.state is BreakerState.HALF_OPEN and circuit.opened_count == period


def refusal_s(circuit: Circuit, now_ns: int, policy: BreakerPolicy) -> float | None:
    """Return the seconds for which a call is refused; zero when it may go, None: by hand only."""
    if circuit.state is BreakerState.ISOLATED:
        return None
    full = circuit.state is BreakerState.HALF_OPEN and circuit.probes >= policy.probes
    if (circuit.state is BreakerState.OPEN or full) and not _is_over(circuit, now_ns):
        return (circuit.open_until_ns - now_ns) / 1e9
    return 0.0


def _is_over(circuit: Circuit, now_ns: int) -> bool:
    return now_ns >= circuit.open_until_ns or now_ns < circuit.changed_at_ns


def _moved(
    circuit: Circuit,
    state: BreakerState,
    now_ns: int,
    reason: str,
    *,
    open_until_ns: int = 0,
    probes: int = 0,
    opened_count: int | None = None,
) -> Circuit:
    return Circuit(
        state=state,
        changed_at_ns=now_ns,
        open_until_ns=open_until_ns,
        opened_count=circuit.opened_count if opened_count is None else opened_count,
        open_total_ns=circuit.open_ns(now_ns),
        probes=probes,
        reason=reason,
        version=circuit.version,
    )


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
