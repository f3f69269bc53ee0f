"""Writing the audit trail: each line whole, chained and on record before its caller goes on."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from alchemiser_cli.clock import NS_PER_SECOND, Clock, ns_from_datetime
from alchemiser_cli.errors import AuditCorruptError, AuditLostError
from alchemiser_cli.faults import fault_point
from alchemiser_cli.logs import get_logger
from alchemiser_cli.settings import AuditSettings
from alchemiser_cli.trading.audit.chain import (
    SIGNED,
    UNSIGNED,
    AuditHead,
)
from alchemiser_cli.trading.audit.day_writer import DayWriter
from alchemiser_cli.trading.audit.days import DAY_NS, TrailDay, day_of, trail_days
from alchemiser_cli.trading.audit.ending import (
    cut_torn_tail,
    find_end,
    refuse_other_than,
    told,
    torn_facts,
    untold,
)
from alchemiser_cli.trading.audit.line_encoder import LineEncoder
from alchemiser_cli.trading.audit.lock import TrailLock
from alchemiser_cli.trading.audit.packing import pack, same_content, sync_folder
from alchemiser_cli.trading.audit.record import AuditEntry

__all__ = ["AuditTrail"]

MEGABYTE = 1 << 20
NEVER_NS = 1 << 63
LOOK_EVERY = 256  # lines, and
LOOK_EVERY_NS = NS_PER_SECOND  # time, between two looks at the disk
_INTERRUPTED = "The writing of a line was interrupted."

_APPEND = fault_point("audit.append")

_log = get_logger("application", "trading.audit")


class AuditTrail:
    """One writer's append-only trail of chained lines, a file a UTC day, in a folder of its own.

    What cannot be written is lost: ``audit-lost`` is raised by that append and by all after it.
    Not safe to share between threads.
    """

    def __init__(
        self,
        folder: Path,
        settings: AuditSettings,
        clock: Clock,
        *,
        run_id: str,
        broker: str,
        key: bytes | None = None,
        anchor: Callable[[AuditHead], object] | None = None,
        anchored: AuditHead | None = None,
        on_lost: Callable[[AuditLostError], object] | None = None,
        rotates: bool = True,
    ) -> None:
        """Take the trail's lock, find its end, and go on behind it.

        A last line that a crash left incomplete is moved to TRAIL/torn-N, and the trail's next
        line tells of it. ``key`` signs each line; a trail that was begun without one is signed
        from here on. ``anchor`` is given the head every ``anchor_every`` lines, at each change of
        the day, and at the end; its failures are logged. ``anchored`` is what it was given last: a
        trail without that line is not continued. ``on_lost`` is called once. Without ``rotates`` it
        stays in one file: for a clock that runs through years in seconds.

        Raises:
            AuditLockedError: ``audit-locked``.
            AuditCorruptError: ``audit-corrupt`` where the last line, or the one that was anchored,
                is not as it was written.
            AuditLostError: ``audit-lost`` where nothing can be written there.
        """
        self._folder, self._settings, self._clock = folder, settings, clock
        self._anchor, self._on_lost = anchor, on_lost
        self._rotates = rotates
        self._encoder = LineEncoder(run_id, broker, key)
        self._sequence, self._hash, self._at_ns = -1, "", 0
        self._lost: str | None = None  # why nothing more may be written
        self._injected = False  # whether it was lost on purpose
        self._told = False
        self._lines_to_look, self._looked_ns = 0, 0
        self._lines_to_anchor = settings.anchor_every
        self._durable = settings.fsync != "never"
        self._interval_ns = round(settings.fsync_interval_s * NS_PER_SECOND)
        self._synced_ns = clock.monotonic_ns()
        self._dirty = False
        self._file: DayWriter | None = None
        self._lock: TrailLock | None = None
        try:
            self._open(key, anchored)
        except OSError as error:
            self._release()
            raise _lost(folder, f"It cannot be opened: {error}.") from error
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        """Use the trail until the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the trail."""
        self.close()

    @property
    def head(self) -> AuditHead:
        """The newest line's place in the chain."""
        return AuditHead(self._folder.name, self._sequence, self._hash, self._at_ns)

    def append(self, entry: AuditEntry) -> str:
        """Write one line, and return its hash in hexadecimal.

        With ``fsync`` set to ``each``, the line is on the disk when this returns.

        Raises:
            AuditLostError: ``audit-lost``; the line is not in the trail, or may not last.
        """
        if self._lost is not None:
            raise self._loss(self._lost)
        self._lost = _INTERRUPTED  # what a signal's exception leaves behind is no chain
        now_ns = self._clock.now_ns()
        if now_ns >= self._day_ends_ns:
            self._next_day(now_ns)
        try:
            line, found = self._encoder.encode(entry, self._sequence + 1, now_ns, self._hash)
        except (TypeError, ValueError, RecursionError) as error:
            self._lose(f"An entry cannot be written as JSON: {error}.", error)
        written_ns = self._write(line)
        self._sequence += 1
        self._hash, self._at_ns = found, now_ns
        self._settle(written_ns)
        self._lost = None
        return found

    def sync(self) -> None:
        """Force all lines to the disk, whatever the settings say.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        if self._lost is not None:
            raise self._loss(self._lost)
        self._sync()

    def sync_when_due(self) -> None:
        """Force lines to the disk that ``interval`` lets wait no longer; call it while idle.

        The disk is looked at, too, where that is soon due: so the next lines need not wait for it.

        Raises:
            AuditLostError: ``audit-lost``.
        """
        now_ns = self._clock.monotonic_ns()
        if self._settings.fsync == "interval" and now_ns - self._synced_ns >= self._interval_ns:
            self.sync()
        if self._lost is None and (
            self._lines_to_look < LOOK_EVERY // 2 or now_ns - self._looked_ns >= LOOK_EVERY_NS // 2
        ):
            self._look_at_disk(self._open_file, now_ns)

    def close(self) -> None:
        """Force all lines to the disk, unless ``fsync`` is ``never``; anchor the head; let go.

        Raises:
            AuditLostError: ``audit-lost`` where the last lines may not last.
        """
        try:
            if self._lost is None:
                if self._durable:
                    self._sync()
                self._anchor_head()
        finally:
            self._lost = self._lost or "It was closed."
            self._release()

    def _open(self, key: bytes | None, anchored: AuditHead | None) -> None:
        folder = self._folder
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        self._lock = TrailLock(folder)
        cut_torn_tail(folder)
        self._finish_packing()
        end = find_end(folder, key)
        if anchored is not None:
            refuse_other_than(anchored, folder, end.head)
        self._sequence, self._hash, self._at_ns = end.head.sequence, end.head.hash, end.head.at_ns
        if end.empty:
            self._hash = UNSIGNED if key is None else SIGNED
        days = trail_days(folder)
        day = day_of(self._clock.now_ns())
        if days:
            newest = days[-1]
            # A day that is packed already is over, whatever the clock says.
            least = newest.day if newest.plain else day_of(_ends_ns(newest.day))
            day = max(day, least)
        self._enter(day)
        past = [one for one in days if one.day < day and one.plain and not one.packed]
        self._pack(past)
        self._begin(signs=key is not None and not end.signed and not end.empty)

    def _begin(self, *, signs: bool) -> None:
        """Tell of what the chain itself went through."""
        if signs:
            self.append(
                AuditEntry(event="RECONCILED", event_id="signed", reason="signed_from_here")
            )
        for file in untold(self._folder):
            facts = torn_facts(file)
            self.append(
                AuditEntry(
                    event="RECONCILED", event_id=facts.file, reason="torn_tail", detail=facts
                )
            )
            told(file)
        if self._lost is None and self._durable:
            self._sync()

    def _write(self, line: bytearray) -> int:
        """Write a line, and return when, in monotonic nanoseconds."""
        file = self._open_file
        now_ns = self._clock.monotonic_ns()
        if not self._lines_to_look or now_ns - self._looked_ns >= LOOK_EVERY_NS:
            self._look_at_disk(file, now_ns)
        try:
            if _APPEND.armed is not None:
                _APPEND.strike()
            file.write(line)
        except OSError as error:
            self._lose_to(error)
        self._lines_to_look -= 1
        self._dirty = True
        return now_ns

    def _settle(self, now_ns: int) -> None:
        """Force lines to the disk and anchor the head, where it is time for that."""
        policy = self._settings.fsync
        if policy == "each" or (
            policy == "interval" and now_ns - self._synced_ns >= self._interval_ns
        ):
            self._sync()
        self._lines_to_anchor -= 1
        if self._lines_to_anchor <= 0:
            self._lines_to_anchor = self._settings.anchor_every
            if self._durable:  # an anchor must not outlive its line
                self._sync()
            self._anchor_head()

    def _look_at_disk(self, file: DayWriter, now_ns: int) -> None:
        least = self._settings.min_free_megabytes
        try:
            free = file.free_bytes()
        except OSError as error:
            self._lose_to(error)
        self._lines_to_look, self._looked_ns = LOOK_EVERY, now_ns
        if free < least * MEGABYTE:
            self._lose(
                f"Only {free // MEGABYTE} MB are free on its disk; "
                f"audit.min_free_megabytes asks for {least}."
            )

    def _sync(self) -> None:
        if self._dirty:
            try:
                self._open_file.sync()
            except OSError as error:
                self._lose_to(error)
            self._dirty = False
        self._synced_ns = self._clock.monotonic_ns()

    def _next_day(self, now_ns: int) -> None:
        """Go on in a new file; the old one is packed only when the new one is there."""
        before = TrailDay(self._folder, self._day, plain=True, packed=False)
        if self._durable:
            self._sync()
        self._anchor_head()
        try:
            self._enter(day_of(now_ns))
        except OSError as error:
            self._lose_to(error)
        self._pack([before])

    def _enter(self, day: str) -> None:
        opened = DayWriter(TrailDay(self._folder, day, plain=True, packed=False).plain_file)
        if self._file is not None:
            self._file.close()
        self._file, self._lines_to_look = opened, 0
        self._day = day
        self._day_ends_ns = _ends_ns(day) if self._rotates else NEVER_NS
        if self._durable:
            sync_folder(self._folder)

    def _finish_packing(self) -> None:
        """Remove an original that a killed process had packed but not removed."""
        for day in trail_days(self._folder):
            if not (day.plain and day.packed):
                continue
            if not same_content(day):
                raise AuditCorruptError(
                    f"the audit trail {self._folder.name} cannot be continued",
                    why=f"{day.plain_file.name} and {day.packed_file.name} differ.",
                    next_step=f"See what is wrong: alchemiser audit verify {self._folder.name}",
                    context={"trail": self._folder.name},
                )
            day.plain_file.unlink()

    def _pack(self, past: list[TrailDay]) -> None:
        if not self._settings.compress:
            return
        try:
            for day in past:
                pack(day, durable=self._durable)
        except OSError as error:  # the lines are safe where they are
            _log.warning("audit_not_packed", trail=self._folder.name, why=str(error))

    def _anchor_head(self) -> None:
        if self._anchor is None or self._sequence < 0:
            return
        try:
            self._anchor(self.head)
        except Exception as error:  # noqa: BLE001  the anchor is a second proof, not the record
            _log.warning("audit_not_anchored", trail=self._folder.name, why=str(error))

    @property
    def _open_file(self) -> DayWriter:
        if self._file is None:  # nobody reaches this: the constructor opens it
            self._lose("It is not open.")
        return self._file

    def _lose_to(self, error: OSError) -> NoReturn:
        self._lose(f"The system said: {error}.", error)

    def _lose(self, why: str, cause: BaseException | None = None) -> NoReturn:
        self._lost, self._injected = why, getattr(cause, "injected", False)
        error = self._loss(why)
        if self._on_lost is not None and not self._told:
            self._told = True
            try:
                self._on_lost(error)
            except Exception as trouble:  # noqa: BLE001  the loss is what must be heard of
                _log.error("audit_loss_not_acted_on", trail=self._folder.name, why=str(trouble))
        raise error from cause

    def _loss(self, why: str) -> AuditLostError:
        error = _lost(self._folder, why)
        error.injected = self._injected
        return error

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            self._lock.release()


def _ends_ns(day: str) -> int:
    """Return when a day ends, in UTC nanoseconds."""
    return ns_from_datetime(datetime.fromisoformat(day)) + DAY_NS


def _lost(folder: Path, why: str) -> AuditLostError:
    return AuditLostError(
        f"the audit trail {folder.name} cannot be written",
        why=f"{why} Without a record of its decisions nothing may be traded.",
        next_step="Mend the disk and start again: alchemiser errors runbook audit-lost",
        context={"trail": folder.name, "folder": str(folder)},
    )
