"""Services between topics: each thing counts once, whatever comes twice, late or broken."""

import asyncio
import resource
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager, closing, contextmanager

import pytest
from confluent_kafka import Consumer as Client
from confluent_kafka import TopicPartition

from alchemiser_cli.clock import NS_PER_SECOND, SystemClock
from alchemiser_cli.errors import (
    AuditLostError,
    DeliveryFailedError,
    TradingNotRunningError,
    TradingRunningError,
)
from alchemiser_cli.market import Tick
from alchemiser_cli.market.envelope import event
from alchemiser_cli.pipeline.streams import ConsumeLimits
from alchemiser_cli.pipeline.trading.live import LiveRun
from alchemiser_cli.pipeline.trading.publishing import OrderChanged, Publisher
from alchemiser_cli.pipeline.trading.running import run_service
from alchemiser_cli.pipeline.trading.services import make_service
from alchemiser_cli.pipeline.trading.serving import Serving
from alchemiser_cli.render.trade_status import status_view
from alchemiser_cli.settings import Settings
from alchemiser_cli.streaming import (
    EventProducer,
    StopConsuming,
    TickEncoder,
    TickProducer,
    TopicMap,
    open_cluster,
    open_registry,
    value_subject,
)
from alchemiser_cli.streaming.envelopes import EnvelopeDecoder
from alchemiser_cli.testing.kafka import embedded_kafka
from alchemiser_cli.trading.audit import read_trail, verify_trail
from alchemiser_cli.trading.audit.record import AuditEntry
from alchemiser_cli.trading.control import (
    DeskControl,
    Request,
    ask,
    desk_status,
    service_statuses,
    who_decides,
)
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk import DeskRequest, fold_trail, open_parts
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.orders import Execution, OrderUpdate, order_of
from alchemiser_cli.trading.signals import Origin, Signal, signal_id
from alchemiser_cli.trading.strategies import LoadedStrategies

TICKS, TOPICS, PARTITIONS = "market.ticks", TopicMap("paper"), 2
SERVICES = ("strategy", "risk", "broker")
DEFINITION = """kind = "breakout"
version = 1
symbols = ["ALFA", "BETA"]
[parameters]
entry_rows = 3
exit_rows = 2
quantity = 10
"""


