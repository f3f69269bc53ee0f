"""Carrying out a repair, under the writer's lease and after a copy was saved."""

import os
from pathlib import Path
from typing import Self

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.errors import GenerationNotFoundError
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.control import HEARTBEAT_WORD, REPAIRS_WORD, RETIRED_WORD
from alchemiser_cli.shm.files import create_file, open_file, segment_file, side_file
from alchemiser_cli.shm.forensics import save_copy
from alchemiser_cli.shm.inspecting import SegmentFacts, gather_facts
from alchemiser_cli.shm.layout import CONTROL, PUBLISHED_WORD, SLOTS, Header, plan_header
from alchemiser_cli.shm.lease import LeaseEvidence, WriterLease, lease_evidence
from alchemiser_cli.shm.mapping import Mapping
from alchemiser_cli.shm.presence import PURPOSE as READERS
from alchemiser_cli.shm.repair_plan import RepairPlan, RepairStep, plan_repair, refusal
from alchemiser_cli.shm.republishing import publish_again, slot_body
from alchemiser_cli.shm.slot_reports import SlotReport, slot_report
from alchemiser_cli.shm.slots import slot_of
from alchemiser_cli.shm.verdict import judge
from alchemiser_cli.shm.words import PUBLISHED, WORD, seal

__all__ = ["RepairOutcome", "RollbackOutcome", "apply_repair", "rollback", "segment_plan"]

_LOG = get_logger("application", "shm")


class RepairOutcome(msgspec.Struct, frozen=True):
    """What was done, where the copy lies, and the generation that is published now."""

    plan: RepairPlan
    copy: str | None
    generation: int | None


class RollbackOutcome(msgspec.Struct, frozen=True):
    """The published generations ``before`` and now; now's content is that of ``source``."""

    segment: str
    before: int
    source: int
    generation: int


def segment_plan(
    settings: ShmSettings, name: str, clock: Clock, *, adopt: bool = False, prune: bool = False
) -> RepairPlan:
    """Return what ``apply_repair`` would do; touches nothing.

    Raises:
        SegmentNotFoundError: ``segment-not-found``.
        SegmentAttachError: ``segment-attach-failed`` if the file cannot be opened.
    """
    facts = gather_facts(settings, name, clock, tensors=False)
    return plan_repair(facts, judge(facts, settings), adopt=adopt, prune=prune)


def apply_repair(
    settings: ShmSettings,
    name: str,
    clock: Clock,
    copies: Path,
    *,
    adopt: bool = False,
    prune: bool = False,
) -> RepairOutcome:
    """Repair the segment ``name`` as planned; a copy of the file goes into ``copies`` first.

    Raises:
        SegmentWriterAliveError: ``segment-writer-alive`` if the writer lives, or may live in
            another pid namespace.
        FileOperationError: ``home-not-writable`` or ``disk-full`` if the copy cannot be saved.
        SharedMemoryError: others as for ``segment_plan`` and ``open_file``.
    """
    planned = segment_plan(settings, name, clock, adopt=adopt, prune=prune)
    if planned.refused is None and not planned.steps:
        return RepairOutcome(planned, None, gather_facts(settings, name, clock).generation)
    with _Repair(settings, name, clock) as repair:
        plan = plan_repair(repair.facts, judge(repair.facts, settings), adopt=adopt, prune=prune)
        if not plan.steps:
            return RepairOutcome(plan, None, repair.facts.generation)
        copy = save_copy(repair.file, copies, clock)
        generation = repair.carry_out(plan.steps)
        _LOG.info(
            "shm_repaired",
            segment=repair.file.name,
            actions=[step.action for step in plan.steps],
            copy=str(copy),
            generation=generation,
        )
        return RepairOutcome(plan, str(copy), generation)


def rollback(
    settings: ShmSettings, name: str, clock: Clock, *, to: int | None = None
) -> RollbackOutcome:
    """Publish an earlier generation again, under a higher one and as of now.

    ``to`` is a generation that a slot still holds, by default the one before the published.

    Raises:
        SegmentWriterAliveError: ``segment-writer-alive``.
        GenerationNotFoundError: ``generation-not-found`` if no slot holds such a one unharmed.
        SharedMemoryError: others as for ``segment_plan`` and ``open_file``.
    """
    with _Repair(settings, name, clock) as repair:
        current = repair.facts.generation or 0
        earlier = [
            slot
            for slot in repair.facts.slots
            if slot.checksum_ok
            and slot.generation is not None
            and (slot.generation < current if to is None else slot.generation == to)
        ]
        if not earlier:
            raise _nothing_earlier(repair.facts, to)
        best = max(earlier, key=lambda slot: slot.generation or 0)
        times_ns = clock.now_ns(), clock.monotonic_ns()
        generation = repair.publish_slot(best, times_ns)
        _LOG.info("shm_rolled_back", segment=repair.file.name, generation=generation)
        return RollbackOutcome(name, current, best.generation or 0, generation)


def _nothing_earlier(facts: SegmentFacts, to: int | None) -> GenerationNotFoundError:
    wanted = f"generation {to}" if to is not None else f"one before {facts.generation or 0}"
    held = sorted(slot.generation or 0 for slot in facts.slots if slot.checksum_ok)
    return GenerationNotFoundError(
        f"{facts.name} has nothing to roll back to",
        why=f"No slot holds {wanted} unharmed; the slots hold {held}.",
        next_step="Choose one of those with --to, or publish good weights with the writer.",
        context={"held": held},
    )


