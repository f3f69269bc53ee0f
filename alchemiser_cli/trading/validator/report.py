"""What a look at the stages of trading found."""

from typing import Literal

import msgspec

__all__ = ["EVERY_STAGE", "Finding", "Issue", "Report", "Silence", "StageLook", "StageState"]

Issue = Literal["no_recent_data", "metrics_parse_error", "store_unavailable", "validation_error"]

EVERY_STAGE = "all"
"""The stage of a finding that is about no single one: a source that could not be read."""

StageState = Literal["active", "idle", "waiting", "silent", "unknown"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    ``no_recent_data``: the stage has work and does none. ``store_unavailable``: a source does not
    answer. ``metrics_parse_error``: its answer cannot be read. ``validation_error``: a time in it
    cannot be. ``detail`` says what was seen; ``age_s`` is since the stage's last work, None where
    there was none.
    """

    broker: str
    stage: str
    issue: Issue
    detail: str
    age_s: float | None = None


class Silence(msgspec.Struct, frozen=True):
    """A broker about which nothing is reported, and why."""

    broker: str
    reason: str


class StageLook(msgspec.Struct, frozen=True):
    """One stage at one look.

    ``active``: it works. ``idle``: it has nothing to do. ``waiting``: an earlier stage is silent.
    ``silent``: it has work and does none. ``unknown``: nothing is known of it.
    """

    broker: str
    stage: str
    state: StageState
    detail: str
    age_s: float | None = None


class Report(msgspec.Struct, frozen=True):
    """One look at all brokers; ``at_ns`` is its time in UTC nanoseconds."""

    at_ns: int
    findings: tuple[Finding, ...]
    silences: tuple[Silence, ...]
    stages: tuple[StageLook, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong, as far as anybody looks."""
        return not self.findings
