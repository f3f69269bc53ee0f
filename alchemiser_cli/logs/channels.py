"""The channels and their loggers."""

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from alchemiser_cli.logs.redaction import redacted

if TYPE_CHECKING:
    import structlog

__all__ = ["CHANNELS", "ROOT", "Channel", "get_logger"]

Channel = Literal[
    "application",
    "trading",
    "market_data",
    "api",
    "error",
    "monitoring",
    "performance",
    "audit",
]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

ROOT = "alchemiser"

# Without a log session, records lead nowhere, and above all not to standard error.
logging.getLogger(ROOT).addHandler(logging.NullHandler())


def get_logger(channel: Channel, component: str) -> "structlog.stdlib.BoundLogger":
    """Return a logger of ``channel`` whose records carry ``component``."""
    return cast("structlog.stdlib.BoundLogger", _LazyLogger(channel, component))


class _LazyLogger:
    """Loads structlog with its first record: 100 ms that a command without records is spared."""

    def __init__(self, channel: Channel, component: str) -> None:
        self._channel = channel
        self._component = component
        self._bound: structlog.stdlib.BoundLogger | None = None

    def __getattr__(self, name: str) -> Any:
        if self._bound is None:
            self._bound = _bound_logger(self._channel, self._component)
        return getattr(self._bound, name)


def _bound_logger(channel: Channel, component: str) -> "structlog.stdlib.BoundLogger":
    import structlog

    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"{ROOT}.{channel}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            _add_channel,
            structlog.processors.format_exc_info,
            _redact,
            _to_record,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=True,
        component=component,
    )
    return logger


def _add_channel(
    logger: logging.Logger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["channel"] = logger.name.removeprefix(f"{ROOT}.")
    return event


def _redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: redacted(name, value) for name, value in event.items()}


def _to_record(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[MutableMapping[str, Any]], dict[str, Any]]:
    # An error that ends the command is shown by main() itself, so the console leaves it out.
    shown_by_main = bool(event.pop("shown_by_main", False))
    return (event,), {"extra": {"shown_by_main": shown_by_main}}
