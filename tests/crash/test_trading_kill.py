"""Trading that is killed at any moment trades nothing twice, nothing unapproved, and its books fit.

``CRASH=full`` kills 100 times, otherwise 9 times; each third kill is of a desk with all stages in
one process, the others of one service of three.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from alchemiser_cli.clock import SystemClock
from alchemiser_cli.market import Tick
from alchemiser_cli.settings.sections import RegistrySettings
from alchemiser_cli.streaming import (
    TickEncoder,
    TickProducer,
    TopicMap,
    open_registry,
    value_subject,
)
from alchemiser_cli.testing.kafka import embedded_kafka, settings_for
from alchemiser_cli.trading.audit import read_trail, trails
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.desk import fold_trail

KILLS = 100 if os.environ.get("CRASH") == "full" else 9
SERVICES = ("strategy", "risk", "broker")
TOPIC, SYMBOLS = "market.ticks", ("ALFA", "BETA", "GAMA", "DELT")
PAUSE_S = 0.08  # between two rounds of ticks
LIFE_S = 1.2  # longest life after a victim was seen at work
PATIENCE_S = 60.0
WORK_BYTES = 3_000  # some lines of a trail
# The trade of a channel's breakout, and of a trend: in three rows of chance there are many.
STRATEGIES = {
    "outbreak": 'kind = "breakout"\nversion = 1\nsymbols = {symbols}\n[parameters]\n'
    "entry_rows = 4\nexit_rows = 2\nquantity = 90\n",
    "trend": 'kind = "momentum"\nversion = 1\nsymbols = {symbols}\n[parameters]\n'
    "lookback = 5\nvolatility_rows = 5\nquantity = 70\n",
}
SETTINGS = (
    "kafka.mode=external",
    "kafka.request_timeout_s=5",
    "consumer.commit_interval_s=0.2",
    # Orders end in every way: filled at once or in parts, expired with a part, rejected.
    "paper.market_hours=false",
    "paper.max_fill=40",
    "paper.order_lifetime_s=0.1",
    "paper.reject_rate=0.1",
    "risk.max_data_age_s=600",
    "risk.max_daily_loss=0.99",
    "risk.max_daily_drawdown=0.99",
)
MAIN = "from alchemiser_cli.app import main; main()"


class Traders:
    """Processes that trade in one home, and what they left there."""

    def __init__(self, home, bootstrap):
        self.home = home
        flags = home.parent / "shm"
        flags.mkdir()
        self._settings = [f"kafka.bootstrap={bootstrap}", f"shm.directory={flags}", *SETTINGS]
        self._running = {}
        folder = home / "configs" / "strategies"
        folder.mkdir(parents=True)
        for name, text in STRATEGIES.items():
            symbols = str(list(SYMBOLS)).replace("'", '"')
            (folder / f"{name}.toml").write_text(text.format(symbols=symbols))

    def command(self, *arguments):
        chosen = [part for each in self._settings for part in ("--set", each)]
        return [sys.executable, "-c", MAIN, "--home", str(self.home), *chosen, *arguments]

    def start(self, name):
        """Start a service, or the desk."""
        arguments = ["trade", "run", "--strategy", "outbreak", "--strategy", "trend"]
        if name != "desk":
            arguments += ["--service", name]
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(self.command(*arguments), stdout=log, stderr=log)

    def kill(self, name):
        victim = self._running.pop(name)
        assert victim.poll() is None, f"{name} ended by itself: {self.log(name)}"
        victim.kill()
        assert victim.wait(10) == -9

    def works(self, name):
        """Wait until the trail of ``name`` has grown by more than what a start adds."""
        had, deadline = self._size(name), time.monotonic() + PATIENCE_S
        while self._size(name) < had + WORK_BYTES and time.monotonic() < deadline:
            assert self._running[name].poll() is None, f"{name} ended: {self.log(name)}"
            time.sleep(0.01)  # allow no-bare-sleep: polls with the deadline above

    def stop(self, *names):
        """Ask these to end, or everybody, and wait for that."""
        ending = {name: self._running.pop(name) for name in names or tuple(self._running)}
        for victim in ending.values():
            victim.terminate()
        for name, victim in ending.items():
            # One that was started just now has nothing to end yet, and dies of the signal.
            ended = victim.wait(PATIENCE_S)
            assert ended in (130, -signal.SIGTERM), f"{name}: {self.log(name)}"

    def end(self):
        for victim in self._running.values():
            victim.kill()
            victim.wait(10)

    def log(self, name):
        return (self.home / f"{name}.log").read_text()[-2_000:]

    def trail(self, name):
        return self.home / "audit" / ("paper" if name == "desk" else f"paper.{name}")

    def records(self, name):
        return list(read_trail(self.trail(name)))

    def _size(self, name):
        folder = self.trail(name)
        return sum(file.stat().st_size for file in folder.iterdir()) if folder.is_dir() else 0


@contextmanager
def feed(kafka, home, chance):
    """Send prices that go up and down by chance, until the end of the block."""
    clock, ended = SystemClock(), threading.Event()
    registry = open_registry(RegistrySettings(), f"file:{home / 'schemas'}")
    encoder = TickEncoder(registry, value_subject(TOPIC))

    def send():
        prices, sequence = dict.fromkeys(SYMBOLS, 100.0), 0
        with TickProducer(settings_for(kafka), kafka.bootstrap, TOPIC, encoder, clock) as producer:
            while not ended.wait(PAUSE_S):
                sequence += 1
                for symbol in SYMBOLS:
                    prices[symbol] *= 1.0 + chance.gauss(0.0, 0.002)
                    tick = Tick(
                        symbol=symbol,
                        venue="test",
                        kind="trade",
                        sequence=sequence,
                        event_time_ns=clock.now_ns(),
                        price=prices[symbol],
                    )
                    producer.send(tick)
            producer.flush(10)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


@contextmanager
def traders(home, chance):
    with embedded_kafka("unused") as kafka:
        for topic in (TOPIC, *TopicMap("paper").names):
            for name in (topic, f"{topic}.dlq", f"{topic}.quarantine"):
                kafka.create_topic(name, 4)
        trading = Traders(home, kafka.bootstrap)
        try:
            yield trading, lambda: feed(kafka, home, chance)
        finally:
            trading.end()


def kill_again_and_again(trading, names, kills, chance):
    """Kill one of ``names`` at a time: while it starts, or some time after it began to work."""
    for name in names:
        trading.start(name)
    trading.works(names[-1])
    for _ in range(kills):
        name = chance.choice(names)
        if chance.random() < 0.7:
            trading.works(name)
            time.sleep(chance.uniform(0.0, LIFE_S))  # allow no-bare-sleep: the moment of death
        else:
            time.sleep(chance.uniform(0.0, 3.0))  # allow no-bare-sleep: the moment of death
        trading.kill(name)
        trading.start(name)


def details(records, *events):
    return [one for one in records if one.event in events]


def worked_off(trading):
    """Tell whether every service knows of what the one before it did."""
    said, decided, ordered = (trading.records(name) for name in SERVICES)

    def ids(records, *events):
        return {one.event_id for one in details(records, *events)}

    decisions = details(decided, "TRADE_APPROVED", "TRADE_REJECTED")
    approved = ids(decided, "TRADE_APPROVED")
    ends = "ORDER_CLOSED", "ORDER_REJECTED"
    return (
        {one.causation for one in decisions} == ids(said, "SIGNAL")
        and {one.causation for one in details(ordered, "ORDER_SUBMITTED")} == approved
        and ids(decided, *ends) == ids(ordered, *ends)
        and ids(said, "EXECUTED") == ids(decided, "EXECUTED") == ids(ordered, "EXECUTED")
    )


def wait_until_worked_off(trading):
    """Wait until every service knows what the one before it did, or patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while not worked_off(trading) and time.monotonic() < deadline:
        time.sleep(0.5)  # allow no-bare-sleep: polls with the deadline above


