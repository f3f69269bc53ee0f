"""What a repair would do to a segment, in words and as data, before anything is touched."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from alchemiser_cli.errors import SegmentForeignError, SegmentWriterAliveError
from alchemiser_cli.shm.inspecting import SegmentFacts
from alchemiser_cli.shm.slot_reports import SlotReport
from alchemiser_cli.shm.verdict import UNTOUCHABLE, Judgement

__all__ = ["RepairPlan", "RepairStep", "plan_repair", "refusal"]

Action = Literal["adopt", "rollback", "scrub", "quarantine", "recreate", "prune"]


class RepairStep(msgspec.Struct, frozen=True):
    """One step, with the slot and the generation that it is about, and its words."""

    action: Action
    words: str
    slot: int | None = None
    generation: int | None = None


class RepairPlan(msgspec.Struct, frozen=True):
    """The steps in their order; none where nothing is broken.

    ``judgement`` is what was found before, ``refused`` is why nothing may be done now: the writer
    lives, or the file is ``foreign``. ``offers`` is what an option would add.
    """

    segment: str
    judgement: Judgement
    steps: tuple[RepairStep, ...] = ()
    refused: str | None = None
    foreign: bool = False
    offers: tuple[str, ...] = ()

    def refuse(self) -> None:
        """Raise if nothing may be done now.

        Raises:
            SegmentForeignError: ``segment-foreign``.
            SegmentWriterAliveError: ``segment-writer-alive``.
        """
        if self.foreign:
            raise SegmentForeignError(
                f"{self.segment} is not ours to repair",
                why=f"As found: {self.refused}.",
                next_step="Find out whose file it is; move it away when no process has it open.",
            )
        if self.refused is not None:
            raise SegmentWriterAliveError(
                f"{self.segment} is not to be touched",
                why=f"{self.refused[0].upper()}{self.refused[1:]}.",
                next_step="Stop the writer with SIGTERM where it runs, then try again.",
            )


def plan_repair(  # noqa: PLR0911  one state each
    facts: SegmentFacts, judgement: Judgement, *, adopt: bool = False, prune: bool = False
) -> RepairPlan:
    """Plan the repair of a segment.

    ``adopt`` publishes a complete generation that its writer was killed before publishing;
    ``prune`` removes a segment that nobody uses.
    """
    nothing = RepairPlan(facts.name, judgement)
    if judgement.verdict == "healthy" and not (adopt or prune):
        return nothing
    if facts.problem in UNTOUCHABLE:
        return replace(nothing, refused=facts.finding, foreign=True)
    if reason := refusal(facts):
        return replace(nothing, refused=reason)
    if judgement.verdict == "orphan":
        if prune:
            step = RepairStep("prune", "Save a copy, tell mapped readers, and remove the file.")
            return replace(nothing, steps=(step,))
        return replace(nothing, offers=("--prune: remove it after a copy was saved",))
    if facts.header is None:
        return replace(nothing, steps=_replacement(facts))
    steps, offers = _slots_plan(facts, adopt=adopt)
    return replace(nothing, steps=tuple(steps), offers=tuple(offers))


def refusal(facts: SegmentFacts) -> str | None:
    """Return why the segment must not be touched: its writer lives, or may live."""
    lease = facts.lease
    if lease.held:
        return f"its writer's lease is taken: {lease.evidence}"
    if lease.holder is not None and lease.alive is not False:
        return f"its writer may live: {lease.evidence}"
    return None


def _slots_plan(facts: SegmentFacts, *, adopt: bool) -> tuple[list[RepairStep], list[str]]:
    steps: list[RepairStep] = []
    offers: list[str] = []
    published = facts.generation
    whole = [slot for slot in facts.slots if slot.checksum_ok]
    later = [slot for slot in whole if _later(slot, published)]
    if later and adopt:
        best = max(later, key=_generation)
        words = f"Publish generation {best.generation}, complete in slot {best.index}."
        steps.append(RepairStep("adopt", words, best.index, best.generation))
        later = [slot for slot in later if slot is not best]
    elif _broken(facts):
        steps.append(_salvage([slot for slot in whole if slot not in later]))
        if later:
            offers.append(f"--adopt: publish generation {_generation(later[0])} instead")
    elif later:
        offers.append(f"--adopt: publish generation {_generation(later[0])}")
    if steps and steps[-1].action == "quarantine":
        return [*steps, _RECREATE], offers
    for slot in facts.slots:
        if slot.state in {"writing", "damaged"} or slot.checksum_ok is False or slot in later:
            words = f"Mark slot {slot.index} ({slot.state}) as empty."
            steps.append(RepairStep("scrub", words, slot.index, slot.generation))
    return steps, offers


_QUARANTINE = RepairStep("quarantine", "Save a copy, and take the file out of use.")
_RECREATE = RepairStep("recreate", "Make the segment anew; its writer publishes into it.")


def _replacement(facts: SegmentFacts) -> tuple[RepairStep, ...]:
    """Plan for a broken header: with the copy at the end of the file the segment is made anew."""
    if facts.spare_header is None:
        return (_QUARANTINE,)
    words = "Make it anew from the second header, with the newest generation that is whole."
    return (_QUARANTINE, RepairStep("recreate", words))


def _salvage(whole: list[SlotReport]) -> RepairStep:
    if not whole:
        return _QUARANTINE
    best = max(whole, key=_generation)
    words = (
        f"Publish generation {best.generation} of slot {best.index} again, "
        "under a higher generation."
    )
    return RepairStep("rollback", words, best.index, best.generation)


def _broken(facts: SegmentFacts) -> bool:
    """Whether the published generation cannot be read."""
    slot = facts.published
    if facts.generation is None:
        return True
    return slot is not None and not (slot.generation == facts.generation and slot.checksum_ok)


def _later(slot: SlotReport, published: int | None) -> bool:
    return published is not None and _generation(slot) > published


def _generation(slot: SlotReport) -> int:
    return slot.generation or 0