class Floor:
    """A home, a cluster, and services that are opened in this process one after the other."""

    def __init__(self, home, kafka, shm):
        self.clock = SystemClock()
        self.settings = Settings(
            home=home,
            kafka={"mode": "external", "bootstrap": kafka.bootstrap, "request_timeout_s": 2.0},
            consumer={"commit_interval_s": 0.1},
            paper={"market_hours": False, "latency_s": 0.0, "slippage": 0.0, "spread": 0.0},
            audit={"min_free_megabytes": 0},
            shm={"directory": shm},
        )
        self.bootstrap = kafka.bootstrap
        self.sequence = 0
        folder = home / "configs" / "strategies"
        folder.mkdir(parents=True)
        (folder / "eager.toml").write_text(DEFINITION)

    @property
    def registry(self):
        return open_registry(self.settings.registry, self.settings.registry_url, self.clock)

    def trail(self, name):
        return self.settings.audit_folder / f"paper.{name}"

    def records(self, name, *events):
        return [one for one in read_trail(self.trail(name)) if one.event in events]

    def told(self, name):
        """Return what a service says of itself, None before it began."""
        return desk_status(self.settings.run_folder, f"paper.{name}")[0]

    def held(self, name):
        """Return the symbols that a service holds by its trail."""
        held = Counter()
        for one in self.records(name, "EXECUTED"):
            held[one.symbol] += one.quantity
        return [symbol for symbol, quantity in held.items() if quantity]

    def switch(self):
        directory, file = self.settings.shm.directory, self.settings.kill_switch_file
        return closing(KillSwitch(directory, file, self.clock))

    @asynccontextmanager
    async def service(self, name):
        """Yield a service that goes on where its trail ended; what it sent is not marked so."""
        request = DeskRequest(
            broker="paper", run_id="r", trail=f"paper.{name}", names=(), service=name
        )
        folded = fold_trail(self.trail(name), publishes=True)
        kafka = self.settings.kafka
        with (
            self.switch() as switch,
            open_parts(self.settings, request, switch, self.clock) as (parts, _loaded),
            EventProducer(kafka, self.bootstrap, TOPICS, self.registry) as producer,
        ):
            publisher = Publisher(producer, parts.trail, self.clock, name)
            service = make_service(name, parts, TOPICS, publisher)
            await service.open(folded)
            yield service

    async def give(self, service, topic, payload, kind="told"):
        made = event(kind, payload, broker="paper", source="tests", clock=self.clock)
        await service.inputs[topic](made, None)

    async def tick(self, service, price=100.0, symbol="ALFA"):
        self.sequence += 1
        tick = tick_of(symbol, self.sequence, self.clock.now_ns(), price)
        await service.on_tick(tick, Origin(TICKS, 0, self.sequence))

    def sent(self, topic):
        """Return every event of a topic."""
        reader, decoder = client(self.bootstrap), EnvelopeDecoder(self.registry)
        return [decoder.decode(message.value()) for message in reader(topic)]

    def run(self, name, **more):
        """Run a service as the command does, until a limit."""
        limits = ConsumeLimits("committed", None, more.pop("until_idle_s", 1.0))
        run = LiveRun("r", TICKS, limits, names=["eager"], **more)
        settings = self.settings
        with open_cluster(settings.kafka, settings.topics, settings.run_folder) as cluster:
            return run_service(settings, cluster, name, run, self.clock)

    @contextmanager
    def running(self, *names, until_idle_s=None):
        """Run services in threads; yields what each returned or raised, once the block ended."""
        ended, outcomes = threading.Event(), {}

        def work(name):
            try:
                outcomes[name] = self.run(name, stop=ended.is_set, until_idle_s=until_idle_s)
            except Exception as error:  # noqa: BLE001  the test looks at it
                outcomes[name] = error

        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        try:
            yield outcomes
        finally:
            if until_idle_s is None:
                ended.set()
            for thread in threads:
                thread.join(30)

    def feed(self, prices, symbols=("ALFA", "BETA")):
        encoder = TickEncoder(self.registry, value_subject(TICKS))
        kafka = self.settings.kafka
        with TickProducer(kafka, self.bootstrap, TICKS, encoder, self.clock) as producer:
            for price in prices:
                self.sequence += 1
                for symbol in symbols:
                    producer.send(tick_of(symbol, self.sequence, self.clock.now_ns(), price))
                producer.flush(5)


def tick_of(symbol, sequence, at_ns, price):
    return Tick(
        symbol=symbol, venue="test", kind="trade", sequence=sequence, event_time_ns=at_ns,
        price=price,
    )  # fmt: skip


def client(bootstrap):
    """Return a function that reads a topic from its beginning to its present end."""

    def read(topic):
        reader = Client({"bootstrap.servers": bootstrap, "group.id": "reader"})
        places = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
        wanted = sum(reader.get_watermark_offsets(one, timeout=5)[1] for one in places)
        reader.assign(places)
        found, deadline = [], time.monotonic() + 10
        while len(found) < wanted and time.monotonic() < deadline:
            message = reader.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message)
        reader.close()
        assert len(found) == wanted
        return found

    return read


def wanted(number, target, at_ns, symbol="ALFA"):
    origin = Origin(TICKS, 0, number)
    return Signal(
        signal_id=signal_id("eager", "0" * 16, symbol, origin),
        strategy_id="eager",
        param_hash="0" * 16,
        broker="paper",
        symbol=symbol,
        target=target,
        reason="as the test says",
        reference_price=100.0,
        tick_time_ns=at_ns,
        decided_at_ns=at_ns,
        origin=origin,
    )


def approved(signal, quantity):
    return Decision(
        decision_id=f"d-{signal.signal_id}",
        signal=signal,
        approved=True,
        reason="approved",
        side="buy",
        quantity=quantity,
        limits=(),
        decided_at_ns=signal.tick_time_ns,
    )


