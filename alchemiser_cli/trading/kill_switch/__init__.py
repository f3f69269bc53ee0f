"""The kill switch: one word in shared memory that stops all trading, and the file behind it."""

from alchemiser_cli.trading.kill_switch.drill import DrillResult, RoundResult, drill
from alchemiser_cli.trading.kill_switch.record import KillSwitchRecord
from alchemiser_cli.trading.kill_switch.refusals import require_inactive
from alchemiser_cli.trading.kill_switch.switch import KillSwitch, KillSwitchState

__all__ = [
    "DrillResult",
    "KillSwitch",
    "KillSwitchRecord",
    "KillSwitchState",
    "RoundResult",
    "drill",
    "require_inactive",
]
