"""The kill switch: read before each order, set by anyone, cleared by a person with a reason.

It fails closed. Setting writes the word in shared memory first, which needs no disk, and then the
file; clearing writes the file first and the word last. So what is cut short on the way is set.
"""

import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from alchemiser_cli.clock import Clock, iso_from_ns
from alchemiser_cli.logs import get_logger
from alchemiser_cli.trading.kill_switch.failures import no_reason, not_cleared, not_written
from alchemiser_cli.trading.kill_switch.flag import (
    ABSENT,
    RUNNING,
    STOPPED,
    Flag,
    FlagError,
    flag_file,
)
from alchemiser_cli.trading.kill_switch.record import (
    KillSwitchRecord,
    locked_folder,
    read_record,
    write_record,
)

__all__ = ["KillSwitch", "KillSwitchState"]

_LOG = get_logger("trading", "kill_switch")


class KillSwitchState(msgspec.Struct, frozen=True, kw_only=True):
    """The kill switch when it was looked at.

    ``reason``, ``by`` and ``since_ns`` (UTC nanoseconds) are those of the file: who set or
    cleared it last. ``evidence`` says what the flag and the file tell; ``readable`` is False
    where one of them cannot be used, which counts as set.
    """

    active: bool
    reason: str
    by: str
    since_ns: int
    evidence: str
    readable: bool


