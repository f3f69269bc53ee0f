"""Option chains: ten listed contracts at each step, from datasets, a model or a live market."""

from alchemiser_cli.market.chains.building import ChainBook, chain_table
from alchemiser_cli.market.chains.heston import BatesParameters, GeneratedMarket, generate_market
from alchemiser_cli.market.chains.listing import expiry_after, listed_strikes
from alchemiser_cli.market.chains.live import LiveChains
from alchemiser_cli.market.chains.opening import open_chains
from alchemiser_cli.market.chains.providers import (
    LEAST_ROWS,
    DatasetChains,
    GeneratedChains,
    TableChains,
)
from alchemiser_cli.market.chains.realised import RealisedVolatility, realised_over_time
from alchemiser_cli.market.chains.table import (
    CONTRACTS,
    GREEKS,
    ChainProvider,
    ChainSnapshot,
    ChainTable,
)

__all__ = [
    "CONTRACTS",
    "GREEKS",
    "LEAST_ROWS",
    "BatesParameters",
    "ChainBook",
    "ChainProvider",
    "ChainSnapshot",
    "ChainTable",
    "DatasetChains",
    "GeneratedChains",
    "GeneratedMarket",
    "LiveChains",
    "RealisedVolatility",
    "TableChains",
    "chain_table",
    "expiry_after",
    "generate_market",
    "listed_strikes",
    "open_chains",
    "realised_over_time",
]
