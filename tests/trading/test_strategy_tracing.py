"""Spans of the host: one for each tick that a strategy is shown, one for making its signals."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from alchemiser_cli.clock import NS_PER_SECOND, ManualClock
from alchemiser_cli.market.ticks import Tick
from alchemiser_cli.settings.trading import TradingSettings
from alchemiser_cli.telemetry.tracing import EMIT_SIGNAL, PROCESS_TICK, STRATEGY_ID
from alchemiser_cli.testing.strategies import ImmediateAccount
from alchemiser_cli.trading.signals import Hold, Intent, Origin
from alchemiser_cli.trading.strategies import StrategyHost


class Answers:
    """A strategy that always answers the same."""

    param_hash, policy_expired, model = "0123456789abcdef", False, None

    def __init__(self, name, answer):
        self.strategy_id = name
        self._answer = answer

    def wants(self, _symbol):
        return True

    def load(self):
        pass

    def features(self, tick):
        return {"price": tick.price}

    def signal(self, _tick, _features, _account):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


BUYS = (Intent(symbol="SPX", target=1, reason="opens long"),)
TICK = Tick(
    symbol="SPX", venue="test", kind="trade", sequence=1, event_time_ns=NS_PER_SECOND, price=100.0
)


class Library:
    """Spans as the library makes them, kept in memory."""

    def __init__(self, *, on):
        self.on = on
        self.asked = 0
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self._tracer = provider.get_tracer("test")

    def process_tick(self, strategy_id):
        return self._span(PROCESS_TICK, strategy_id)

    def emit_signal(self, strategy_id):
        return self._span(EMIT_SIGNAL, strategy_id)

    def close(self):
        pass

    def _span(self, name, strategy_id):
        self.asked += 1
        return self._tracer.start_as_current_span(name, attributes={STRATEGY_ID: strategy_id})

    @property
    def spans(self):
        return [(one.name, one.attributes[STRATEGY_ID]) for one in self._kept.get_finished_spans()]

    @property
    def parents(self):
        spans = self._kept.get_finished_spans()
        names = {one.context.span_id: one.name for one in spans}
        return {one.name: names[one.parent.span_id] for one in spans if one.parent is not None}


@pytest.fixture
def shown():
    def shown(tracing, *strategies):
        host = StrategyHost(
            strategies, TradingSettings(), ManualClock(), broker="paper", tracing=tracing
        )
        return host.on_tick(TICK, Origin("test", 0, 1), ImmediateAccount())

    return shown


def test_each_strategy_has_a_span_for_the_tick_and_for_its_signals(shown):
    tracing = Library(on=True)
    signals = shown(tracing, Answers("buys", BUYS), Answers("waits", Hold("sees no trade")))
    assert [signal.strategy_id for signal in signals] == ["buys"]
    assert sorted(tracing.spans) == [
        (EMIT_SIGNAL, "buys"),
        (PROCESS_TICK, "buys"),
        (PROCESS_TICK, "waits"),
    ]
    assert tracing.parents == {EMIT_SIGNAL: PROCESS_TICK}


def test_a_strategy_that_fails_still_ends_its_span(shown):
    tracing = Library(on=True)
    assert shown(tracing, Answers("fails", ZeroDivisionError("by zero"))) == []
    assert tracing.spans == [(PROCESS_TICK, "fails")]


def test_traced_or_not_the_signals_are_the_same(shown):
    off = Library(on=False)
    assert shown(off, Answers("buys", BUYS)) == shown(Library(on=True), Answers("buys", BUYS))
    assert off.asked == 0
