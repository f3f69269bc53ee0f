"""The rule: a stage is at fault where it was given work and does none, and nobody before it is."""

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from itertools import pairwise

from alchemiser_cli.clock import NS_PER_SECOND, duration_text
from alchemiser_cli.trading.activity import STAGES, StageSeen
from alchemiser_cli.trading.validator.report import StageLook, StageState

__all__ = ["MAX_AHEAD_S", "Rule", "impossible", "judge"]

# How far the clocks of two machines, and the stages' notes with them, may be apart.
MAX_AHEAD_S = 5.0
# A process reports once a second; after so long without it, this is worth mentioning.
_REPORT_LATE_S = 15.0

_BEFORE: dict[str, str] = {stage: before for before, stage in pairwise(STAGES)}


@dataclass(frozen=True)
class Rule:
    """When stages are judged: now, in UTC nanoseconds, and how long one may be silent."""

    now_ns: int
    max_silence_s: float
    watched_since_ns: int

    def age_s(self, at_ns: float) -> float:
        """Return how long ago ``at_ns`` was, in seconds and never below 0."""
        return max(0.0, (self.now_ns - at_ns) / NS_PER_SECOND)

    def too_long(self, at_ns: float) -> bool:
        """Tell whether who has owed something since ``at_ns`` is overdue."""
        return self.now_ns - at_ns > self.max_silence_s * NS_PER_SECOND


def impossible(seen: StageSeen, now_ns: int) -> str:
    """Say what about the times of ``seen`` cannot be; empty where nothing is."""
    ahead_ns = MAX_AHEAD_S * NS_PER_SECOND
    for what, at_ns in (("last work", seen.active_ns), ("last output", seen.gave_ns)):
        if at_ns is None:
            continue
        if not math.isfinite(at_ns):
            return f"the time of its {what} is {at_ns}"
        if at_ns <= 0:
            return f"the time of its {what} is not after 1970"
        if at_ns > now_ns + ahead_ns:
            ahead = duration_text((at_ns - now_ns) / NS_PER_SECOND)
            return f"the time of its {what} is {ahead} in the future"
    if seen.gave_ns is not None and seen.gave_ns > seen.active_ns + ahead_ns:
        behind = duration_text((seen.gave_ns - seen.active_ns) / NS_PER_SECOND)
        return f"its last output is {behind} newer than its last work"
    return ""


def judge(
    broker: str,
    seen: Mapping[str, StageSeen],
    unknown: Mapping[str, str],
    rule: Rule,
    owed: MutableMapping[str, float],
) -> list[StageLook]:
    """Judge the stages of one broker, in their order; at most one of them is silent.

    The first silent stage is the cause, and those after it wait for it. The first one, market
    data, is silent by time alone; any other one only where the stage before it gave it something
    to do that it has not done in time.

    Args:
        broker: Its name.
        seen: Stages with times that can be.
        unknown: Stages of which nothing is known, and why.
        rule: What is too long.
        owed: Since when each stage has had work, in UTC nanoseconds; kept from look to look.
    """
    looks: list[StageLook] = []
    cause = ""
    for stage in STAGES:
        look = _look(broker, stage, seen, unknown, rule, owed)
        if cause and look.state in ("silent", "idle"):
            look = StageLook(broker, stage, "waiting", f"waits for {cause}", look.age_s)
        elif look.state == "silent":
            cause = stage
        looks.append(look)
    return looks


def _look(
    broker: str,
    stage: str,
    seen: Mapping[str, StageSeen],
    unknown: Mapping[str, str],
    rule: Rule,
    owed: MutableMapping[str, float],
) -> StageLook:
    mine = seen.get(stage)
    if mine is None:
        owed.pop(stage, None)
        return StageLook(broker, stage, *_unreported(unknown.get(stage), rule))
    before = _BEFORE.get(stage)
    since_ns = _owed_since(stage, mine, seen.get(before), owed) if before else None
    state: StageState = "active"
    detail = ""
    if before is None and rule.too_long(mine.active_ns):
        state, detail = "silent", _silent(mine, rule)
    elif since_ns is not None and rule.too_long(since_ns):
        waited = duration_text(rule.age_s(since_ns))
        state, detail = "silent", f"{_silent(mine, rule)}; {before} gave it work {waited} ago"
    elif since_ns is None and rule.too_long(mine.active_ns):
        state, detail = "idle", "nothing to do"
    return StageLook(broker, stage, state, detail, round(rule.age_s(mine.active_ns), 3))


def _unreported(why: str | None, rule: Rule) -> tuple[StageState, str]:
    if why is not None:
        return "unknown", why
    if rule.too_long(rule.watched_since_ns):
        return "silent", "no process has ever reported it"
    return "unknown", "no process has reported it yet"


def _owed_since(
    stage: str, mine: StageSeen, before: StageSeen | None, owed: MutableMapping[str, float]
) -> float | None:
    """Return since when ``stage`` has had work that it has not begun; None where it has none.

    The stage before it goes on giving work, so only its latest is known at any one look: the
    oldest of them is remembered until the stage has been at work after it.
    """
    tolerance_ns = MAX_AHEAD_S * NS_PER_SECOND
    gave_ns = None if before is None else before.gave_ns
    if gave_ns is None or mine.active_ns >= gave_ns - tolerance_ns:
        owed.pop(stage, None)
        return None
    since_ns = owed.get(stage)
    if since_ns is None or mine.active_ns >= since_ns - tolerance_ns:
        owed[stage] = since_ns = gave_ns
    return since_ns


def _silent(seen: StageSeen, rule: Rule) -> str:
    said = f"silent for {duration_text(rule.age_s(seen.active_ns))}"
    if seen.reported_ns is None:
        return said
    reported_s = rule.age_s(seen.reported_ns)
    if seen.running is False:
        return f"{said}; its process ended {duration_text(reported_s)} ago"
    if reported_s > _REPORT_LATE_S:
        return f"{said}; its process last reported {duration_text(reported_s)} ago"
    return f"{said}, though its process runs"
