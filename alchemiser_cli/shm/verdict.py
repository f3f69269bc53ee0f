"""One word for the state of a segment, with its reasons and what to do."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from alchemiser_cli.clock import duration_text
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.files import MODE, SEGMENT_PREFIX
from alchemiser_cli.shm.inspecting import SegmentFacts
from alchemiser_cli.shm.layout import Problem

__all__ = ["UNTOUCHABLE", "Judgement", "Verdict", "judge"]

Verdict = Literal["healthy", "degraded", "corrupt", "orphan"]


# Not for a repair: it belongs to somebody else, or to another version.
UNTOUCHABLE: frozenset[Problem | None] = frozenset({"foreign", "layout", "unreadable"})


class Judgement(msgspec.Struct, frozen=True):
    """The verdict, the findings that it rests on, and the operator's next step."""

    verdict: Verdict
    findings: tuple[str, ...]
    next_step: str


def judge(  # noqa: PLR0911  one verdict each, in their order
    facts: SegmentFacts, settings: ShmSettings
) -> Judgement:
    """Judge a segment: ``corrupt`` before ``orphan`` before ``degraded``.

    Corrupt: its published generation cannot be read. Orphan: nobody uses it, and it is expired or
    was never finished, so that it only takes up memory. Degraded: readers are served, and something
    needs a look.
    """
    if facts.problem in UNTOUCHABLE:
        return Judgement("corrupt", (facts.finding,), "Look at the file and at its owner.")
    repair = f"alchemiser shm repair {facts.name}"
    prune = f"Look at the plan that removes it: {repair} --prune"
    if facts.problem == "unfinished":
        if facts.lease.held:
            return Judgement("degraded", ("its creation is not finished",), "Wait a moment.")
        return Judgement("orphan", (facts.finding,), prune)
    if fault := _corruption(facts):
        findings = (fault, *_degradations(facts, settings))
        return Judgement("corrupt", findings, f"Look at the plan of its repair: {repair}")
    findings = tuple(_degradations(facts, settings))
    if reason := _abandonment(facts, settings):
        return Judgement("orphan", (reason, *findings), prune)
    if findings:
        return Judgement("degraded", findings, _next_step(facts))
    return Judgement("healthy", (), "Nothing is to be done.")


def _corruption(facts: SegmentFacts) -> str | None:  # noqa: PLR0911  one reason each
    if facts.header is None:
        return facts.finding
    if facts.retired:
        return "it was replaced or removed, and its readers were told so"
    if facts.generation is None:
        return "its published generation is damaged"
    slot = facts.published
    if slot is None or (slot.generation == facts.generation and slot.checksum_ok):
        return None
    if slot.state == "changing" or (facts.lease.held and slot.generation != facts.generation):
        return None  # a writer overtook this look
    if slot.generation != facts.generation:
        return f"slot {slot.index} does not hold the published generation {facts.generation}"
    return f"slot {slot.index} with the published generation fails its checksum"


def _abandonment(facts: SegmentFacts, settings: ShmSettings) -> str | None:
    if facts.lease.held or any(reader.alive is not False for reader in facts.readers):
        return None
    age_s = facts.age_s if facts.age_s is not None else facts.created_age_s
    if age_s is None or age_s <= settings.max_age_s:
        return None
    return f"no process uses it, and its weights are expired ({duration_text(age_s)} old)"


def _degradations(facts: SegmentFacts, settings: ShmSettings) -> Iterator[str]:
    if facts.mode != MODE:
        yield f"it has mode {facts.mode:04o}, not {MODE:04o}"
    if not facts.lease.held and facts.lease.holder is not None:
        yield f"its writer, process {facts.lease.holder.pid}, died: {facts.lease.evidence}"
    if facts.lease.held and (facts.silence_s or 0.0) > settings.hung_after_s:
        silence = duration_text(facts.silence_s or 0.0)
        yield f"its writer holds the lease and is silent for {silence}"
    for slot in facts.slots:
        if slot.state == "damaged":
            yield f"the mark of slot {slot.index} is damaged"
        elif slot is not facts.published and slot.checksum_ok is False:
            yield f"slot {slot.index} (generation {slot.generation}) fails its checksum"
        elif facts.lease.held:
            continue  # what a living writer is at
        elif slot.state == "writing":
            yield f"the writing of generation {slot.generation} into slot {slot.index} was cut off"
        elif slot.checksum_ok and _unpublished(slot.generation, facts.generation):
            yield f"slot {slot.index} holds generation {slot.generation}, which is not published"


def _unpublished(generation: int | None, published: int | None) -> bool:
    return generation is not None and published is not None and generation > published


def _next_step(facts: SegmentFacts) -> str:
    if facts.lease.held:
        if facts.mode != MODE:
            return f"Set its mode: chmod 600 on {SEGMENT_PREFIX}{facts.name}"
        return "Look at the writer's process: a hung one is stopped with SIGTERM, never robbed."
    return f"Start its writer again, or look at the plan: alchemiser shm repair {facts.name}"
