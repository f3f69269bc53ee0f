"""A whole desk on a market that turns every few ticks, timed from tick to decision on record."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.market import Tick
from alchemiser_cli.settings import AuditSettings, Settings, StrategySettings
from alchemiser_cli.trading.audit import AuditEntry, AuditTrail
from alchemiser_cli.trading.desk import Desk, DeskRequest, Folded, MarketClock, open_parts
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import BUILT_IN_KINDS

__all__ = ["MeasuredDesk"]

START_NS = 1_515_423_600 * NS_PER_SECOND  # Monday 2018-01-08, 10:00 in New York
BETWEEN_NS = NS_PER_SECOND // 10
TURN = 5  # ticks up, and as many down
STRATEGY = "measured"
SYMBOL = "SPX"
DEFINITION = f"""\
kind = "momentum"
version = 1
symbols = ["{SYMBOL}"]

[parameters]
lookback = 2
volatility_rows = 2
quantity = 1
"""


class MeasuredDesk:
    """A desk with a momentum rule of its own, which turns its position with the market.

    Ten ticks come a second of the market's time; one in five leads to an approved signal, and the
    next one fills its order.
    """

    def __init__(self, settings: Settings, switch: KillSwitch, clock: Clock) -> None:
        """Prepare; ``clock`` times, ``settings.home`` is a scratch folder."""
        audit = AuditSettings(fsync="never")
        strategies = {STRATEGY: StrategySettings()}
        self._settings = settings.model_copy(update={"audit": audit, "strategies": strategies})
        self._switch = switch
        self._clock = clock
        self._market = MarketClock()
        self._stack = ExitStack()
        self._row = 0

    def __enter__(self) -> Self:
        """Open the desk."""
        folder = self._settings.home / "configs" / "strategies"
        folder.mkdir(parents=True)
        (folder / f"{STRATEGY}.toml").write_text(DEFINITION, encoding="utf-8")
        self._market.advance_to(START_NS)
        with ExitStack() as stack:
            self._runner = stack.enter_context(asyncio.Runner())
            request = DeskRequest(
                "paper", "measure", "unused", names=[STRATEGY], kinds=BUILT_IN_KINDS
            )
            parts, _ = stack.enter_context(
                open_parts(self._settings, request, self._switch, self._market)
            )
            self._trail = stack.enter_context(
                _StampedTrail(self._settings.audit_folder / "measured", self._market, self._clock)
            )
            self._desk = Desk(replace(parts, trail=self._trail))
            self._runner.run(self._desk.open(Folded()))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._stack.close()

    def feed(self, ticks: int) -> tuple[list[int], list[int]]:
        """Feed ticks, and return times in nanoseconds.

        Returns:
            How long it took until the approved decision was on record, for each tick that led to
            one; and how long a whole tick took, for each that led to nothing and filled nothing.
        """
        return self._runner.run(self._feed(ticks))

    async def _feed(self, ticks: int) -> tuple[list[int], list[int]]:
        passed, quiet = [], []
        clock, trail, desk = self._clock, self._trail, self._desk
        for _ in range(ticks):
            tick = _tick(self._row)
            origin = Origin("measure", 0, self._row)
            self._row += 1
            self._market.advance_to(tick.event_time_ns)
            lines = trail.head.sequence
            trail.sync_when_due()  # as the desk's keeper does, between ticks
            begun_ns = clock.monotonic_ns()
            await desk.on_tick(tick, origin)
            if trail.approved_ns > begun_ns:
                passed.append(trail.approved_ns - begun_ns)
            elif trail.head.sequence == lines:
                quiet.append(clock.monotonic_ns() - begun_ns)
        return passed, quiet


class _StampedTrail(AuditTrail):
    """A trail that notes when an approved decision is on record."""

    def __init__(self, folder: Path, market: MarketClock, clock: Clock) -> None:
        super().__init__(
            folder, AuditSettings(fsync="never"), market, run_id="m", broker="paper", rotates=False
        )
        self._machine = clock
        self.approved_ns = 0

    def append(self, entry: AuditEntry) -> str:
        """Write one line."""
        found = super().append(entry)
        if entry.event == "TRADE_APPROVED":
            self.approved_ns = self._machine.monotonic_ns()
        return found


def _tick(row: int) -> Tick:
    turn = row % (2 * TURN)
    price = 2_750.0 + (turn if turn <= TURN else 2 * TURN - turn)
    return Tick(
        symbol=SYMBOL,
        venue="measure",
        kind="trade",
        sequence=row,
        event_time_ns=START_NS + row * BETWEEN_NS,
        price=price,
    )
