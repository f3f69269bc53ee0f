"""Proving that a trail is what was written: nothing edited, left out, or cut off its end."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from alchemiser_cli.trading.audit.chain import (
    SIGNED,
    UNSIGNED,
    AuditHead,
    Link,
    fits,
    link_of,
    split_line,
    starter,
)
from alchemiser_cli.trading.audit.days import UNPACKING, TrailDay, trail_days
from alchemiser_cli.trading.audit.ending import TornTail
from alchemiser_cli.trading.audit.packing import is_untouched, same_content
from alchemiser_cli.trading.audit.reading import trail_folder

__all__ = ["Fault", "Verification", "verify_trail"]

Fault = Literal["edited", "gap", "truncated", "torn_tail"]
PROGRESS_EVERY = 5_000  # lines


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a whole trail found.

    ``entries`` is how many lines are good, from the first one on; ``first_bad`` the sequence of
    the first that is not. ``kind`` is None where all is well, and where nothing can be proved:
    a signed trail without its key. ``head`` is the last good line.
    """

    ok: bool
    entries: int
    first_bad: int | None = None
    kind: Fault | None = None
    detail: str = ""
    head: AuditHead | None = None


def verify_trail(
    folder: Path,
    *,
    key: bytes | None = None,
    anchor: AuditHead | None = None,
    progress: Callable[[int], object] | None = None,
) -> Verification:
    """Read a trail from its first line to its last, and stop at the first fault.

    - ``edited``: a line, a packed file or a torn tail is not as it was written.
    - ``gap``: lines or a file are missing, doubled or in another order.
    - ``truncated``: it ends before ``anchor``, the head that was kept elsewhere.
    - ``torn_tail``: the last line is incomplete, which a crash leaves and the next start mends.

    Whoever rewrites all lines behind an edit is found by ``anchor``, or by ``key`` where the
    trail is signed. With a ``key``, a trail that has no signed line at all counts as edited.
    ``progress`` is told now and then how many lines were read.

    Raises:
        AuditTrailNotFoundError: ``audit-trail-not-found`` where there is neither trail nor anchor.
        OSError: as the system answers.
    """
    days = trail_days(folder)
    if not days and anchor is None:
        trail_folder(folder.parent, folder.name)
    proof = _Proof(folder, key, anchor, progress)
    try:
        for day in days:
            proof.read(day, last=day is days[-1])
        proof.finish()
    except _FaultFound as found:
        return proof.result(ok=False, kind=found.kind, detail=str(found))
    except _Unprovable as found:
        return proof.result(ok=False, detail=str(found))
    return proof.result(ok=True)


class _FaultFound(Exception):  # noqa: N818  a finding, which never leaves this module
    def __init__(self, kind: Fault, detail: str) -> None:
        super().__init__(detail)
        self.kind: Fault = kind


class _Unprovable(Exception):  # noqa: N818  likewise
    pass


