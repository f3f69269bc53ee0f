"""What a desk, or one service of it, says of itself."""

import os
from collections.abc import Mapping

from alchemiser_cli.trading.control import DeskStatus, StrategyState
from alchemiser_cli.trading.desk.desk import DeskParts
from alchemiser_cli.trading.desk.orders import OrderCounts
from alchemiser_cli.trading.desk.tally import Tally
from alchemiser_cli.trading.strategies import LoadedStrategies

__all__ = ["status_of"]


def status_of(
    parts: DeskParts,
    loaded: LoadedStrategies,
    tally: Tally,
    orders: OrderCounts,
    *,
    service: str,
    started_ns: int,
    at_ns: int,
    findings: list[str],
    handled: Mapping[str, str],
) -> DeskStatus:
    """Return the status of what ``parts`` make up; times are of the system's clock."""
    broker, head, account = parts.broker.name, parts.trail.head, parts.book.snapshot()
    lost = {**loaded.disabled.get(broker, {}), **parts.disabled}
    names = {one.strategy_id for one in loaded.by_broker.get(broker, ())} | lost.keys()
    return DeskStatus(
        broker=broker,
        run_id=parts.run_id,
        pid=os.getpid(),
        started_ns=started_ns,
        at_ns=at_ns,
        service=service,
        trading_state=parts.gate.trading_state,
        ticks=tally.ticks,
        signals=tally.signals,
        approved=tally.approved,
        denied=dict(tally.denied),
        orders=orders.submitted,
        fills=orders.executed,
        working=orders.working,
        last_event_ns=account.at_ns or None,
        account=account,
        limits=parts.gate.limits(),
        strategies=[
            StrategyState(
                name, name not in lost, lost.get(name, ""), tally.by_strategy.get(name, 0)
            )
            for name in sorted(names)
        ],
        findings=findings,
        audit_trail=head.trail,
        audit_head=head.hash,
        handled=dict(handled),
    )
