"""Ticks of a known schema beside newcomers of unknown ones, with a registry that may be away."""

import asyncio
import json
import threading
from collections.abc import Mapping

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.wording import times
from alchemiser_cli.chaos.workloads.pieces import PieceAccount
from alchemiser_cli.chaos.workloads.tick_sink import TickSink
from alchemiser_cli.chaos.workloads.tick_source import PIECE, TickSource
from alchemiser_cli.chaos.workloads.workload import Defence, Steadiness, Work
from alchemiser_cli.clock import NS_PER_SECOND, TrueClock
from alchemiser_cli.errors import AlchemiserError
from alchemiser_cli.market.ticks import Tick, tick_schema
from alchemiser_cli.streaming import (
    AcknowledgedProducer,
    Cluster,
    ConsumerSnapshot,
    Outgoing,
    TickEncoder,
    value_subject,
)
from alchemiser_cli.streaming.registry_memory import MemoryRegistry
from alchemiser_cli.streaming.registry_retrying import RetryingRegistry

__all__ = ["SchemasWorkload"]

_PARTITIONS = 2
_START_S = 60.0
_DRAIN_S = 20.0
_LOOK_S = 0.02
_NEWCOMERS = "market.newcomers"
_NEW_SCHEMAS = 200
_ID = slice(1, 5)  # where Confluent's wire format keeps the schema's id


class SchemasWorkload:
    """Two topics and a consumer each: one whose schema is known, and one with ever new schemas.

    The consumers ask one registry, with the product's retries and circuit breaker around it. All
    schemas are registered before the start. A piece of work is a message.
    """

    def __init__(
        self, laboratory: Laboratory, *, rate: float = 50.0, newcomers_every_s: float = 0.5
    ) -> None:
        """Prepare for ``rate`` known messages a second, and a new schema now and then."""
        self._laboratory = laboratory
        self._rate = rate
        self._newcomers_every_s = newcomers_every_s
        self._clock = TrueClock()
        self._known, self._new = PieceAccount(), PieceAccount()
        self._registry = MemoryRegistry()
        self._asked = RetryingRegistry(
            self._registry,
            laboratory.clock,
            deadline_s=laboratory.settings.registry.timeout_s,
        )
        self._sinks: list[TickSink] = []
        self._source: TickSource | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._bring, name="chaos-newcomers", daemon=True)
        self._encoder: TickEncoder | None = None
        self._ids: list[int] = []
        self._paused = 0

    def start(self) -> None:
        """Begin; return when messages of both topics are consumed.

        Raises:
            RuntimeError: where none are.
        """
        laboratory = self._laboratory
        settings, kafka = laboratory.settings, laboratory.kafka
        topic = settings.topics.ticks
        cluster = Cluster(kafka.bootstrap, "own", kafka)
        encoder = self._encoder = TickEncoder(self._registry, value_subject(topic))
        self._ids = [self._schema(number) for number in range(_NEW_SCHEMAS)]
        for name, account in ((topic, self._known), (_NEWCOMERS, self._new)):
            kafka.create_topic(name, _PARTITIONS)
            sink = TickSink(
                laboratory,
                cluster,
                name,
                self._asked,
                account,
                remembers=True,
                on_change=self._changed,
            )
            self._sinks.append(sink)
            sink.start()
        self._source = TickSource(
            settings.kafka,
            kafka.bootstrap,
            topic,
            encoder,
            self._clock,
            self._known,
            laboratory.journal.capture,
            rate=self._rate,
            garbage=0,
        )
        self._source.start()
        self._thread.start()
        until_ns = self._clock.monotonic_ns() + round(_START_S * NS_PER_SECOND)
        while not (self._known.work().done and self._new.work().done):
            if self._clock.monotonic_ns() > until_ns:
                raise RuntimeError(f"not both topics were consumed within {_START_S:g} s")
            self._clock.sleep(_LOOK_S)

    def stop(self) -> None:
        """End the producers, let the consumers work off what is left, and end them."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._source is not None:
            self._source.stop()
        until_ns = self._clock.monotonic_ns() + round(_DRAIN_S * NS_PER_SECOND)
        while (self._known.open or self._new.open) and self._clock.monotonic_ns() < until_ns:
            self._clock.sleep(_LOOK_S)
        for sink in self._sinks:
            sink.stop()
        self._known.close()
        self._new.close()

    def work(self) -> Work:
        """Return the account of the known messages and the newcomers together."""
        known, new = self._known.work(), self._new.work()
        return Work(
            offered=known.offered + new.offered,
            done=known.done + new.done,
            twice=known.twice + new.twice,
            set_aside=known.set_aside + new.set_aside,
            lost=known.lost + new.lost,
        )

    def steady(self) -> Steadiness:
        """Tell whether both consumers keep pace."""
        known, new = self._known.open, self._new.open
        return Steadiness(
            known <= self._rate and new <= 1 / self._newcomers_every_s + 1,
            f"{known} known messages and {new} newcomers wait",
        )

    def defences(self) -> Mapping[str, Defence]:
        """Tell what the cache, the retries, the breaker and the pause did."""
        outages = [error for sink in self._sinks for error in sink.outages]
        known = self._sinks[0].outages if self._sinks else []
        breaker = self._asked.breaker()
        asked = [int(str(error.context.get("attempts", 0))) for error in outages]
        return {
            "schema cache": Defence(
                not known and self._known.work().done > 0,
                f"{self._known.work().done} known messages done, {len(known)} outages among them",
            ),
            "retry": Defence(
                any(asked), f"asked {times(max(asked, default=0))} before an outage was told"
            ),
            "circuit breaker": Defence(
                breaker.opened_count > 0,
                f"opened {times(breaker.opened_count)} and is {breaker.state} now",
            ),
            "pause": Defence(self._paused > 0, f"paused in {self._paused} looks"),
        }

    def _changed(self, now: ConsumerSnapshot) -> None:
        self._paused += now.waiting_for == "the schema registry"

    def _bring(self) -> None:
        try:
            asyncio.run(self._bring_all())
        except AlchemiserError as error:
            self._laboratory.journal.capture(error)

    async def _bring_all(self) -> None:
        bootstrap = self._laboratory.kafka.bootstrap
        with AcknowledgedProducer(self._laboratory.settings.kafka, bootstrap) as producer:
            number = 0
            while not self._stop.wait(self._newcomers_every_s):
                number += 1
                self._new.offered(number)
                await producer.send(self._newcomer(number))

    def _schema(self, number: int) -> int:
        """Register the tick's schema with one field more, which takes no bytes."""
        schema = json.loads(tick_schema())
        extra = {"name": f"newcomer_{number}", "type": "null", "default": None}
        schema["fields"] = [*schema["fields"], extra]
        return self._registry.register(f"{_NEWCOMERS}-{number}", json.dumps(schema))

    def _newcomer(self, number: int) -> Outgoing:
        """Return a tick under the schema of its number; after the last one they come again."""
        tick = Tick(
            symbol="SPY",
            venue="XNYS",
            kind="trade",
            sequence=number,
            event_time_ns=self._clock.now_ns(),
            price=100.0,
            size=1.0,
        )
        if self._encoder is None:
            raise RuntimeError("the workload was not started")
        value = bytearray(self._encoder.encode(tick))
        value[_ID] = self._ids[number % len(self._ids)].to_bytes(4, "big")
        return Outgoing(_NEWCOMERS, b"SPY", bytes(value), [(PIECE, str(number).encode())])
