"""How much an alert matters while money is at stake."""

import msgspec

from alchemiser_cli.errors import TradingClientError, error_class
from alchemiser_cli.notifications.alert import Alert, Level
from alchemiser_cli.settings import AlertSettings

__all__ = ["weighted"]

_HIGHER: dict[Level, Level] = {"low": "medium", "medium": "high", "high": "critical"}


def weighted(alert: Alert, exposure_share: float, settings: AlertSettings) -> Alert:
    """Return ``alert``, one severity higher where it is of trading and much is at stake.

    ``exposure_share`` is the open exposure as a share of equity; much is ``alerts.exposure_raises``
    and above, and never where that is 0. Its sign does not count: a short position and an equity
    below zero are risks, too. An exposure that nobody can tell (NaN) counts as much. Of trading is
    an alert of the kind ``trading``, one that comes from a command of `alchemiser trade`, and an
    error of trading wherever it happened.
    """
    enough = settings.exposure_raises
    if enough == 0 or abs(exposure_share) < enough or not _of_trading(alert):
        return alert
    return msgspec.structs.replace(alert, severity=_HIGHER.get(alert.severity, "critical"))


def _of_trading(alert: Alert) -> bool:
    if alert.kind == "trading" or alert.component.partition(" ")[0] == "trade":
        return True
    kind = error_class(alert.code)
    # The errors of trading are those that stand with their family in one module.
    return kind is not None and kind.__module__ == TradingClientError.__module__
