"""Permission to break things: where that is dangerous, profile and caller must both say so."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from alchemiser_cli.errors import ChaosRefusedError
from alchemiser_cli.settings import Settings
from alchemiser_cli.settings.chaos import Danger
from alchemiser_cli.settings.sections import Environment
from alchemiser_cli.trading.control import DeskStatus

__all__ = ["FoundDanger", "dangers", "demand_permission"]

_PAPER = "paper"


class FoundDanger(msgspec.Struct, frozen=True):
    """Something that must not be broken by the way, and how one can tell that it is there."""

    danger: Danger
    why: str


def dangers(settings: Settings) -> list[FoundDanger]:
    """Return what makes faults dangerous here: production, a live broker, open positions.

    A desk whose status cannot be read counts as one with open positions.
    """
    found = []
    if settings.environment is Environment.PRODUCTION:
        found.append(FoundDanger("production", "The environment is production."))
    live = [name for name, one in settings.brokers.items() if one.enabled and name != _PAPER]
    if live:
        found.append(FoundDanger("live-broker", f"Orders may go to {', '.join(sorted(live))}."))
    held = _positions(settings.run_folder / "trading")
    if held:
        found.append(FoundDanger("open-positions", f"{'; '.join(held)}."))
    return found


def demand_permission(settings: Settings, confirmed: Collection[str]) -> list[Danger]:
    """Return the dangers that are there, all of which are allowed and ``confirmed``.

    Raises:
        ChaosRefusedError: ``chaos-refused``.
    """
    found = dangers(settings)
    refused = [
        one
        for one in found
        if one.danger not in settings.chaos.allow or one.danger not in confirmed
    ]
    if refused:
        raise _refused(settings, refused)
    return [one.danger for one in found]


def _positions(folder: Path) -> list[str]:
    """Say what each desk of a folder holds, as it said itself last, running or not."""
    held = []
    for file in sorted(folder.glob("*.json")):
        try:
            status = msgspec.json.decode(file.read_bytes(), type=DeskStatus)
        except (OSError, msgspec.MsgspecError):
            held.append(f"What the desk {file.stem} holds cannot be read")
            continue
        if status.account is not None and status.account.positions:
            held.append(f"The desk {file.stem} holds {len(status.account.positions)} positions")
    return held


def _refused(settings: Settings, refused: list[FoundDanger]) -> ChaosRefusedError:
    missing = [one.danger for one in refused if one.danger not in settings.chaos.allow]
    confirms = " ".join(f"--confirm {one.danger}" for one in refused)
    if missing:
        step = f"Use another home or profile; or put {', '.join(missing)} into chaos.allow of this "
        step += f"profile, and say {confirms}."
    else:
        step = f"The profile allows it. If you mean it, say {confirms}."
    return ChaosRefusedError(
        f"nothing may be broken here: {', '.join(one.danger for one in refused)}",
        why=" ".join(one.why for one in refused),
        next_step=step,
        context={"dangers": [one.danger for one in refused]},
    )
