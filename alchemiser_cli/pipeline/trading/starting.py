"""Which services of trading start, and why the others do not."""

from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import Settings
from alchemiser_cli.trading.brokers import is_active

__all__ = ["NAMES", "log_services", "log_skipped", "skipped_services"]

NAMES = ("strategy", "risk", "broker")
"""The services, in the order in which a trade passes them."""

_LOG = get_logger("trading", "services")


def skipped_services(settings: Settings, broker: str, service: str | None) -> dict[str, str]:
    """Return the services that do not start here, each with why; ``service`` is the one wanted."""
    active = is_active(settings, broker)
    return {
        name: "broker not active" if active is False else "disabled by flags"
        for name in NAMES
        if active is False or service not in (None, name)
    }


def log_skipped(broker: str, skipped: dict[str, str]) -> None:
    """Log each service that does not start, and why."""
    for name, reason in skipped.items():
        _LOG.info("skipped", service=name, broker=broker, reason=reason)


def log_services(event: str, broker: str) -> None:
    """Log ``event`` (starting, started or stopped) of all services, where one process has them."""
    for name in NAMES:
        _LOG.info(event, service=name, broker=broker)
