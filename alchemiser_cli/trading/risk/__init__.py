"""Risk: the gate that every signal passes, its limits, and what it measures of the trades."""

from alchemiser_cli.trading.risk.day import TradingDay
from alchemiser_cli.trading.risk.gate import RiskGate
from alchemiser_cli.trading.risk.limits import LimitTable, TradeLimits
from alchemiser_cli.trading.risk.states import StateChange, TradingState
from alchemiser_cli.trading.risk.statistics import TradeStatistics

__all__ = [
    "LimitTable",
    "RiskGate",
    "StateChange",
    "TradeLimits",
    "TradeStatistics",
    "TradingDay",
    "TradingState",
]
