"""The desk: one tick goes through strategies, risk and orders, each step on record before it."""

from dataclasses import dataclass

from alchemiser_cli.clock import Clock
from alchemiser_cli.logs import get_logger
from alchemiser_cli.market import Tick
from alchemiser_cli.trading.activity import StageActivity
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.broker import Broker
from alchemiser_cli.trading.chain_quotes import MarketView
from alchemiser_cli.trading.desk.folding import AccountStart, Folded
from alchemiser_cli.trading.desk.orders import OrderDesk
from alchemiser_cli.trading.desk.risk import RiskDesk
from alchemiser_cli.trading.desk.signals import SignalDesk
from alchemiser_cli.trading.desk.tally import Tally
from alchemiser_cli.trading.hours import TradingHours
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.paper import PaperBroker
from alchemiser_cli.trading.reconcile import reconcile
from alchemiser_cli.trading.risk import RiskGate
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import StrategyHost

__all__ = ["Desk", "DeskParts"]

_LOG = get_logger("trading", "desk")


@dataclass(frozen=True)
class DeskParts:
    """What a desk is made of; ``paper`` is the broker where it is the simulated one.

    ``disabled`` says of each strategy that failed while trading why it was disabled.
    """

    run_id: str
    broker: Broker
    paper: PaperBroker | None
    host: StrategyHost
    gate: RiskGate
    book: Book
    trail: AuditTrail
    kill_switch: KillSwitch
    view: MarketView
    hours: TradingHours
    disabled: dict[str, str]
    activity: StageActivity
    clock: Clock


class Desk:
    """One broker's trading in one process."""

    def __init__(self, parts: DeskParts) -> None:
        """Put the stages together; nothing has been restored or traded yet."""
        self.parts = parts
        self.tally = Tally()
        self.signals = SignalDesk(parts.host, parts.trail, parts.activity)
        self.risk = RiskDesk(parts.gate, parts.trail, parts.activity)
        self.orders = OrderDesk(
            parts.broker,
            parts.book,
            parts.trail,
            parts.kill_switch,
            parts.clock,
            self.risk.updated,
        )

    async def open(self, folded: Folded) -> None:
        """Connect, and take up the state that the trail ended with.

        Raises:
            TradingClientError: The broker cannot be reached, or its account is not ours.
            AuditLostError: ``audit-lost``.
        """
        parts = self.parts
        await parts.broker.connect()
        await self._begin(folded)
        for execution in folded.executions:
            parts.book.apply(execution)
        self.signals.restore(folded.signals)
        self.risk.restore(folded)
        self.orders.restore(folded.orders, (one.order_id for one in folded.closed))
        self.orders.abandon(one for one in folded.decisions if one.approved)
        parts.broker.restore(folded.orders, folded.closed, folded.executions)
        if folded.lines:
            lost = await self.orders.find_lost()
            _LOG.info("desk restored", lines=folded.lines, working=len(self.orders.working))
            if lost:
                _LOG.warning("orders never reached the broker", orders=lost)
        if parts.paper is None:
            await self._reconcile()

    async def _begin(self, folded: Folded) -> None:
        """Open the account as its trail says, or a new one with the cash that its broker has."""
        parts = self.parts
        start = folded.account
        if start is None and parts.paper is None:
            start = AccountStart((await parts.broker.account()).cash)
        if start is not None:
            parts.book.begin(start.initial_cash)
        parts.trail.append(
            AuditEntry(
                event="RUN_STARTED",
                event_id=parts.run_id,
                detail=AccountStart(parts.book.initial_cash),
            )
        )

    async def _reconcile(self) -> None:
        """Compare our books with those of a broker that is none of ours, before anything else."""
        parts = self.parts
        await self.collect()
        theirs = await parts.broker.account()
        found = reconcile(theirs, parts.book, (one.order_id for one in self.orders.working))
        parts.trail.append(
            AuditEntry(
                event="RECONCILED",
                event_id=f"r-{parts.run_id}",
                reason="agrees" if found.agrees else "differs",
                detail=found,
            )
        )
        found.require(parts.broker.name)

    def warm(self, tick: Tick) -> None:
        """Show a tick of the past, which nobody trades on."""
        for one in self.parts.view.ticks(tick):
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)
            self.parts.host.warm(one)

    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Let one tick fill orders, then let strategies look at it, and trade what risk approves.

        Raises:
            AuditLostError: ``audit-lost``: the kill switch is set, and nothing more is traded.
        """
        parts, book, at_ns = self.parts, self.parts.book, tick.event_time_ns
        self.tally.ticks += 1
        parts.activity.seen("market_data", at_ns)
        # A day's losses count from what the account was worth before the day's first price.
        self.risk.on_time(at_ns)
        ticks = parts.view.ticks(tick)
        for one in ticks:
            book.mark(one.symbol, one.price, one.event_time_ns)
            if parts.paper is not None:
                parts.paper.on_tick(one, origin)
        await self.collect()
        for one in ticks:
            for signal in self.signals.on_tick(one, origin, book):
                decision, new = self.risk.judge(signal, at_ns)
                if new:
                    self.tally.decided(decision)
                if decision.approved and await self.orders.submit(decision) is not None:
                    parts.activity.seen("orders", at_ns)
                    parts.activity.gave("orders", at_ns)
        self.tally.valued(at_ns, book)

    async def collect(self) -> None:
        """Book what the broker has to tell; also where no tick comes."""
        if await self.orders.collect():
            self.parts.activity.seen("portfolio", self.parts.clock.now_ns())

    async def flatten(self, by: str, origin: Origin) -> int:
        """Cancel what is open, order the end of every position, and let only reductions pass.

        Returns how many positions are being closed.
        """
        parts = self.parts
        parts.trail.append(AuditEntry(event="FLATTEN_REQUESTED", event_id=str(origin), reason=by))
        for order in self.orders.working:
            if order.origin != origin:  # a request that is done again after a crash goes on
                await self.orders.cancel(order.order_id)
        self.risk.change_state("reduce_only", f"flattened by {by}")
        count = 0
        for strategy, symbol in parts.book.held():
            decision = self.risk.flatten(strategy, symbol, origin)
            if decision.approved:  # else an order that could not be cancelled closes it
                count += await self.orders.submit(decision) is not None
        await self.collect()
        return count

    async def close(self) -> None:
        """Put on record what was held, and disconnect; orders stay as they are."""
        parts = self.parts
        self.signals.record_holds()
        parts.trail.append(AuditEntry(event="RUN_ENDED", event_id=f"e-{parts.run_id}"))
        await parts.broker.close()
