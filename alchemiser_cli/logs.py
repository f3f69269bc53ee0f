"""structlog set-up: channels, one queue, redaction, correlation ids."""

from typing import Literal

import structlog

__all__ = ["CHANNELS", "Channel", "get_logger"]

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
CHANNELS: tuple[Channel, ...] = Channel.__args__  # type: ignore[attr-defined]  # typing's own


def get_logger(channel: Channel, component: str) -> structlog.stdlib.BoundLogger:
    """Return a logger of ``channel`` whose records carry ``component``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(
        f"alchemiser.{channel}", component=component
    )
    return logger
