"""All that an operator wants to know of a segment: its facts, and what follows from them."""

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm.freshness import State
from alchemiser_cli.shm.identity import liveness
from alchemiser_cli.shm.inspecting import SegmentFacts, gather_all, gather_facts
from alchemiser_cli.shm.verdict import Judgement, judge

__all__ = ["Diagnosis", "WriterSeen", "diagnose", "diagnose_all"]


class WriterSeen(msgspec.Struct, frozen=True):
    """Who writes a segment, or did last; ``alive`` is None where it cannot be told.

    ``holds_lease`` is the kernel's word; ``silence_s`` is since the last sign, in seconds.
    """

    pid: int | None
    alive: bool | None
    evidence: str
    holds_lease: bool
    silence_s: float | None


class Diagnosis(msgspec.Struct, frozen=True):
    """A segment's facts, the judgement on them, how fresh it is, and its writer.

    ``freshness`` is what a reader without a canary would say: ``stale`` where the published
    generation cannot be read and an earlier one still may be acted on.
    """

    facts: SegmentFacts
    judgement: Judgement
    freshness: State
    writer: WriterSeen


def diagnose(settings: ShmSettings, name: str, clock: Clock) -> Diagnosis:
    """Read and judge the segment ``name``; takes and changes nothing.

    Raises:
        SegmentNotFoundError: ``segment-not-found``.
        SegmentAttachError: ``segment-attach-failed`` if the file cannot be opened.
    """
    return _diagnosed(gather_facts(settings, name, clock), settings)


def diagnose_all(settings: ShmSettings, clock: Clock) -> list[Diagnosis]:
    """Read and judge each segment in the folder; one that cannot be opened is corrupt."""
    return [_diagnosed(facts, settings) for facts in gather_all(settings, clock)]


def _diagnosed(facts: SegmentFacts, settings: ShmSettings) -> Diagnosis:
    return Diagnosis(facts, judge(facts, settings), _freshness(facts, settings), _writer(facts))


def _freshness(facts: SegmentFacts, settings: ShmSettings) -> State:
    if facts.age_s is not None:
        return "fresh" if facts.age_s <= settings.max_age_s else "expired"
    usable = [
        slot.head.published_ns
        for slot in facts.slots
        if slot.checksum_ok and slot.head is not None and slot.generation != facts.generation
    ]
    if not usable:
        return "expired"
    age_s = (facts.looked_ns - max(usable)) / NS_PER_SECOND
    return "stale" if age_s <= settings.max_age_s else "expired"


def _writer(facts: SegmentFacts) -> WriterSeen:
    lease = facts.lease
    if lease.holder is not None or lease.held:
        pid = None if lease.holder is None else lease.holder.pid
        return WriterSeen(pid, lease.alive, lease.evidence, lease.held, facts.silence_s)
    if facts.last_writer is None:
        return WriterSeen(None, None, "nobody has written to it", False, facts.silence_s)
    found = liveness(facts.last_writer)
    alive = {"alive": True, "dead": False}.get(found.state)
    evidence = f"the lease was given back; {found.evidence}"
    return WriterSeen(facts.last_writer.pid, alive, evidence, False, facts.silence_s)
