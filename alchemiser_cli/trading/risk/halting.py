"""A daily loss beyond its limit sets the kill switch, for every process of the home."""

from collections.abc import Callable

from alchemiser_cli.errors import AlchemiserError, KillSwitchUnreadableError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.kill_switch import KillSwitch

__all__ = ["LossStop"]

_LOG = get_logger("trading", "risk")


class LossStop:
    """Sets the kill switch for a loss, unless that is not ``enabled`` or it is set already."""

    def __init__(
        self,
        kill_switch: KillSwitch,
        on_set: Callable[[str], None],
        on_failure: Callable[[AlchemiserError], None],
        *,
        enabled: bool,
    ) -> None:
        """Tell ``on_set`` the reason; ``on_failure`` what could not be written."""
        self._kill_switch = kill_switch
        self._on_set = on_set
        self._on_failure = on_failure
        self._enabled = enabled

    def set(self, beyond: LimitReading) -> None:
        """Set the switch for the limit that ``beyond`` is about."""
        if not self._enabled or self._kill_switch.active:
            return
        value, most = beyond.value or 0.0, beyond.threshold or 0.0
        reason = f"{beyond.name}: {value:.2%} of equity, at most {most:.2%}"
        try:
            self._kill_switch.set(reason, "risk")
        except KillSwitchUnreadableError as error:
            _LOG.error("kill_switch_not_written", why=error.why, next_step=error.next_step)
            self._on_failure(error)
        self._on_set(reason)
