"""Chains of a live market: prices come in from one thread, steps are waited for in another."""

import threading

from alchemiser_cli.clock import NS_PER_SECOND, Clock, duration_text
from alchemiser_cli.errors import MarketDataStaleError
from alchemiser_cli.market.chains.building import ChainBook
from alchemiser_cli.market.chains.realised import RealisedVolatility
from alchemiser_cli.market.chains.table import ChainSnapshot, ChainTable
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings import OptionsSettings

__all__ = ["LiveChains"]

WAKE_S = 0.05  # how often a waiting thread looks at its clock, which may not be the system's


class LiveChains:
    """A provider whose steps come while it is read; each price that is pushed is one.

    Push prices at the pace at which decisions are wanted: a policy that was trained on daily
    closes wants daily closes. All steps are kept, about 1.5 kB each.
    """

    endless = True

    def __init__(
        self,
        options: OptionsSettings,
        clock: Clock,
        *,
        symbol: str | None = None,
        deadline_s: float = 60.0,
    ) -> None:
        """Begin without a step.

        Args:
            options: Strikes, rates, surface and spread.
            clock: Measures how long a step is waited for.
            symbol: The one symbol whose ticks count; None takes every tick.
            deadline_s: How long ``at`` waits for the next step.
        """
        self._clock = clock
        self._symbol = symbol
        self._deadline_s = deadline_s
        self._book = ChainBook(options)
        self._realised = RealisedVolatility()
        self._steps: list[ChainSnapshot] = []
        self._changed = threading.Condition()

    def push(
        self,
        event_time_ns: int,
        price: float,
        *,
        high: float | None = None,
        low: float | None = None,
        volatility: float | None = None,
    ) -> bool:
        """Add a step from any thread, and wake who waits for it.

        Args:
            event_time_ns: UTC nanoseconds.
            price: Price of the underlying.
            high: Highest price since the last step; the price where left out.
            low: Lowest price since then; the price where left out.
            volatility: Implied, at the money and 30 days; where left out, that of past returns.

        Returns:
            False where the price is older than the newest step: it came too late to be one.
        """
        with self._changed:
            if self._steps and event_time_ns < self._steps[-1].event_time_ns:
                return False
            realised = self._realised.add(event_time_ns, price)
            step = self._book.add(
                event_time_ns,
                price,
                price if high is None else high,
                price if low is None else low,
                realised if volatility is None else volatility,
            )
            self._steps.append(step)
            self._changed.notify_all()
        return True

    def push_tick(self, tick: Tick) -> bool:
        """Add a step from a tick; False where it is of another symbol or too late."""
        if self._symbol is not None and tick.symbol != self._symbol:
            return False
        return self.push(
            tick.event_time_ns,
            tick.price,
            high=tick.high,
            low=tick.low,
            volatility=tick.implied_volatility,
        )

    def __len__(self) -> int:
        """Return how many steps have come."""
        with self._changed:
            return len(self._steps)

    def latest(self) -> ChainSnapshot:
        """Return the newest step, and wait for the first where none has come.

        Raises:
            MarketDataStaleError: ``market-data-stale``: none came within the deadline.
        """
        return self.at(max(len(self) - 1, 0))

    def at(self, step: int) -> ChainSnapshot:
        """Return ``step``, from 0; wait for it where it is the one after the newest.

        Raises:
            MarketDataStaleError: ``market-data-stale``: it did not come within the deadline.
            IndexError: It is negative, or further ahead than the next one.
        """
        with self._changed:
            if not 0 <= step <= len(self._steps):
                raise IndexError(f"there is no step {step}: the next one is {len(self._steps)}")
            deadline_ns = self._clock.monotonic_ns() + round(self._deadline_s * NS_PER_SECOND)
            while step == len(self._steps):
                left_s = (deadline_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
                if left_s <= 0:
                    raise self._stale()
                self._changed.wait(min(left_s, WAKE_S))
            return self._steps[step]

    def table(self) -> ChainTable:
        """Return every step that has come; there must be one."""
        with self._changed:
            steps = list(self._steps)
        if not steps:
            raise IndexError("no step has come yet")
        return ChainTable.of(steps)

    def _stale(self) -> MarketDataStaleError:
        of = "" if self._symbol is None else f" of {self._symbol}"
        waited = duration_text(self._deadline_s)
        return MarketDataStaleError(
            f"no price{of} came within {waited}; {len(self._steps):,} came before",
            why="The feed is silent, not connected, or the market is closed.",
            next_step="Run alchemiser health status, and look whether the feed delivers.",
            context={
                "symbol": self._symbol,
                "waited_s": self._deadline_s,
                "steps": len(self._steps),
                "newest_event_time_ns": self._steps[-1].event_time_ns if self._steps else None,
            },
        )