def filled(signal, change, number=1):
    return Execution(
        execution_id=f"e-{signal.signal_id}-{number}",
        kind="fill",
        order_id=f"o-{signal.signal_id}",
        strategy_id="eager",
        broker="paper",
        symbol=signal.symbol,
        change=change,
        price=100.0,
        commission=0.0,
        at_ns=signal.tick_time_ns,
    )


def ended(signal, quantity, filled, state="expired"):
    order = order_of(approved(signal, quantity), signal.tick_time_ns)
    update = OrderUpdate(
        order_id=order.order_id, state=state, filled=filled, at_ns=signal.tick_time_ns
    )
    return OrderChanged(order, update)


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)  # allow no-bare-sleep: polls with the deadline above


@pytest.fixture
def floor(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with embedded_kafka("unused") as kafka:
        for topic in (TICKS, *TOPICS.names):
            for name in (topic, f"{topic}.dlq", f"{topic}.quarantine"):
                kafka.create_topic(name, PARTITIONS)
        yield Floor(home, kafka, tmp_path)


@pytest.fixture
def signal(floor):
    """The signal number N that wants a target, of a tick of now or a while ago."""

    def signal(number, target, *, age_s=0.0, symbol="ALFA"):
        return wanted(number, target, floor.clock.now_ns() - round(age_s * NS_PER_SECOND), symbol)

    return signal


# --- each thing once


async def test_a_signal_that_comes_twice_gets_one_decision_also_after_a_restart(floor, signal):
    one = signal(1, 10)
    for _ in range(2):
        async with floor.service("risk") as risk:
            await floor.tick(risk)
            await floor.give(risk, TOPICS.signals_raw, one)
            await floor.give(risk, TOPICS.signals_raw, one)
            await risk.publisher.mark()
    (decision,) = floor.records("risk", "TRADE_APPROVED", "TRADE_REJECTED")
    assert (decision.event, decision.causation, decision.quantity) == (
        "TRADE_APPROVED", one.signal_id, 10,
    )  # fmt: skip
    assert len(floor.sent(TOPICS.signals_validated)) == len(floor.sent(TOPICS.risk_decisions)) == 1


async def test_an_approved_decision_that_comes_twice_is_traded_once_also_after_a_restart(
    floor, signal
):
    decision = approved(signal(1, 10), 10)
    for _ in range(2):
        async with floor.service("broker") as broker:
            await floor.give(broker, TOPICS.signals_validated, decision)
            await floor.give(broker, TOPICS.signals_validated, decision)
            await floor.tick(broker)
            await floor.tick(broker)
            await broker.publisher.mark()
    assert len(floor.records("broker", "ORDER_SUBMITTED")) == 1
    (execution,) = floor.records("broker", "EXECUTED")
    assert execution.quantity == 10
    kinds = [one.event_type for one in floor.sent(TOPICS.orders)]
    assert sorted(kinds) == ["order.closed", "order.submitted"]
    assert len(floor.sent(TOPICS.fills)) == 1


@pytest.mark.parametrize("name", ["strategy", "risk"])
async def test_a_fill_that_comes_twice_counts_once_also_after_a_restart(floor, signal, name):
    fill = filled(signal(1, 10), 10)
    for _ in range(2):
        async with floor.service(name) as service:
            await floor.give(service, TOPICS.fills, fill)
            await floor.give(service, TOPICS.fills, fill)
            assert service.parts.book.position("eager", "ALFA") == 10
    assert len(floor.records(name, "EXECUTED")) == 1


async def test_an_end_of_an_order_that_comes_twice_is_on_record_once(floor, signal):
    one = signal(1, 10)
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, one)
        for _ in range(2):
            await floor.give(risk, TOPICS.orders, ended(one, 10, 0))
    assert len(floor.records("risk", "ORDER_CLOSED")) == 1


# --- working orders