def once(ids):
    """Return ``ids`` as a set, after a look that each comes once."""
    twice = [name for name, count in Counter(ids).items() if count > 1]
    assert not twice, f"{len(twice)} come twice, for example {twice[:3]}"
    return set(ids)


def check_books(folder):
    """Check that the books balance as the trail tells them; return positions and executions."""
    folded = fold_trail(folder)
    book = Book("paper", folded.account.initial_cash, 100)
    held = Counter()
    for execution in folded.executions:
        assert book.apply(execution)
        held[execution.strategy_id, execution.symbol] += execution.change
    snapshot = book.snapshot()
    value = sum(one.market_value for one in snapshot.positions)
    earned = snapshot.realised_pnl + snapshot.unrealised_pnl - snapshot.fees
    assert snapshot.cash + value == pytest.approx(snapshot.initial_cash + earned)
    positions = {(one.strategy_id, one.symbol): one.quantity for one in snapshot.positions}
    assert positions == {pair: change for pair, change in held.items() if change}
    return positions, {one.execution_id for one in folded.executions}


def check_orders(decided, ordered):
    """Check that each order was approved before, for as much, and that none went out twice."""
    decisions = details(decided, "TRADE_APPROVED", "TRADE_REJECTED")
    once([one.causation for one in decisions])  # the signal
    approved = {one.event_id: one for one in decisions if one.event == "TRADE_APPROVED"}
    orders = details(ordered, "ORDER_SUBMITTED")
    once([one.event_id for one in orders])
    for order in orders:
        decision = approved[order.causation]
        assert order.event_id == f"o-{decision.causation}"
        assert decision.at <= order.at
        assert 0 < order.quantity * (1 if decision.quantity > 0 else -1) <= abs(decision.quantity)
    once([one.event_id for one in details(ordered, "ORDER_CLOSED", "ORDER_REJECTED")])
    once([one.event_id for one in details(ordered, "EXECUTED")])
    return approved, orders


