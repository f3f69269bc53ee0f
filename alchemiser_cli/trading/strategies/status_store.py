"""Which strategies run, written where health reads it."""

import msgspec
from sqlalchemy import insert, update

from alchemiser_cli.state import StateDatabase, strategy_status
from alchemiser_cli.trading.strategies.loading import LoadedStrategies

__all__ = ["StrategyStatusStore"]


class StrategyStatusStore:
    """The table ``strategy_status``: a row for each broker.

    Health takes a process for gone that did not repeat its row for ten minutes.
    """

    def __init__(self, database: StateDatabase) -> None:
        """Write to ``database``; nothing is opened yet."""
        self._database = database

    def save(self, loaded: LoadedStrategies, now_ns: int) -> None:
        """Write what every broker's strategies are now; ``now_ns`` is UTC nanoseconds.

        Raises:
            DatabaseError: ``state-unreachable``, ``state-corrupt`` or ``state-schema``.
            DiskFullError: ``disk-full``.
        """
        with self._database.begin() as connection:
            for broker, configured in loaded.configured.items():
                running = loaded.by_broker.get(broker, ())
                detail = {one.strategy_id: None for one in running} | loaded.disabled.get(
                    broker, {}
                )
                row = {
                    "configured": configured,
                    "loaded": len(running),
                    "detail": msgspec.json.encode(detail).decode(),
                    "at_ns": now_ns,
                }
                mine = strategy_status.c.broker == broker
                changed = connection.execute(update(strategy_status).where(mine).values(row))
                if not changed.rowcount:
                    connection.execute(insert(strategy_status).values(broker=broker, **row))