async def test_an_end_frees_what_was_not_filled_and_keeps_what_is_not_booked_yet(floor, signal):
    one = signal(1, 10)
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, one)
        await floor.give(risk, TOPICS.orders, ended(one, 10, 4))
        assert risk.parts.gate.working == (f"o-{one.signal_id}",)
    async with floor.service("risk") as risk:  # also where a crash comes between
        await floor.tick(risk)
        assert risk.parts.gate.working == (f"o-{one.signal_id}",)
        await floor.give(risk, TOPICS.fills, filled(one, 3, 1))
        assert risk.parts.gate.working == (f"o-{one.signal_id}",)
        await floor.give(risk, TOPICS.fills, filled(one, 1, 2))
        assert risk.parts.gate.working == ()
        two = signal(2, 10)
        await floor.give(risk, TOPICS.signals_raw, two)
    decisions = floor.records("risk", "TRADE_APPROVED")
    assert [one.quantity for one in decisions] == [10, 6]


# --- after a crash


async def test_what_is_on_record_and_not_marked_is_sent_again_once(floor, signal):
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, signal(1, 10))
        await floor.give(risk, TOPICS.signals_raw, signal(2, 10))
    assert len(floor.sent(TOPICS.risk_decisions)) == 2
    for _ in range(2):  # the first marks it
        async with floor.service("risk") as risk:
            await risk.publisher.mark()
        decisions = [one.content(Decision) for one in floor.sent(TOPICS.risk_decisions)]
        assert [one.reason for one in decisions] == ["approved", "duplicate_position"] * 2
        assert all(one.limits for one in decisions)


async def test_a_broker_sends_orders_ends_and_fills_again(floor, signal):
    async with floor.service("broker") as broker:
        await floor.give(broker, TOPICS.signals_validated, approved(signal(1, 10), 10))
        await floor.tick(broker)
    async with floor.service("broker"):
        pass
    assert len(floor.sent(TOPICS.fills)) == 2
    changes = [one.content(OrderChanged) for one in floor.sent(TOPICS.orders)]
    assert [one.update and one.update.state for one in changes] == [None, "filled"] * 2
    assert all(not one.update.executions for one in changes if one.update is not None)


@pytest.mark.provokes("delivery-failed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_did_not_arrive_is_not_marked(floor, signal, monkeypatch):
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, signal(1, 10))
        await risk.publisher.mark()
        await floor.give(risk, TOPICS.signals_raw, signal(2, 20))

        async def lost():
            raise DeliveryFailedError("lost", why="The test says so.", next_step="Send it again.")

        risk.publisher._under_way.add(asyncio.ensure_future(lost()))
        with pytest.raises(DeliveryFailedError):
            await risk.publisher.mark()
    assert len(fold_trail(floor.trail("risk"), publishes=True).unpublished) == 1


# --- what cannot be traded


async def test_a_signal_for_an_unknown_symbol_is_refused(floor, signal):
    async with floor.service("risk") as risk:
        await floor.give(risk, TOPICS.signals_raw, signal(1, 10, symbol="NONE"))
    (refused,) = floor.records("risk", "TRADE_REJECTED")
    assert refused.reason == "unknown_symbol"
    assert floor.sent(TOPICS.signals_validated) == []


async def test_a_signal_that_is_older_than_one_before_it_is_refused(floor, signal):
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, signal(2, 10))
        await floor.give(risk, TOPICS.signals_raw, signal(1, -10, age_s=1.0))
    (refused,) = floor.records("risk", "TRADE_REJECTED")
    assert refused.reason == "stale_market_data"


# --- flattening