def check_trails(trading):
    """Check that every trail is whole."""
    done = subprocess.run(trading.command("audit", "verify"), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert trails(trading.home / "audit")


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_services_killed_at_random_moments_trade_nothing_twice_and_agree(tmp_path):
    chance = random.Random(1_907)  # noqa: S311  victims, moments and prices
    with traders(tmp_path / "home", chance) as (trading, fed):
        with fed():
            kill_again_and_again(trading, SERVICES, KILLS - KILLS // 3, chance)
        wait_until_worked_off(trading)
        trading.stop("strategy")  # it may have had ticks left, and so signals
        wait_until_worked_off(trading)
        trading.stop()
        check_trails(trading)
        said, decided, ordered = (trading.records(name) for name in SERVICES)
        books = [check_books(trading.trail(name)) for name in SERVICES]
    approved, orders = check_orders(decided, ordered)
    assert books[0] == books[1] == books[2]
    signals = once([one.event_id for one in details(said, "SIGNAL")])
    decisions = details(decided, "TRADE_APPROVED", "TRADE_REJECTED")
    assert {one.causation for one in decisions} == signals, "a signal has no decision"
    assert {one.causation for one in orders} == set(approved), "an approved decision has no order"
    ends = [
        {one.event_id for one in details(records, "ORDER_CLOSED", "ORDER_REJECTED")}
        for records in (decided, ordered)
    ]
    assert ends[0] == ends[1], "the risk gate does not know the end of an order"
    assert len(orders) > KILLS
    assert len(books[2][1]) > KILLS


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_desk_killed_at_random_moments_trades_nothing_twice(tmp_path):
    chance = random.Random(1_929)  # noqa: S311  moments and prices
    with traders(tmp_path / "home", chance) as (trading, fed):
        with fed():
            kill_again_and_again(trading, ("desk",), KILLS // 3, chance)
            trading.works("desk")
        trading.stop()
        check_trails(trading)
        records = trading.records("desk")
        positions, executions = check_books(trading.trail("desk"))
    _approved, orders = check_orders(records, records)
    places = {one.event_id: place for place, one in enumerate(records)}
    assert all(places[order.causation] < places[order.event_id] for order in orders)
    once([one.event_id for one in details(records, "SIGNAL")])
    assert len(orders) > KILLS // 3
    assert executions
    assert positions is not None
