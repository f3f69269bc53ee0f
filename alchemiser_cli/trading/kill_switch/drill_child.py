"""The other side of the drill: a sender of orders, which goes through gate and kill switch.

It takes rounds as lines on standard input and answers in lines. The risk gate stands above the
kill switch and is imported when the sender runs.
"""

import os
import sys
from pathlib import Path

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.settings import RiskSettings
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.kill_switch.switch import KillSwitch
from alchemiser_cli.trading.orders import Execution, Order, order_of
from alchemiser_cli.trading.risk import RiskGate
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["send_orders"]

SYMBOL, PRICE, CASH = "DRILL", 100.0, 1e6
STAY_NS = NS_PER_SECOND // 50
"""How long it goes on trying after the first refusal."""


def send_orders(folder: str, clock: Clock) -> None:
    """Send orders in rounds, each until the kill switch has been met for ``STAY_NS``."""
    home = Path(folder)
    switch = KillSwitch(home, home / "kill_switch.json", clock)
    book = Book("drill", CASH, 100)
    # The switch alone is to end a round.
    risk = RiskSettings(max_data_age_s=3_600.0)
    gate = RiskGate(risk, 100, book, switch, None, clock, broker="drill", halt_on_drawdown=False)
    log = os.open(home / "orders", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(1, b"ready\n")
    number = 0
    for _ in sys.stdin:
        orders, after, last_ns, seen_ns = 0, 0, 0, 0
        while not seen_ns or clock.monotonic_ns() < seen_ns + STAY_NS:
            number += 1
            book.mark(SYMBOL, PRICE, clock.now_ns())
            decision = gate.decide(_signal(number, clock.now_ns()))
            if not decision.approved or switch.active:
                if orders:  # before the first one the last round's clearing is still awaited
                    seen_ns = seen_ns or clock.monotonic_ns()
                if decision.approved:
                    gate.on_execution(_fill(order_of(decision, 0), booked=book))
                continue
            last_ns = clock.monotonic_ns()
            os.write(log, b"%d %d\n" % (number, last_ns))
            orders += 1
            after += bool(seen_ns)
            gate.on_execution(_fill(order_of(decision, 0), booked=book))
            if orders == 1:
                os.write(1, b"sending\n")
        result = [last_ns, seen_ns, orders, after]
        names = ("last_order_ns", "seen_ns", "orders", "after")
        os.write(1, msgspec.json.encode(dict(zip(names, result, strict=True))) + b"\n")


def _signal(number: int, now_ns: int) -> Signal:
    return Signal(
        signal_id=f"drill-{number}",
        strategy_id="drill",
        param_hash="drill",
        broker="drill",
        symbol=SYMBOL,
        target=number % 2 * 2 - 1,  # long, short, and so on: each one trades
        reason="drill",
        reference_price=PRICE,
        tick_time_ns=now_ns,
        decided_at_ns=now_ns,
        origin=Origin("drill", 0, number),
    )


def _fill(order: Order, *, booked: Book) -> Execution:
    execution = Execution(
        execution_id=f"x-{order.order_id}",
        kind="fill",
        order_id=order.order_id,
        strategy_id=order.strategy_id,
        broker=order.broker,
        symbol=order.symbol,
        change=order.change,
        price=PRICE,
        commission=0.0,
        at_ns=order.not_before_ns,
    )
    booked.apply(execution)
    return execution
