"""A control: the home's trading is halted while the experiment runs.

A runner that is killed leaves the kill switch set, which is the safe side: resume by hand.
"""

from contextlib import closing
from typing import Any

from alchemiser_cli.chaos.experiments.ground import current_ground
from alchemiser_cli.trading.kill_switch import KillSwitch

__all__ = ["after_experiment_control", "before_experiment_control"]

BY = "chaos"
REASON = "an experiment is under way"


def before_experiment_control(**_about: Any) -> None:
    """Set the kill switch, unless somebody has set it before."""
    with closing(_switch()) as switch:
        if not switch.active:
            switch.set(REASON, BY)


def after_experiment_control(**_about: Any) -> None:
    """Clear the kill switch, unless it was set by somebody else or for something else."""
    with closing(_switch()) as switch:
        state = switch.state()
        if state.active and (state.by, state.reason) == (BY, REASON):
            switch.clear("the experiment is over", BY)


def _switch() -> KillSwitch:
    ground = current_ground()
    settings = ground.resolved.settings
    return KillSwitch(settings.shm.directory, settings.kill_switch_file, ground.clock)
