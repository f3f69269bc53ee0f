"""The desk: strategies, risk and a broker, one after the other, each step on record before it."""

from alchemiser_cli.trading.desk.clock import MarketClock
from alchemiser_cli.trading.desk.desk import Desk, DeskParts
from alchemiser_cli.trading.desk.folding import Folded, fold, fold_trail
from alchemiser_cli.trading.desk.keeping import DeskKeeper
from alchemiser_cli.trading.desk.opening import DeskRequest, open_parts
from alchemiser_cli.trading.desk.tally import DeskResult, EquityPoint, Tally

__all__ = [
    "Desk",
    "DeskKeeper",
    "DeskParts",
    "DeskRequest",
    "DeskResult",
    "EquityPoint",
    "Folded",
    "MarketClock",
    "Tally",
    "fold",
    "fold_trail",
    "open_parts",
]
