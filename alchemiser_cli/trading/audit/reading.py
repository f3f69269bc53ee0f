"""Reading a trail back, its packed days like the others."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from alchemiser_cli.errors import AuditCorruptError, AuditTrailNotFoundError
from alchemiser_cli.trading.audit.days import UNPACKING, TrailDay, day_of, trail_days
from alchemiser_cli.trading.audit.record import AuditRecord

__all__ = ["newest_trail", "read_trail", "trail_folder", "trails"]

_NO_DESKS = "chaos"  # what was broken on purpose: no desk writes it


def trails(audit_folder: Path) -> list[str]:
    """Return the names of the trails that have lines, sorted.

    Raises:
        OSError: as the system answers.
    """
    if not audit_folder.is_dir():
        return []
    return sorted(one.name for one in audit_folder.iterdir() if one.is_dir() and trail_days(one))


def newest_trail(audit_folder: Path) -> str | None:
    """Return the trail whose folder was written last, or None where there is none.

    That of faults on purpose is only returned where there is no other.

    Raises:
        OSError: as the system answers.
    """

    def written_ns(name: str) -> tuple[bool, int]:
        day = trail_days(audit_folder / name)[-1]
        file = day.plain_file if day.plain else day.packed_file
        return name != _NO_DESKS, file.stat().st_mtime_ns

    return max(trails(audit_folder), key=written_ns, default=None)


def trail_folder(audit_folder: Path, name: str) -> Path:
    """Return the folder of a trail that has lines.

    Raises:
        AuditTrailNotFoundError: ``audit-trail-not-found``.
        OSError: as the system answers.
    """
    known = trails(audit_folder)
    if name in known:
        return audit_folder / name
    near = difflib.get_close_matches(name, known, 1)
    shown = ", ".join(known[:10]) or "none"
    raise AuditTrailNotFoundError(
        f"there is no audit trail {name!r}" if name else "there is no audit trail yet",
        why=f"In {audit_folder} are: {shown}.",
        next_step=f"Did you mean {near[0]}?" if near else "See them all: alchemiser audit verify",
        context={"trail": name, "folder": str(audit_folder)},
    )


def read_trail(folder: Path, *, since_ns: int | None = None) -> Iterator[AuditRecord]:
    """Yield every line of a trail, the oldest first; an incomplete last line ends it quietly.

    ``since_ns`` leaves out lines before that moment (UTC nanoseconds), and does not open the
    days before it. Hashes are not looked at: that is ``verify_trail``.

    Raises:
        AuditTrailNotFoundError: ``audit-trail-not-found``.
        AuditCorruptError: ``audit-corrupt`` where a line cannot be read.
        OSError: as the system answers.
    """
    days = trail_days(folder)
    if not days:
        trail_folder(folder.parent, folder.name)
    # A clock that was set back stays in the newest file: a line is never in an earlier day's.
    first = "" if since_ns is None else day_of(since_ns)
    for day in days:
        if day.day >= first:
            for record in _records(day, last=day is days[-1]):
                if since_ns is None or record.at_ns >= since_ns:
                    yield record


_decoder = msgspec.json.Decoder(AuditRecord)


def _records(day: TrailDay, *, last: bool) -> Iterator[AuditRecord]:
    read = 0
    try:
        with day.opened() as lines:
            for line in lines:
                if last and not line.endswith(b"\n"):
                    return
                yield _decoder.decode(line)
                read += 1
    except (msgspec.DecodeError, UnicodeDecodeError, *UNPACKING) as error:
        raise AuditCorruptError(
            f"line {read + 1} of {day.day} in the audit trail {day.folder.name} cannot be read",
            why=f"{error}.",
            next_step=f"See what is wrong: alchemiser audit verify {day.folder.name}",
            context={"trail": day.folder.name, "day": day.day, "line": read + 1},
        ) from error