class KillSwitch:
    """The kill switch of one home, as one process sees it.

    It attaches when it is made, and never raises then: what it cannot read counts as set. A flag
    that is missing, as after a reboot, is made from the file; a file that is missing is written
    from the flag; both are made, clear, on a home that never had them. Where they disagree, set
    wins. The clock should be the system's: ``since_ns`` is for people.
    """

    def __init__(self, shm_folder: Path, file: Path, clock: Clock, *, quiet: bool = False) -> None:
        """Attach to the flag in ``shm_folder`` and to ``file`` behind it.

        With ``quiet`` nobody is told that it was set or cleared: for drills and replays.
        """
        self._loud = not quiet
        self._flag = Flag(flag_file(shm_folder, file))
        self._file = file
        self._clock = clock
        self._record: KillSwitchRecord | None = None
        self._flag_fault = self._file_fault = ""
        self._unwritten: KillSwitchRecord | None = None
        self._told = ""
        self._in_memory = False
        self._closed = False
        self._words: Sequence[int] = ABSENT  # what is read: our flag's, unless all says stop
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)  # it has the lock
        with self._lock():
            self._attach(missing=RUNNING)
        self._judge()

    @property
    def active(self) -> bool:
        """Whether nothing may be traded. One read of memory: it takes no system call."""
        return self._words[0] != RUNNING

    def refresh(self) -> bool:
        """Look whether flag or file were changed, replaced or removed under us; return ``active``.

        ``active`` itself reads only what is mapped. Call this about once a second: from a removal
        until then a reader follows the flag that it has. A flag that is gone is made again as it
        was; a file that says set, or cannot be read, sets it.
        """
        if self._closed:
            return True
        if self._flag.current:
            self._read_file()
        else:
            self._reattach()
        self._write_again()
        self._judge()
        return self.active

    def set(self, reason: str, by: str) -> KillSwitchState:
        """Stop all trading, now and after a reboot.

        The word is written first and takes effect at once, whatever happens after. ``by`` is the
        component or user who sets it. It may be set again; the last reason stays.

        Raises:
            KillSwitchUnreadableError: ``kill-switch-unreadable``: the file cannot be written. The
                flag holds, and no process of this home trades, until the machine restarts.
        """
        self._flag.write(STOPPED)
        self._words = ABSENT  # what others read may be another flag by now
        record = self._new_record("set", reason, by)
        with self._lock():
            if not self._flag.current:
                self._open_flag(missing=STOPPED)
            self._in_memory = self._flag.write(STOPPED)  # again: one that was being cleared stays
            failed = self._write(record)
            self._unwritten = None if failed is None else record
        self._judge()
        if self._loud:
            _LOG.critical("KILL_SWITCH_SET", reason=reason, by=by, evidence=self._evidence())
        if failed is not None:
            raise not_written(self._file, record, failed, in_memory=self._in_memory) from failed
        return self.state()

    def clear(self, reason: str, by: str) -> KillSwitchState:
        """Let trading go on.

        Raises:
            ValidationError: ``validation-failed``: the reason is empty.
            KillSwitchUnreadableError: ``kill-switch-unreadable``: file or flag cannot be written,
                or another process is changing them. It stays set.
        """
        if not reason.strip():
            raise no_reason()
        with self._lock() as held:
            if not held:
                raise not_cleared("Another process holds the lock of its folder.")
            if failed := self._write(self._new_record("clear", reason, by)):
                raise not_cleared(f"{self._file} cannot be written: {failed}.") from failed
            if not self._flag.current:
                self._open_flag(missing=STOPPED)
            if not self._flag.write(RUNNING):
                raise not_cleared(f"The flag cannot be used: {self._flag_fault}.")
            self._unwritten = None
        self._judge()
        if self._loud:
            _LOG.warning("KILL_SWITCH_CLEARED", reason=reason, by=by)
        return self.state()

    def state(self) -> KillSwitchState:
        """Return what flag and file say now, and whether trading is stopped."""
        self.refresh()
        record = self._record
        return KillSwitchState(
            active=self.active,
            reason="" if record is None else record.reason,
            by="" if record is None else record.by,
            since_ns=0 if record is None else record.since_ns,
            evidence=self._evidence(),
            readable=not (self._flag_fault or self._file_fault),
        )

    def close(self) -> None:
        """Let go of the flag; ``active`` is True from here on."""
        self._closed = True
        self._words = ABSENT
        self._flag.close()

    def _lock(self) -> AbstractContextManager[bool]:
        return locked_folder(self._file.parent, self._clock)

    def _attach(self, *, missing: int) -> None:
        """Read the file, then map the flag; one that is missing becomes ``missing`` or set."""
        self._read_file()
        clear = self._record is None or self._record.state == "clear"
        ours = missing if clear and not self._file_fault else STOPPED
        self._open_flag(missing=ours)
        if self._record is None and not self._file_fault:
            running = self._flag.words[0] == RUNNING
            self._write(
                self._new_record("clear", "the home is new", "kill_switch")
                if running
                else self._new_record("set", "the flag was set and its file gone", "kill_switch")
            )

    def _reattach(self) -> None:
        """Map what lies in the place of our flag now; a stop that we saw is not lost by that."""
        was = self._flag.words[0] if self._flag.mapped else RUNNING
        if self._flag.mapped:
            _LOG.warning("kill_switch_flag_replaced", file=str(self._flag.file))
        self._words = ABSENT
        with self._lock():
            self._attach(missing=RUNNING if was == RUNNING else STOPPED)
            if was != RUNNING:
                self._flag.write(STOPPED)

    def _read_file(self) -> None:
        self._file_fault = ""
        try:
            self._record = read_record(self._file)
        except (OSError, ValueError) as error:
            self._record, self._file_fault = None, f"{self._file} cannot be read: {error}"

    def _open_flag(self, *, missing: int) -> None:
        self._flag_fault = ""
        try:
            try:
                self._flag.open()
            except FileNotFoundError:
                self._flag.create(missing)
        except FlagError as error:
            fault = str(error)
            if fault != self._told:  # it is tried again each second
                _LOG.error("kill_switch_flag_unusable", why=fault)
            self._flag_fault = self._told = fault

    def _judge(self) -> None:
        """Let set win where flag and file disagree, for every process."""
        if self._says_set() and self._flag.words[0] == RUNNING:
            with self._lock():  # not between the two steps of a clearing
                self._read_file()
                if self._says_set():
                    self._flag.write(STOPPED)
        bad = bool(self._file_fault) or self._unwritten is not None
        self._words = ABSENT if bad else self._flag.words

    def _says_set(self) -> bool:
        return self._record is not None and self._record.state == "set"

    def _write_again(self) -> None:
        """Try once more what the disk would not take, unless somebody cleared it since."""
        record = self._unwritten
        if record is None:
            return
        cleared = self._in_memory and self._flag.words[0] == RUNNING
        if cleared or self._write(record) is None:
            self._unwritten = None

    def _write(self, record: KillSwitchRecord) -> OSError | None:
        try:
            write_record(self._file, record)
        except OSError as error:
            _LOG.error("kill_switch_file_failed", file=str(self._file), why=str(error))
            return error
        self._record, self._file_fault = record, ""
        return None

    def _new_record(self, state: Literal["set", "clear"], reason: str, by: str) -> KillSwitchRecord:
        now_ns = self._clock.now_ns()
        host = socket.gethostname()
        return KillSwitchRecord(state=state, reason=reason, by=by, since_ns=now_ns, host=host)

    def _evidence(self) -> str:
        """Say what the flag and the file tell."""
        word = self._flag.words[0]
        flag = self._flag_fault or f"flag: {'running' if word == RUNNING else 'stopped'}"
        record = self._record
        if self._file_fault or record is None:
            return f"{flag}; {self._file_fault or 'file: missing'}"
        return (
            f"{flag}; file: {record.state} by {record.by} on {record.host} "
            f"at {iso_from_ns(record.since_ns)}: {record.reason}"
        )
