"""The service that runs the strategies: ticks in, signals out."""

from collections.abc import Mapping

from alchemiser_cli.market import Tick
from alchemiser_cli.pipeline.trading.publishing import Publisher
from alchemiser_cli.pipeline.trading.service import Service
from alchemiser_cli.streaming import EventCallback, TopicMap
from alchemiser_cli.trading.desk import DeskParts, Folded
from alchemiser_cli.trading.desk.signals import SignalDesk
from alchemiser_cli.trading.signals import Origin

__all__ = ["StrategyService"]


class StrategyService(Service):
    """Runs the strategies."""

    def __init__(self, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> None:
        """Put the stage together."""
        super().__init__(parts, topics, publisher)
        self._desk = SignalDesk(parts.host, parts.trail, parts.activity)
        self._sent: set[str] = set()

    @property
    def inputs(self) -> Mapping[str, EventCallback]:
        """Fills: strategies look at positions."""
        return {self.topics.fills: self.on_fill}

    async def open(self, folded: Folded) -> None:
        """Take up signals and fills."""
        self._desk.restore(folded.signals)
        self._sent.update(signal.signal_id for signal in folded.signals)
        self.begin(folded)
        await self.send_again(folded)

    def warm(self, tick: Tick) -> None:
        """Show a tick of the past to the strategies."""
        for one in self.parts.view.ticks(tick):
            self.parts.book.mark(one.symbol, one.price, one.event_time_ns)
            self.parts.host.warm(one)

    async def on_tick(self, tick: Tick, origin: Origin) -> None:
        """Let the strategies look, and send what they say."""
        self.parts.activity.seen("market_data", tick.event_time_ns)
        for one in self.marked(tick):
            for signal in self._desk.on_tick(one, origin, self.parts.book):
                if signal.signal_id in self._sent:
                    continue
                self._sent.add(signal.signal_id)
                strategy = signal.strategy_id
                self.tally.by_strategy[strategy] = self.tally.by_strategy.get(strategy, 0) + 1
                await self.publisher.signal(signal)

    async def look(self) -> None:
        """Put holds on record, too."""
        self._desk.record_holds()
        await super().look()

    async def close(self) -> None:
        """Put the last holds on record, too."""
        self._desk.record_holds()
        await super().close()