async def test_flattening_waits_for_the_end_of_working_orders_also_over_a_restart(floor, signal):
    held, working = signal(1, 10), signal(2, 30)
    request = Request("f1", "flatten", "tester", "the end of the test")
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.signals_raw, held)
        await floor.give(risk, TOPICS.fills, filled(held, 10))
        await floor.give(risk, TOPICS.signals_raw, working)
        assert await risk.ask(request) is None
        assert await risk.ask(request) is None
        assert risk.parts.gate.trading_state == "reduce_only"
        await risk.publisher.mark()
    async with floor.service("broker") as broker:
        for one in floor.sent(TOPICS.signals_validated):
            await broker.inputs[TOPICS.signals_validated](one, None)
        await broker.publisher.mark()
        assert broker.counts.working == 1  # of the first, which was filled in another world
    changes = [one.content(OrderChanged) for one in floor.sent(TOPICS.orders)]
    cancelled = [one for one in changes if one.update is not None]
    assert [one.order.order_id for one in cancelled] == [f"o-{working.signal_id}"]
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await floor.give(risk, TOPICS.orders, cancelled[0])
        assert await risk.ask(request) == "positions being closed: 1"
        assert await risk.ask(request) == "positions being closed: 1"
    last = floor.records("risk", "TRADE_APPROVED")[-1]
    assert (last.reason, last.quantity, last.symbol) == ("flatten", -10, "ALFA")


async def test_two_positions_are_flattened_side_by_side(floor, signal):
    async with floor.service("risk") as risk:
        for number, symbol in enumerate(("ALFA", "BETA")):
            one = signal(number, 10, symbol=symbol)
            await floor.tick(risk, symbol=symbol)
            await floor.give(risk, TOPICS.signals_raw, one)
            await floor.give(risk, TOPICS.fills, filled(one, 10))
        answer = await risk.ask(Request("f1", "flatten", "tester", "end"))
        assert answer == "positions being closed: 2"
        await risk.publisher.mark()
    async with floor.service("broker") as broker:
        for one in floor.sent(TOPICS.signals_validated):
            await broker.inputs[TOPICS.signals_validated](one, None)
        for symbol in ("ALFA", "BETA"):
            await floor.tick(broker, symbol=symbol)
        assert broker.parts.book.held() == []


# --- whole services


# What hushes it while a calendar is built belongs to a process, and here are three threads.
@pytest.mark.filterwarnings("ignore:Series.values returning")
def test_three_services_trade_and_agree(floor):
    with floor.running(*SERVICES) as outcomes:
        floor.feed([100.0, 101.0, 100.5])
        for name in SERVICES:
            until(lambda name=name: floor.told(name) or outcomes, "it never began")
        assert not outcomes
        for price in (103.0, 102.0, 104.0, 99.0, 98.0, 103.5):
            floor.feed([price])
            time.sleep(0.15)  # allow no-bare-sleep: the pace of the market
        until(lambda: floor.records("risk", "ORDER_CLOSED"), "no order was traded")
        run_folder = floor.settings.run_folder
        assert who_decides(run_folder, "paper") == "paper.risk"
        statuses = service_statuses(run_folder, "paper")
        assert {name: running for name, (_status, running) in statuses.items()} == dict.fromkeys(
            SERVICES, True
        )
        answer = ask(
            run_folder, "paper.risk", "flatten",
            by="tester", reason="end", wait_s=10.0, clock=floor.clock,
        )  # fmt: skip
        assert answer is not None
        for price in (103.0, 103.0, 103.0):
            floor.feed([price])
            time.sleep(0.15)  # allow no-bare-sleep: the pace of the market
        until(lambda: floor.held("strategy") == floor.held("risk") == [], "it is not flat")
    assert {name: outcome.service for name, outcome in outcomes.items()} == {
        name: name for name in SERVICES
    }
    assert who_decides(run_folder, "paper") == "paper"
    statuses = service_statuses(run_folder, "paper")
    with floor.switch() as switch:
        view, warned = status_view(
            "paper", switch.state(), None, running=False, now_ns=floor.clock.now_ns(),
            services=statuses,
        )  # fmt: skip
    assert not any(one["running"] for one in view.document["services"].values())
    assert view.document["desk"]["account"]["positions"] == []
    assert warned, "after a flattening only reductions pass"
    executed = [{one.event_id for one in floor.records(name, "EXECUTED")} for name in SERVICES]
    assert executed[0] == executed[1] == executed[2] != set()
    for name in SERVICES:
        assert verify_trail(floor.trail(name)).ok
        folded = fold_trail(floor.trail(name))
        assert folded.account.initial_cash == floor.settings.paper.initial_cash
        assert floor.records(name, "RUN_ENDED")
        assert all(one.event == "EXECUTED" or name == "risk" for one in folded.unpublished)


