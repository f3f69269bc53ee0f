"""Errors of market data: datasets, their columns, values and times."""

from typing import ClassVar

from alchemiser_cli.errors.base import AlchemiserError, RetrySafety, Severity
from alchemiser_cli.exits import ExitCode

__all__ = [
    "ChainDataError",
    "DataProviderError",
    "DatasetColumnsError",
    "DatasetNotFoundError",
    "DatasetTimeError",
    "DatasetUnreadableError",
    "DatasetValueError",
    "FeedMessageError",
    "FeedReconnectsExhaustedError",
    "FeedRestError",
    "FeedSilentError",
    "MarketDataError",
    "MarketDataStaleError",
    "WebSocketError",
]


class DataProviderError(AlchemiserError):
    """Family: a source of market data cannot give what was asked of it."""

    severity: ClassVar[Severity] = Severity.MEDIUM


class DatasetNotFoundError(DataProviderError):
    """No dataset has this name, or its file does not exist."""

    code = "dataset-not-found"
    exit_code = ExitCode.NOT_FOUND


class ChainDataError(DataProviderError):
    """A dataset cannot give option chains: too few rows, several instruments, or no volatility."""

    code = "chain-data-insufficient"


class DatasetUnreadableError(DataProviderError):
    """The dataset's file cannot be opened or parsed, or holds no rows."""

    code = "dataset-unreadable"


class DatasetColumnsError(DataProviderError):
    """A column that the dataset needs is missing or ambiguous."""

    code = "dataset-columns"


class DatasetValueError(DataProviderError):
    """A value of the dataset is missing, not finite, or impossible."""

    code = "dataset-value"


class DatasetTimeError(DataProviderError):
    """The dataset's times cannot be read or do not increase."""

    code = "dataset-time"


class MarketDataError(DataProviderError):
    """Family: live market data is missing, late or wrong."""

    severity: ClassVar[Severity] = Severity.HIGH
    recoverable: ClassVar[bool] = True
    retry_safety: ClassVar[RetrySafety] = RetrySafety.SAFE


class MarketDataStaleError(MarketDataError):
    """The newest market data is older than it may be."""

    code = "market-data-stale"


class FeedSilentError(MarketDataError):
    """A feed is connected and delivers nothing."""

    code = "feed-silent"
    severity = Severity.CRITICAL


class WebSocketError(MarketDataError):
    """A WebSocket connection was lost or refused."""

    code = "websocket-lost"


class FeedMessageError(MarketDataError):
    """A feed sent something that is not of its documented format."""

    code = "feed-message-invalid"
    severity = Severity.MEDIUM


class FeedReconnectsExhaustedError(MarketDataError):
    """A feed used up its budget of reconnection attempts."""

    code = "feed-reconnects-exhausted"
    severity = Severity.CRITICAL


class FeedRestError(MarketDataError):
    """The REST interface that stands in for a lost feed did not answer either."""

    code = "feed-rest-failed"
