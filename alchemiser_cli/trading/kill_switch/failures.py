"""What is said where the kill switch cannot be written."""

from pathlib import Path

from alchemiser_cli.errors import KillSwitchUnreadableError, ValidationError
from alchemiser_cli.trading.kill_switch.record import KillSwitchRecord

__all__ = ["no_reason", "not_cleared", "not_written"]


def no_reason() -> ValidationError:
    """Return the refusal of a clearing without a reason."""
    return ValidationError(
        "the kill switch is cleared only with a reason",
        why="Who reads the trail later must see why trading went on.",
        next_step="Say in a few words what was wrong and why it is right now.",
    )


def not_written(
    file: Path, record: KillSwitchRecord, error: OSError, *, in_memory: bool
) -> KillSwitchUnreadableError:
    """Return the error of a set switch whose ``file`` failed; ``in_memory``: the flag holds."""
    if in_memory:
        what = "the kill switch is set, but only in memory"
        next_step = "Make room or mend the folder: a restart of the machine would clear it."
    else:
        what = "the kill switch cannot be written: only this process has stopped"
        next_step = "Stop the trading processes, then mend the folders."
    return KillSwitchUnreadableError(
        what,
        why=f"{file} cannot be written: {error.strerror or error}.",
        next_step=next_step,
        context={"reason": record.reason, "by": record.by, "in_memory": in_memory},
    )


def not_cleared(why: str) -> KillSwitchUnreadableError:
    """Return the error of a switch that stays set."""
    return KillSwitchUnreadableError(
        "the kill switch cannot be cleared; it stays set",
        why=why,
        next_step="Mend the file or the folder, then try again.",
    )
