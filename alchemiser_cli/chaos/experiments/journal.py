"""The journal of an experiment, in the format of Chaos Toolkit, with our verdict beside it.

Source: https://chaostoolkit.org/reference/api/journal/
"""

from typing import Any, Literal

import msgspec

from alchemiser_cli.chaos.verdicts.verdict import Verdict
from alchemiser_cli.errors import ExperimentAbortedError

__all__ = ["ActivityRun", "ExperimentJournal", "SteadyState", "SteadyStates", "StepStatus"]

Status = Literal["completed", "failed", "aborted", "interrupted"]
StepStatus = Literal["succeeded", "failed", "aborted"]


class ActivityRun(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One activity that was run; ``activity`` is as the file has it, times are ISO 8601.

    ``duration`` is in seconds. ``tolerance_met`` is for probes of the hypothesis.
    """

    activity: dict[str, Any]
    status: StepStatus
    start: str
    end: str
    duration: float
    output: Any
    exception: list[str] | None = None
    tolerance_met: bool | None = None


class SteadyState(msgspec.Struct, frozen=True):
    """One look at the hypothesis."""

    steady_state_met: bool
    probes: list[ActivityRun]


class SteadyStates(msgspec.Struct):
    """The looks before and after the method; None where there was none."""

    before: SteadyState | None = None
    after: SteadyState | None = None
    during: list[SteadyState] = []


class ExperimentJournal(
    msgspec.Struct, kw_only=True, rename={"library_version": "chaoslib-version"}
):
    """What happened. ``deviated``: the steady state did not return after the method.

    ``status`` has the values of the format: completed, failed (the steady state was not there to
    begin with, or a step failed), aborted (by a safeguard, which ``aborted_by`` names) or
    interrupted. ``library_version`` is the version of the format that is followed.
    """

    library_version: str = "1.44.0"
    alchemiser_version: str
    platform: str
    node: str
    experiment: dict[str, Any]
    start: str
    end: str = ""
    duration: float = 0.0
    status: Status = "completed"
    deviated: bool = False
    steady_states: SteadyStates
    run: list[ActivityRun]
    rollbacks: list[ActivityRun]
    aborted_by: str = ""
    troubles: list[str]
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Tell whether it came to its end, and everything was as expected."""
        steps = [*self.run, *self.rollbacks]
        return (
            self.status == "completed"
            and not self.deviated
            and not self.troubles
            and all(one.status == "succeeded" for one in steps)
            and self.verdict.passed
        )

    def refuse(self) -> None:
        """Raise where a safeguard stopped the experiment.

        Raises:
            ExperimentAbortedError: ``experiment-aborted``.
        """
        if self.status != "aborted":
            return
        raise ExperimentAbortedError(
            f"the experiment {self.experiment.get('title')!r} was stopped before its end",
            why=f"A safeguard was passed: {self.aborted_by}. The rollbacks were run.",
            next_step="Find out why it cost more than was allowed before you try it again.",
            context={"aborted_by": self.aborted_by},
        )
