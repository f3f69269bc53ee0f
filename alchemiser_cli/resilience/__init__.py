"""Resilience: retries, circuit breakers, guarded calls, and recovery from failures.

What shares breakers through the state database is ``alchemiser_cli.resilience.breaker_store``,
apart, so that who needs no database does not load one.
"""

from alchemiser_cli.resilience.breaker import BreakerMetrics, CircuitBreaker
from alchemiser_cli.resilience.budget import RetryBudget
from alchemiser_cli.resilience.circuit import BreakerPolicy, BreakerState, Circuit
from alchemiser_cli.resilience.guard import Guard
from alchemiser_cli.resilience.recovery import Recovery, RecoveryGuard, RecoveryResult
from alchemiser_cli.resilience.retry import OnRetry, Retry
from alchemiser_cli.resilience.schedule import RetryKind, RetryPolicy
from alchemiser_cli.resilience.shared_circuit import CircuitStore, OnChange
from alchemiser_cli.resilience.strategies import (
    Advice,
    FallBackToSource,
    Outcome,
    Reconciled,
    ReconcileOrder,
    RecoveryStrategy,
    Remedy,
    Source,
    WaitForRateLimit,
)

__all__ = [
    "Advice",
    "BreakerMetrics",
    "BreakerPolicy",
    "BreakerState",
    "Circuit",
    "CircuitBreaker",
    "CircuitStore",
    "FallBackToSource",
    "Guard",
    "OnChange",
    "OnRetry",
    "Outcome",
    "ReconcileOrder",
    "Reconciled",
    "Recovery",
    "RecoveryGuard",
    "RecoveryResult",
    "RecoveryStrategy",
    "Remedy",
    "Retry",
    "RetryBudget",
    "RetryKind",
    "RetryPolicy",
    "Source",
    "WaitForRateLimit",
]
