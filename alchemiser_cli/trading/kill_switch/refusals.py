"""The refusal of whatever must not happen while the kill switch is set."""

from alchemiser_cli.errors import KillSwitchActiveError, KillSwitchUnreadableError
from alchemiser_cli.trading.kill_switch.switch import KillSwitch

__all__ = ["require_inactive"]

_RESUME = "Find out why. Then clear it: alchemiser trade resume --reason TEXT"


def require_inactive(kill_switch: KillSwitch, what: str = "trading") -> None:
    """Refuse ``what`` while the kill switch is set.

    Raises:
        KillSwitchActiveError: ``kill-switch-active``.
        KillSwitchUnreadableError: ``kill-switch-unreadable``: it cannot be read, which counts as
            set.
    """
    state = kill_switch.state()
    if not state.active:
        return
    context = {"reason": state.reason, "by": state.by, "since_ns": state.since_ns}
    if state.readable:
        told = f"It was set by {state.by}: {state.reason}." if state.reason else state.evidence
        raise KillSwitchActiveError(
            f"{what} is stopped by the kill switch", why=told, next_step=_RESUME, context=context
        )
    raise KillSwitchUnreadableError(
        f"{what} is stopped: the kill switch cannot be read",
        why=f"{state.evidence}.",
        next_step="Mend the file or the folder, then clear it: "
        "alchemiser trade resume --reason TEXT",
        context=context,
    )
