"""The shared-memory segments that are there, and how they are."""

import msgspec

from alchemiser_cli.clock import Clock
from alchemiser_cli.settings import ShmSettings
from alchemiser_cli.shm import SEGMENT_PREFIX, State, Verdict, diagnose_all, segment_file

__all__ = ["Segment", "segments"]


class Segment(msgspec.Struct, frozen=True):
    """One segment's file; ``changed_ns`` is when it was last written, in UTC nanoseconds.

    ``age_s`` is since its publication, in seconds; None where nothing can be read.
    """

    name: str
    bytes: int
    changed_ns: int
    verdict: Verdict
    state: State
    generation: int | None
    age_s: float | None


def segments(settings: ShmSettings, clock: Clock) -> list[Segment]:
    """Return the segments in the folder by name; none where there is no such folder."""
    found = []
    for one in diagnose_all(settings, clock):
        facts = one.facts
        try:
            changed_ns = segment_file(settings.directory, facts.name).lstat().st_mtime_ns
        except FileNotFoundError:  # removed while we looked
            continue
        found.append(
            Segment(
                name=f"{SEGMENT_PREFIX}{facts.name}",
                bytes=facts.size,
                changed_ns=changed_ns,
                verdict=one.judgement.verdict,
                state=one.freshness,
                generation=facts.generation,
                age_s=facts.age_s,
            )
        )
    return found
