"""What the chain from a tick to an approved decision costs, beside bare work in the same run.

Everything is measured in one thread and by turns, so that a busy machine slows all of it alike.
"""

import os
import statistics
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from alchemiser_cli.clock import Clock, ManualClock
from alchemiser_cli.settings import AuditSettings, RiskSettings, Settings
from alchemiser_cli.trading.audit import AuditTrail
from alchemiser_cli.trading.book import Book
from alchemiser_cli.trading.decisions import Decision
from alchemiser_cli.trading.desk.entries import decision_entry
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.measured_desk import MeasuredDesk
from alchemiser_cli.trading.orders import Execution, order_of
from alchemiser_cli.trading.risk import RiskGate
from alchemiser_cli.trading.signals import Origin, Signal

__all__ = ["ChainSpeed", "decision_times", "measure_chain"]

TICKS = 1_000
DECISIONS = 200
APPENDS = 200
READS = 2_000
BLOCK = 20
CASH = 1e6
MULTIPLIER = 100
PRICE = 100.0


class ChainSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds: medians over ``rounds`` turns, each of which did the same of everything.

    ``validated_us`` is from a tick's arrival until the approved decision on its signal is on
    record, the median and the 99th percentile of all ``signals``; ``tick_us`` is a whole tick that
    led to no signal. The audit trail is never forced to the disk. ``decision_us`` is the gate
    alone with one position, ``decision_20_us`` with twenty; ``comparisons_us`` are ten comparisons
    of floats. ``append_us`` is a line of the trail with a whole decision, ``write_us`` writing as
    many bytes with one ``os.write``; ``switch_us`` is reading the kill switch, ``attribute_us``
    reading an attribute.
    """

    rounds: int
    signals: int
    tick_us: float
    validated_us: float
    validated_p99_us: float
    decision_us: float
    decision_20_us: float
    comparisons_us: float
    append_us: float
    write_us: float
    switch_us: float
    attribute_us: float


class _Plain:
    def __init__(self) -> None:
        self.value = 1.0


def measure_chain(clock: Clock, *, folder: Path, rounds: int = 20) -> ChainSpeed:
    """Measure ``rounds`` turns after one to warm up, in ``folder``, which is a scratch one."""
    found: dict[str, list[float]] = {}
    validated: list[int] = []
    folder.mkdir(exist_ok=True)
    settings = Settings(home=folder)
    with (
        closing(KillSwitch(folder, folder / "kill_switch.json", clock)) as switch,
        MeasuredDesk(settings, switch, clock) as desk,
        _Trail(folder / "appended", clock) as trail,
    ):
        plain = _Plain()
        for turn in range(rounds + 1):
            passed, quiet = desk.feed(TICKS)
            one = decision_times(clock, switch, held=1, decisions=DECISIONS)
            twenty = decision_times(clock, switch, held=20, decisions=DECISIONS)
            if not turn:
                continue
            validated += passed
            figures = {
                "tick_us": statistics.median(quiet) / 1e3,
                "validated_us": statistics.median(passed) / 1e3,
                "decision_us": statistics.median(one.spent_ns) / 1e3,
                "decision_20_us": statistics.median(twenty.spent_ns) / 1e3,
                "comparisons_us": _each_us(clock, lambda: _compared(plain), READS),
                **trail.measured(one.last),
                "switch_us": _each_us(clock, lambda: switch.active, READS),
                "attribute_us": _each_us(clock, lambda: plain.value, READS),
            }
            for name, value in figures.items():
                found.setdefault(name, []).append(value)
    return ChainSpeed(
        rounds=rounds,
        signals=len(validated),
        validated_p99_us=statistics.quantiles(validated, n=100)[-1] / 1e3,
        **{name: statistics.median(values) for name, values in found.items()},
    )


class DecisionTimes(NamedTuple):
    """How long decisions took, in nanoseconds, and the last one."""

    spent_ns: list[int]
    last: Decision


def decision_times(clock: Clock, switch: KillSwitch, *, held: int, decisions: int) -> DecisionTimes:
    """Time approved decisions of a new gate with ``held`` positions; each is filled at once."""
    market, book = ManualClock(), Book("paper", CASH, MULTIPLIER)
    risk = RiskSettings(max_positions=30, max_leverage=50.0)
    gate = RiskGate(risk, MULTIPLIER, book, switch, None, market)
    spent = []
    for number in range(held + decisions):
        symbol = f"S{number % held}"
        market.advance(0.001)
        book.mark(symbol, PRICE, market.now_ns())
        signal = _signal(number, symbol, 10 + number // held % 2, market.now_ns())
        begun_ns = clock.monotonic_ns()
        decision = gate.decide(signal)
        spent.append(clock.monotonic_ns() - begun_ns)
        execution = _fill(decision)
        book.apply(execution)
        gate.on_execution(execution)
    return DecisionTimes(spent[held:], decision)


class _Trail:
    """A trail, and a plain file that gets the same bytes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        folder.mkdir()
        self._folder = folder / "trail"
        settings = AuditSettings(fsync="never")
        self._trail = AuditTrail(self._folder, settings, clock, run_id="measure", broker="paper")
        self._bare = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._trail.close()
        os.close(self._bare)

    def measured(self, decision: Decision) -> dict[str, float]:
        entry = decision_entry(decision)
        append_us = _each_us(self._clock, lambda: self._trail.append(entry), APPENDS)
        newest = max(self._folder.glob("*.jsonl"))
        line = newest.read_bytes().splitlines(keepends=True)[-1]
        write_us = _each_us(self._clock, lambda: os.write(self._bare, line), APPENDS)
        return {"append_us": append_us, "write_us": write_us}


def _compared(plain: _Plain) -> bool:
    return all(
        plain.value < limit for limit in (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0)
    )


def _each_us(clock: Clock, work: Callable[[], object], times: int) -> float:
    """Return the median of a call, over blocks that are small beside the scheduler's turns."""
    spent = []
    for _ in range(times // BLOCK):
        begun_ns = clock.monotonic_ns()
        for _ in range(BLOCK):
            work()
        spent.append(clock.monotonic_ns() - begun_ns)
    return statistics.median(spent) / BLOCK / 1e3


def _signal(number: int, symbol: str, target: int, now_ns: int) -> Signal:
    return Signal(
        signal_id=str(number),
        strategy_id="measure",
        param_hash="p",
        broker="paper",
        symbol=symbol,
        target=target,
        reason="measure",
        reference_price=PRICE,
        tick_time_ns=now_ns,
        decided_at_ns=now_ns,
        origin=Origin("measure", 0, number),
    )


def _fill(decision: Decision) -> Execution:
    order = order_of(decision, 0)
    return Execution(
        execution_id=f"x-{order.order_id}",
        kind="fill",
        order_id=order.order_id,
        strategy_id=order.strategy_id,
        broker="paper",
        symbol=order.symbol,
        change=order.change,
        price=PRICE,
        commission=0.0,
        at_ns=0,
    )
