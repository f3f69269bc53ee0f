"""One service of trading in a process of its own, between topics of Kafka.

``strategy`` reads ticks and fills and writes signals; ``risk`` reads signals, orders and fills and
writes decisions; ``broker`` reads approved decisions and writes orders and fills. Each has its own
audit trail, from which it rebuilds its state, and its own consumer groups.
"""

from alchemiser_cli.pipeline.trading.broker_service import BrokerService
from alchemiser_cli.pipeline.trading.publishing import Publisher
from alchemiser_cli.pipeline.trading.risk_service import RiskService
from alchemiser_cli.pipeline.trading.service import Service
from alchemiser_cli.pipeline.trading.strategy_service import StrategyService
from alchemiser_cli.streaming import TopicMap
from alchemiser_cli.trading.desk import DeskParts

__all__ = ["BrokerService", "RiskService", "Service", "StrategyService", "make_service"]


def make_service(name: str, parts: DeskParts, topics: TopicMap, publisher: Publisher) -> Service:
    """Return the service ``name``: strategy, risk or broker."""
    kinds: dict[str, type[Service]] = {
        "strategy": StrategyService,
        "risk": RiskService,
        "broker": BrokerService,
    }
    return kinds[name](parts, topics, publisher)
