"""A desk that trades all the time: what its trail, its kill switch and its limits are good for."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.wording import times
from alchemiser_cli.chaos.workloads.desk_life import BROKER, OPERATOR, DeskLog, live
from alchemiser_cli.chaos.workloads.exchange import Exchange, write_strategy
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.pipeline.trading.live import open_kill_switch
from alchemiser_cli.trading.audit import read_trail, verify_trail
from alchemiser_cli.trading.audit.record import AuditRecord

__all__ = ["TradingWorkload"]

_START_S = 60.0
_STOP_S = 20.0
_AGAIN_S = 0.5  # between two lives of a desk, as a service manager waits
_ONCE = ("SIGNAL", "ORDER_SUBMITTED", "EXECUTED")


class TradingWorkload:
    """Strategies, risk, orders and the paper broker on a market that goes on, tick by tick.

    A piece of work is a tick that the desk finished. A tick that it could not finish comes again,
    as from a topic whose offset was not committed; a desk that ended is started again. ``offer``
    halts and resumes as an operator does.
    """

    def __init__(
        self, laboratory: Laboratory, *, rate: float = 20.0, halt_limit_s: float = 0.25
    ) -> None:
        """Prepare; ``halt_limit_s`` is how long after a halt its last order may go out."""
        self._laboratory = laboratory
        self._rate = rate
        self._limit_ns = round(halt_limit_s * NS_PER_SECOND)
        self._log = DeskLog()
        self._halts: list[tuple[int, int | None]] = []
        self._exchange: Exchange | None = None
        self._thread: threading.Thread | None = None
        self._given_up = threading.Event()
        self._last: Work | None = None

    def start(self) -> None:
        """Let a desk trade in a thread; return after its first order.

        Raises:
            RuntimeError: where no order goes out.
        """
        write_strategy(self._laboratory.home)
        self._exchange = Exchange(self._rate, TrueClock())
        self._thread = threading.Thread(target=self._run, name="chaos-desk", daemon=True)
        self._thread.start()
        if not self._wait(lambda: bool(self._log.sent), _START_S):
            raise RuntimeError("the desk of the laboratory sent no order")

    def stop(self) -> None:
        """Let the desk finish all ticks that there are, and end it."""
        if self._exchange is not None:
            self._exchange.close()
        self._log.ended = True
        if self._thread is not None:
            self._thread.join(_STOP_S)
        self._given_up.set()
        self._last = self._account(ended=True)

    def offer(self, do: str) -> None:
        """Do what an operator does: ``halt`` or ``resume``.

        Raises:
            ValueError: for anything else.
        """
        if do not in ("halt", "resume"):
            raise ValueError(f"an operator cannot {do!r} here")
        clock = self._laboratory.clock
        with closing(open_kill_switch(self._laboratory.settings, clock, quiet=True)) as kill_switch:
            if do == "halt":
                kill_switch.set("a drill of the laboratory", OPERATOR)
                self._halts.append((clock.monotonic_ns(), None))
                return
            if self._halts:
                self._halts[-1] = (self._halts[-1][0], clock.monotonic_ns())
            kill_switch.clear("the drill is over", OPERATOR)

    def work(self) -> Work:
        """Return how many ticks there were, and how many were finished."""
        return self._last or self._account(ended=False)

    def steady(self) -> Steadiness:
        """Tell whether orders go out, and no tick waits for long."""
        waiting = 0 if self._exchange is None else self._exchange.due - self._log.row
        sent = self._log.sent
        if not sent:
            return Steadiness(steady=False, detail="no order went out yet")
        quiet_s = (self._laboratory.clock.monotonic_ns() - sent[-1].at_ns) / NS_PER_SECOND
        usual_s = 5 / self._rate  # the market turns each five ticks
        steady = waiting <= self._rate and quiet_s <= max(1.0, 4 * usual_s)
        return Steadiness(
            steady, f"the last order went out {quiet_s:.1f} s ago; {waiting} ticks wait"
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell of the trail, the kill switch, the freshness limit, and the ids of orders."""
        return {
            "fail-closed trail": self._fail_closed(),
            "kill switch": self._kill_switch(),
            "freshness limit": self._freshness(),
            "idempotent order ids": self._ids(),
        }

    def _fail_closed(self) -> Defence:
        """Every order that went out is on record, in a trail that is whole, and a loss halts."""
        recorded = {one.event_id for one in self._records() if one.event == "ORDER_SUBMITTED"}
        unrecorded = sum(one.order_id not in recorded for one in list(self._log.sent))
        whole = verify_trail(self._trail).kind in (None, "torn_tail")
        return Defence(
            self._log.audit_halts > 0 and not unrecorded and whole,
            f"halted {times(self._log.audit_halts)}; orders without a line: {unrecorded}; "
            f"the trail is {'whole' if whole else 'damaged'}",
        )

    def _kill_switch(self) -> Defence:
        """While it was set, no order went out but those that were under way already."""
        now_ns = self._laboratory.clock.monotonic_ns()
        late, worst_ns = 0, 0
        for halted_ns, resumed_ns in list(self._halts):
            until_ns = now_ns if resumed_ns is None else resumed_ns
            for one in list(self._log.sent):
                if halted_ns < one.at_ns < until_ns:
                    worst_ns = max(worst_ns, one.at_ns - halted_ns)
                    late += one.at_ns - halted_ns > self._limit_ns
        refused = self._log.refusals("kill_switch_active")
        return Defence(
            bool(self._halts) and refused > 0 and not late,
            f"halted {times(len(self._halts))}; last order {worst_ns / 1e6:.0f} ms after it; "
            f"too late: {late}; signals refused: {refused}",
        )

    def _freshness(self) -> Defence:
        refused = self._log.refusals("stale_market_data")
        wrong = sum(not one.clock_right for one in list(self._log.sent))
        return Defence(
            refused > 0 and not wrong,
            f"signals refused as stale: {refused}; orders under a wrong clock: {wrong}",
        )

    def _ids(self) -> Defence:
        twice = self._twice()
        return Defence(
            twice == 0 and self._log.lives > 0,
            f"lives of the desk: {self._log.lives}; things done twice: {twice}",
        )

    def _account(self, *, ended: bool) -> Work:
        offered = 0 if self._exchange is None else self._exchange.due
        done = self._log.row
        if not ended:
            return Work(offered=offered, done=done)
        return Work(offered=offered, done=done, twice=self._twice(), lost=max(0, offered - done))

    def _twice(self) -> int:
        """Count lines that may stand once, and orders that may go out once."""
        lines = Counter((one.event, one.event_id) for one in self._records() if one.event in _ONCE)
        sent = Counter(one.order_id for one in list(self._log.sent))
        return sum(lines.values()) - len(lines) + sum(sent.values()) - len(sent)

    @property
    def _trail(self) -> Path:
        return self._laboratory.settings.audit_folder / BROKER

    def _records(self) -> list[AuditRecord]:
        return list(read_trail(self._trail)) if self._trail.is_dir() else []

    def _run(self) -> None:
        """Live again and again, as a service manager starts a desk that ended."""
        laboratory, exchange = self._laboratory, self._exchange
        if exchange is None:
            return
        while not self._given_up.is_set():
            try:
                asyncio.run(live(laboratory, exchange, self._log))
            except Exception as error:  # noqa: BLE001  as what ends a command is journalled
                laboratory.journal.capture(error)
            else:
                return
            if self._log.ended and self._log.row >= exchange.due:
                return
            laboratory.clock.sleep(_AGAIN_S)

    def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        clock = self._laboratory.clock
        until_ns = clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
        while not holds():
            if clock.monotonic_ns() > until_ns:
                return False
            clock.sleep(0.01)
        return True
