"""What every service of trading does: book fills, keep its trail, mark what was sent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import EventEnvelope
from alchemiser_cli.pipeline.trading.publishing import Publisher
from alchemiser_cli.streaming import EventCallback, Received, TopicMap
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.control import Request
from alchemiser_cli.trading.desk import DeskParts, Folded
from alchemiser_cli.trading.desk.entries import execution_entry
from alchemiser_cli.trading.desk.folding import AccountStart
from alchemiser_cli.trading.desk.orders import OrderCounts
from alchemiser_cli.trading.desk.tally import Tally
from alchemiser_cli.trading.orders import Execution
from alchemiser_cli.trading.signals import Origin

__all__ = ["Service"]


class Service(ABC):
    """One service; its methods are called one at a time."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put it together; nothing is taken up or sent yet."""
        self.parts = parts
        self.topics = topics
        self.publisher = publisher
        self.clock = parts.clock
        self.tally = Tally()

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, EventCallback]:
        """The topics that it reads beside ticks, and what is done with their events."""

    @abstractmethod
    async def open(self, folded: Folded) -> None:
        """Take up the state that its trail ended with, and send again what may be unsent."""

    @abstractmethod
    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Take in a tick."""

    @property
    def counts(self) -> OrderCounts:
        """What it did with orders; zeros where they are not its business."""
        return OrderCounts()

    def warm(self, tick: Tick) -> None:
        """Take in a tick of the past."""
        for one in self.parts.view.ticks(tick):
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)

    async def ask(self, request: Request) -> str | None:
        """Do what an operator asks; None: it goes on, ask again."""
        return f"{request.kind} is for the service risk"

    async def close(self) -> None:
        """Put the end on record, once everything was sent."""
        self.parts.trail.append(AuditEntry(event="RUN_ENDED", event_id=f"e-{self.parts.run_id}"))

    async def look(self) -> None:
        """Do what is due beside ticks and events."""
        self.parts.kill_switch.refresh()
        self.parts.activity.publish()
        await self.publisher.mark()
        self.parts.trail.sync_when_due()

    def marked(self, tick: Tick) -> list[Tick]:
        """Value the book at a tick; returns it with the quotes of contracts listed on it."""
        self.tally.ticks += 1
        ticks = self.parts.view.ticks(tick)
        for one in ticks:
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)
        return ticks

    def booked(self, execution: Execution) -> bool:
        """Put an execution of the broker's service on record and book it; False if it is known."""
        if self.parts.book.knows(execution.execution_id):
            return False
        self.parts.trail.append(execution_entry(execution))
        self.parts.book.apply(execution)
        return True

    async def on_fill(self, event: EventEnvelope, _received: Received) -> None:
        """Book a fill or a settlement."""
        self.booked(event.content(Execution))

    def begin(self, folded: Folded, initial_cash: float | None = None) -> None:
        """Open the account as the trail says, or a new one, and book what the trail knows."""
        book = self.parts.book
        if folded.account is not None:
            initial_cash = folded.account.initial_cash
        if initial_cash is not None:
            book.begin(initial_cash)
        self.parts.trail.append(
            AuditEntry(
                event="RUN_STARTED",
                event_id=self.parts.run_id,
                detail=AccountStart(book.initial_cash),
            )
        )
        for execution in folded.executions:
            book.apply(execution)

    async def send_again(self, folded: Folded) -> None:
        """Send what is on record and was perhaps never sent."""
        await self.publisher.send_again(folded.unpublished, folded.orders)
        await self.publisher.mark()