@pytest.mark.provokes("message-undecodable")
async def test_a_poison_event_is_set_aside_and_the_rest_goes_on(floor, signal):
    kafka, clock = floor.settings.kafka, floor.clock
    with EventProducer(kafka, floor.bootstrap, TOPICS, floor.registry) as producer:
        for payload in ({"not": "a signal"}, signal(1, 10)):
            made = event("signal.raw", payload, broker="paper", source="tests", clock=clock)
            await producer.send(TOPICS.signals_raw, made, "ALFA")
    heard = []
    outcome = await asyncio.to_thread(floor.run, "risk", on_failure=heard.append)
    assert outcome.denied == {"unknown_symbol": 1}
    assert len(client(floor.bootstrap)(f"{TOPICS.signals_raw}.dlq")) == 1
    assert [one.code for one in heard] == ["message-processing-failed"]


async def test_what_fails_half_done_ends_the_service_and_what_fails_before_is_set_aside(floor):
    async with floor.service("risk") as risk:
        control = DeskControl(floor.settings.run_folder, "paper.risk")
        loaded = LoadedStrategies({}, {}, {})
        serving = Serving(risk, risk.parts, loaded, control, floor.clock, "risk")

        async def refuse(_event, _received):
            raise ValueError("nothing was begun")

        async def stumble(_event, _received):
            risk.parts.trail.append(AuditEntry(event="RUN_ENDED", event_id="half"))
            raise ValueError("half done")

        with pytest.raises(ValueError, match="nothing was begun"):
            await serving.guarded(refuse)(None, None)
        serving.raise_failure()
        with control:
            assert await serving.look()
            with pytest.raises(StopConsuming):
                await serving.guarded(stumble)(None, None)
            with pytest.raises(StopConsuming):
                await serving.guarded(refuse)(None, None)
            sequence = risk.parts.trail.head.sequence
            assert not await serving.look(last=True)
            assert risk.parts.trail.head.sequence == sequence, "it was marked as sent"
        with pytest.raises(ValueError, match="half done"):
            serving.raise_failure()


@contextmanager
def largest_file(size):
    """Let no file of this process grow beyond ``size`` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.provokes("audit-lost")
async def test_a_lost_trail_stops_the_service_and_sets_the_kill_switch(floor, signal):
    async with floor.service("risk") as risk:
        await floor.tick(risk)
        await risk.publisher.mark()
    with EventProducer(floor.settings.kafka, floor.bootstrap, TOPICS, floor.registry) as producer:
        made = event("s", signal(1, 10), broker="paper", source="tests", clock=floor.clock)
        await producer.send(TOPICS.signals_raw, made, "ALFA")
    (file,) = floor.trail("risk").glob("*.jsonl")
    with largest_file(file.stat().st_size + 2_000), pytest.raises(AuditLostError):
        await asyncio.to_thread(floor.run, "risk", until_idle_s=20.0)
    with floor.switch() as switch:
        assert "the audit trail is lost" in switch.state().reason
        switch.clear("the disk has room", "tester")
    outcome = await asyncio.to_thread(floor.run, "risk")  # nothing was committed of it
    assert outcome.denied == {"unknown_symbol": 1}


@pytest.mark.provokes("trading-running")
def test_a_second_desk_of_a_broker_is_refused(floor):
    with DeskControl(floor.settings.run_folder, "paper.risk"):
        with pytest.raises(TradingRunningError, match="is running already"):
            floor.run("risk")
        with DeskControl(floor.settings.run_folder, "paper.broker"):
            pass
    with DeskControl(floor.settings.run_folder, "paper.risk"):
        pass


@pytest.mark.provokes("trading-not-running")
def test_who_is_not_running_cannot_be_asked(floor):
    floor.settings.run_folder.mkdir(parents=True)
    with pytest.raises(TradingNotRunningError, match="no desk trades through 'paper'"):
        ask(
            floor.settings.run_folder, "paper", "flatten",
            by="tester", reason="end", wait_s=0.0, clock=floor.clock,
        )  # fmt: skip