class _Proof:
    """How far a trail was read, and what the next line must be."""

    def __init__(
        self,
        folder: Path,
        key: bytes | None,
        anchor: AuditHead | None,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._folder, self._anchor, self._progress = folder, anchor, progress
        self._plain = starter(None)
        self._keyed = None if key is None else starter(key)
        self._signed = False
        self._entries = 0
        self._head: AuditHead | None = None

    def result(self, *, ok: bool, kind: Fault | None = None, detail: str = "") -> Verification:
        return Verification(
            ok=ok,
            entries=self._entries,
            first_bad=None if ok else self._entries,
            kind=kind,
            detail=detail,
            head=self._head,
        )

    def read(self, day: TrailDay, *, last: bool) -> None:
        """Take in the lines of a day."""
        self._check_files(day)
        try:
            with day.opened() as lines:
                for line in lines:
                    self._take(line, day, last=last)
        except UNPACKING as error:
            raise _FaultFound("edited", f"{day.packed_file.name} cannot be unpacked") from error

    def finish(self) -> None:
        """Look at what only the whole trail tells."""
        self._check_end()
        if self._keyed is not None and self._entries and not self._signed:
            self._entries, self._head = 0, None
            raise _FaultFound(
                "edited",
                "no line is signed, though a key is set: the trail was written without the key",
            )

    def _check_files(self, day: TrailDay) -> None:
        if not day.packed or not day.packed_file.exists():
            return
        if not is_untouched(day.packed_file):
            raise _FaultFound("edited", f"{day.packed_file.name} is not as it was packed")
        if day.plain and day.plain_file.exists() and not same_content(day):
            raise _FaultFound("edited", f"{day.plain_file.name} and {day.packed_file.name} differ")

    def _take(self, line: bytes, day: TrailDay, *, last: bool) -> None:
        place = f"line {self._entries} of the trail, in {day.day},"
        if not line.endswith(b"\n"):
            if last:
                self._check_end()
                raise _FaultFound("torn_tail", f"{place} has no end")
            raise _FaultFound("edited", f"{place} has no end")
        parts, link = split_line(line), link_of(line)
        if parts is None or link is None:
            raise _FaultFound("edited", f"{place} cannot be read")
        if not self._entries:
            self._begin(link)
        self._check_hash(link, *parts, place)
        self._check_place(link, place)
        self._check_anchor(link, parts[1])
        self._check_torn(link)
        self._entries += 1
        self._head = AuditHead(self._folder.name, link.sequence, parts[1], link.at_ns)
        if self._progress is not None and not self._entries % PROGRESS_EVERY:
            self._progress(self._entries)

    def _begin(self, link: Link) -> None:
        """See by the first line how the trail was begun; one that comes later is a gap."""
        self._signed = link.prev_hash == SIGNED
        if self._signed and self._keyed is None:
            raise _Unprovable("the trail is signed, and no key is set to verify it with")

    def _check_hash(self, link: Link, body: bytes, found: str, place: str) -> None:
        start = self._keyed if self._signed and self._keyed is not None else self._plain
        if fits(start, link.prev_hash, body, found):
            return
        if not self._signed and link.reason == "signed_from_here":
            if self._keyed is None:
                raise _Unprovable(f"{place} and all behind it are signed, and no key is set")
            if fits(self._keyed, link.prev_hash, body, found):
                self._signed = True
                return
        raise _FaultFound("edited", f"the hash of {place} does not fit")

    def _check_place(self, link: Link, place: str) -> None:
        if link.sequence != self._entries:
            raise _FaultFound("gap", f"{place} has the number {link.sequence}")
        if self._head is None:
            if link.prev_hash not in (SIGNED, UNSIGNED):
                raise _FaultFound("gap", f"{place} follows on something that is not there")
        elif link.prev_hash != self._head.hash:
            raise _FaultFound("edited", f"{place} follows on another line than the one before it")

    def _check_anchor(self, link: Link, found: str) -> None:
        anchor = self._anchor
        if anchor is not None and anchor.sequence == link.sequence and anchor.hash != found:
            raise _FaultFound(
                "edited",
                f"line {link.sequence} is not the one that was anchored: it, or lines before it, "
                "were rewritten",
            )

    def _check_torn(self, link: Link) -> None:
        """Compare what a crash left behind with what the trail tells of it."""
        if link.event != "RECONCILED" or link.reason != "torn_tail":
            return
        told = msgspec.json.decode(link.detail, type=TornTail)
        kept = self._folder / told.file
        kept = kept if kept.exists() else kept.with_name(f"{told.file}.untold")
        content = kept.read_bytes() if kept.exists() else b""
        if hashlib.sha256(content).hexdigest() != told.sha256:
            raise _FaultFound("edited", f"{told.file} is not what was cut off after a crash")

    def _check_end(self) -> None:
        anchor = self._anchor
        if anchor is not None and self._entries <= anchor.sequence:
            raise _FaultFound(
                "truncated",
                f"it ends after {self._entries} lines, and line {anchor.sequence} was anchored",
            )
