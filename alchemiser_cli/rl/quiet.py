"""No log lines of faults that are no news: planted by an audit, or of a rule that ruins itself."""

import contextlib
import logging
from collections.abc import Iterator

from alchemiser_cli.rl.data_events import DATA_EVENTS

__all__ = ["quiet"]

CHANNEL = "alchemiser.trading"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop the records of faults in the data that environments log meanwhile; no others."""

    def wanted(record: logging.LogRecord) -> bool:
        return not (isinstance(record.msg, dict) and record.msg.get("event") in DATA_EVENTS)

    logger = logging.getLogger(CHANNEL)
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)
