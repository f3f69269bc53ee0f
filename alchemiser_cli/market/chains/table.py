"""Option chains as columns: ten listed contracts at each step of the market."""

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTRACTS", "GREEKS", "ChainProvider", "ChainSnapshot", "ChainTable"]

CONTRACTS = 10
GREEKS = ("delta", "gamma", "vega", "theta", "rho")

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChainSnapshot:
    """The chain at one step: what is known when the step's price was observed, nothing later.

    Prices are of one unit of the underlying. Arrays are float64 of shape (10,), ``greeks`` of
    shape (10, 5) in the order of ``GREEKS``, ``is_call`` bool of shape (10,).

    Where ``rolled``, the contracts of the step before expired on the way to this one:
    ``settlement`` is what each of them pays in cash at this step's spot, and all other fields are
    of the contracts listed now. Elsewhere ``settlement`` is zero.
    """

    event_time_ns: int
    spot: float
    high: float
    low: float
    at_the_money_volatility: float  # annualised, 0.2 for 20 %
    time_to_expiry: float  # in years of 365 days
    rolled: bool
    strike: Floats
    is_call: NDArray[np.bool_]
    implied_volatility: Floats
    mid: Floats
    half_spread: Floats
    greeks: Floats
    settlement: Floats


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChainTable:
    """Chains of T steps, the fields of ``ChainSnapshot`` as read-only arrays, a row a step.

    Shapes: (T,) for what a snapshot has one of, (T, 10), and (T, 10, 5) for ``greeks``.
    """

    event_time_ns: NDArray[np.int64]
    spot: Floats
    high: Floats
    low: Floats
    at_the_money_volatility: Floats
    time_to_expiry: Floats
    rolled: NDArray[np.bool_]
    strike: Floats
    is_call: NDArray[np.bool_]
    implied_volatility: Floats
    mid: Floats
    half_spread: Floats
    greeks: Floats
    settlement: Floats

    def __post_init__(self) -> None:
        """Make the arrays read-only: a table is shared between environments."""
        for name in _FIELDS:
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        """Return T."""
        return len(self.spot)

    def at(self, step: int) -> ChainSnapshot:
        """Return the chain at ``step``, from 0."""
        return ChainSnapshot(**{name: _item(getattr(self, name)[step]) for name in _FIELDS})

    def take(self, rows: slice) -> "ChainTable":
        """Return these steps; copies nothing."""
        return ChainTable(**{name: getattr(self, name)[rows] for name in _FIELDS})

    @classmethod
    def of(cls, snapshots: "list[ChainSnapshot]") -> "ChainTable":
        """Return the table of these snapshots, in their order."""
        columns = {name: [getattr(one, name) for one in snapshots] for name in _FIELDS}
        return cls(**{name: np.array(column) for name, column in columns.items()})


class ChainProvider(Protocol):
    """Where an environment gets its chains from."""

    @property
    def endless(self) -> bool:
        """Whether steps beyond ``len`` may still come (a live market)."""
        ...

    def __len__(self) -> int:
        """Return how many steps are known by now."""
        ...

    def latest(self) -> ChainSnapshot:
        """Return the newest step that is known."""
        ...

    def at(self, step: int) -> ChainSnapshot:
        """Return ``step``, from 0; an endless provider waits for the step after its newest one."""
        ...

    def table(self) -> ChainTable:
        """Return every step that is known."""
        ...


_FIELDS = tuple(field.name for field in dataclasses.fields(ChainTable))


def _item(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else value.item()