class _Repair:
    """A repair at work: it holds the lease, and knows the facts as of then."""

    def __init__(self, settings: ShmSettings, name: str, clock: Clock) -> None:
        self.file = segment_file(settings.directory, name)
        self._clock = clock
        before = gather_facts(settings, name, clock, tensors=False)
        RepairPlan(name, judge(before, settings), refused=refusal(before)).refuse()
        self._lease = WriterLease(self.file, clock)
        try:
            free = _freed(lease_evidence(self.file), before.lease)
            self.facts = gather_facts(settings, name, clock, lease=free, tensors=False)
        except BaseException:
            self._lease.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.release()

    def carry_out(self, steps: tuple[RepairStep, ...]) -> int | None:
        """Do the steps, in their order; return the generation that is published then."""
        actions = [step.action for step in steps]
        if "prune" in actions:
            self._remove()
            return None
        if "quarantine" in actions:
            if "recreate" in actions:
                return self._replace()
            self._remove()
            return None
        generation = self.facts.generation
        for step in steps:
            slot = self.facts.slots[step.slot or 0]
            if step.action == "adopt":
                generation = self._adopt(step)
            elif step.action == "rollback":
                generation = self.publish_slot(slot)
            elif generation is None or slot.index != slot_of(generation):
                self._scrub(slot.index)  # else the rollback wrote a good generation there
        return generation

    def publish_slot(self, slot: SlotReport, times_ns: tuple[int, int] | None = None) -> int:
        """Publish the content of ``slot`` again, with its own times or with ``times_ns``."""
        mapping = self._mapped()
        generation = self._next(slot.index)
        publish_again(mapping, slot_body(mapping, slot.index), generation, times_ns)
        self._noted(mapping)
        return generation

    def _adopt(self, step: RepairStep) -> int:
        mapping = self._mapped()
        generation = step.generation or 0
        mapping.words[PUBLISHED_WORD] = seal(PUBLISHED, generation)
        self._noted(mapping)
        return generation

    def _scrub(self, index: int) -> None:
        mapping = self._mapped()
        mapping.words[mapping.marks[index]] = 0
        self._noted(mapping)

    def _remove(self) -> None:
        _retire(self.file)
        side_file(self.file, READERS).unlink(missing_ok=True)
        self._lease.release(unlink=True)

    def _replace(self) -> int | None:
        """Make the segment anew, with the newest whole generation, and only then tell readers."""
        facts = self.facts
        old = facts.header or facts.spare_header
        if old is None:
            self._remove()
            return None
        descriptor = os.open(self.file, os.O_RDWR | os.O_NOFOLLOW)
        try:
            slots = [slot_report(descriptor, old, index) for index in range(old.slot_count)]
            whole = [slot for slot in slots if slot.checksum_ok]
            mapping = Mapping(descriptor, old, writable=True)
            known = [slot.generation or 0 for slot in slots]
            base = max([facts.generation or 0, *known]) + SLOTS
            self.file.unlink()
            create_file(self.file, self._renewed(old), base)
            generation = None
            if whole:
                best = max(whole, key=lambda slot: slot.generation or 0)
                generation = base + 1
                publish_again(self._mapped(), slot_body(mapping, best.index), generation, None)
            mapping.words[PUBLISHED_WORD] = RETIRED_WORD
        finally:
            os.close(descriptor)
        return generation

    def _renewed(self, old: Header) -> Header:
        return plan_header(
            old.manifest,
            created_ns=self._clock.now_ns(),
            incarnation=int.from_bytes(os.urandom(8), "big"),
            observation_hash=old.observation_hash,
        )

    def _next(self, source: int) -> int:
        """Return a generation that is higher than any, and not in slot ``source``."""
        facts = self.facts
        known = [slot.generation or 0 for slot in facts.slots]
        # A damaged published word may have said more than any slot still tells.
        margin = 1 if facts.generation is not None else SLOTS + 1
        generation = max([facts.generation or 0, *known]) + margin
        return generation + 1 if slot_of(generation) == source else generation

    def _mapped(self) -> Mapping:
        descriptor, header = open_file(self.file)
        try:
            return Mapping(descriptor, header, writable=True)
        finally:
            os.close(descriptor)

    def _noted(self, mapping: Mapping) -> None:
        mapping.words[REPAIRS_WORD] += 1
        mapping.words[HEARTBEAT_WORD] = self._clock.now_ns()


def _freed(now: LeaseEvidence, before: LeaseEvidence) -> LeaseEvidence:
    """Return the evidence from before this process took the lease."""
    return LeaseEvidence(False, before.holder, before.alive, before.evidence or now.evidence)


def _retire(file: Path) -> None:
    """Tell readers that have the file mapped, and remove it."""
    descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(descriptor).st_size >= CONTROL + WORD:
            word = memoryview(bytearray(WORD))
            word.cast("Q")[0] = RETIRED_WORD
            os.pwrite(descriptor, word, CONTROL)
        file.unlink()
    finally:
        os.close(descriptor)
