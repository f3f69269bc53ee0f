"""One life of a desk: from the end of its trail until it is stopped, or its trail is lost."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace

from alchemiser_cli.chaos.laboratory.contract import Laboratory
from alchemiser_cli.chaos.workloads.exchange import STRATEGY, TOPIC, Exchange
from alchemiser_cli.chaos.workloads.witness import SentOrder, WitnessedBroker
from alchemiser_cli.clock import NS_PER_SECOND
from alchemiser_cli.pipeline.trading.live import open_kill_switch
from alchemiser_cli.trading.audit import AnchorStore
from alchemiser_cli.trading.control import DeskControl
from alchemiser_cli.trading.desk import Desk, DeskKeeper, DeskRequest, fold_trail, open_parts
from alchemiser_cli.trading.kill_switch import KillSwitch
from alchemiser_cli.trading.signals import Origin
from alchemiser_cli.trading.strategies import BUILT_IN_KINDS

__all__ = ["BROKER", "OPERATOR", "DeskLog", "live"]

BROKER = "paper"
OPERATOR = "the laboratory's operator"

_LOOK_EVERY_S = 0.2
_PAUSE_S = 0.01
_ON_ITS_WAY_S = 0.25  # longest time from the decision on an order to its sending
_RIGHT_S = 30.0  # a clock that differs by more is wrong


@dataclass
class DeskLog:
    """What all lives of a desk did; ``row`` is the first tick that was not finished.

    ``refused`` counts refusals by their reason, ``audit_halts`` how often a lost trail had set the
    kill switch. ``sent`` are the orders that went out. ``ended`` asks the desk to end.
    """

    row: int = 0
    lives: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    sent: list[SentOrder] = field(default_factory=list)
    audit_halts: int = 0
    ended: bool = False

    def refusals(self, reason: str) -> int:
        """Return how many signals were refused for ``reason``."""
        return self.refused.get(reason, 0)


async def live(laboratory: Laboratory, exchange: Exchange, log: DeskLog) -> None:
    """Trade what ``exchange`` has, until it is closed and everything of it was traded.

    A kill switch that a lost trail had set is cleared as an operator would do it: once the trail
    takes lines again, with a reason.

    Raises:
        AuditLostError: ``audit-lost``.
    """
    clock = laboratory.clock
    with _desk(laboratory, exchange, log) as (desk, keeper):
        await desk.open(fold_trail(laboratory.settings.audit_folder / BROKER))
        _resume(desk.parts.kill_switch, log)
        looked_ns, counted = 0, dict(log.refused)
        while not (exchange.due <= log.row and log.ended):
            if log.row >= exchange.due:
                await asyncio.sleep(_PAUSE_S)
            else:
                await desk.on_tick(exchange.tick(log.row), Origin(TOPIC, 0, log.row))
                log.row += 1
                log.refused = _sum(counted, desk.tally.denied)
            if clock.monotonic_ns() - looked_ns >= _LOOK_EVERY_S * NS_PER_SECOND:
                looked_ns = clock.monotonic_ns()
                await keeper.look()
        await desk.close()


@contextmanager
def _desk(
    laboratory: Laboratory, exchange: Exchange, log: DeskLog
) -> Iterator[tuple[Desk, DeskKeeper]]:
    settings, clock = laboratory.settings, laboratory.clock
    log.lives += 1
    anchors = AnchorStore(laboratory.state)

    wrong_since_ns: int | None = None

    def right() -> bool:
        """Tell whether an order could be decided by a right clock: it may have been on its way."""
        nonlocal wrong_since_ns
        if abs(clock.now_ns() - exchange.now_ns) < _RIGHT_S * NS_PER_SECOND:
            wrong_since_ns = None
            return True
        now_ns = clock.monotonic_ns()
        wrong_since_ns = now_ns if wrong_since_ns is None else wrong_since_ns
        return now_ns - wrong_since_ns < _ON_ITS_WAY_S * NS_PER_SECOND

    with ExitStack() as stack:
        kill_switch = stack.enter_context(closing(open_kill_switch(settings, clock, quiet=True)))
        control = stack.enter_context(DeskControl(settings.run_folder, BROKER))
        request = DeskRequest(
            broker=BROKER,
            run_id=f"laboratory-{log.lives}",
            trail=BROKER,
            names=[STRATEGY],
            kinds=BUILT_IN_KINDS,
            on_failure=laboratory.journal.capture,
            anchor=anchors.save,
        )
        parts, loaded = stack.enter_context(open_parts(settings, request, kill_switch, clock))
        broker = WitnessedBroker(parts.broker, log.sent, clock, right)
        desk = Desk(replace(parts, broker=broker))
        yield desk, DeskKeeper(desk, loaded, control, clock)


def _resume(kill_switch: KillSwitch, log: DeskLog) -> None:
    state = kill_switch.state()
    if state.active and state.by == "audit":
        log.audit_halts += 1
        kill_switch.clear("the trail takes lines again", OPERATOR)


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}
