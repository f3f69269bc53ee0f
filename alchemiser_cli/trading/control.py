"""How other processes see a desk, and how they ask it for something: small files in the home.

``run/trading/BROKER.lock`` is held by the desk, ``BROKER.json`` is what it says of itself, and
``BROKER.requests/ID.json`` are what it is asked; it removes each one when it was done. All of that
works without the state database, Kafka or a network.
"""

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock
from alchemiser_cli.errors import TradingNotRunningError, TradingRunningError
from alchemiser_cli.trading.book import AccountSnapshot
from alchemiser_cli.trading.decisions import LimitReading
from alchemiser_cli.trading.files import replace_file

__all__ = [
    "DeskControl",
    "DeskStatus",
    "Request",
    "StrategyState",
    "ask",
    "desk_status",
    "leave_resume",
]
__all__ += ["service_statuses", "who_decides"]

RequestKind = Literal["flatten", "resume"]
SERVICES = ("strategy", "risk", "broker")

_POLL_S = 0.05


class StrategyState(msgspec.Struct, frozen=True):
    """A strategy as its desk sees it; ``why`` says why it is not there, or what it last held."""

    strategy_id: str
    loaded: bool
    why: str
    signals: int = 0


class DeskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a desk says of itself about once a second; ``at_ns`` is when, in UTC nanoseconds.

    ``handled`` are the newest requests that it has done, with what came of them.
    """

    broker: str
    run_id: str
    pid: int
    started_ns: int
    at_ns: int
    service: str
    trading_state: str
    ticks: int
    signals: int
    approved: int
    denied: dict[str, int]
    orders: int
    fills: int
    working: int
    last_event_ns: int | None
    account: AccountSnapshot | None
    limits: list[LimitReading]
    strategies: list[StrategyState]
    findings: list[str]
    audit_trail: str
    audit_head: str
    handled: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True):
    """Something that a desk is asked to do."""

    id: str
    kind: RequestKind
    by: str
    reason: str


class DeskControl:
    """The desk's side: holds the lock, tells its status, takes requests."""

    def __init__(self, run_folder: Path, name: str) -> None:
        """Prepare for the desk ``name``: a broker, or a broker's service (``paper.risk``)."""
        self._folder = run_folder / "trading"
        self._name = name
        self._lock = -1

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            TradingRunningError: ``trading-running``: another process holds it.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._name}.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            self._lock = -1
            raise TradingRunningError(
                f"the desk {self._name!r} is running already",
                why=f"The process {holder} holds its lock.",
                next_step="See it with `alchemiser trade status`, or stop it first.",
                context={"desk": self._name, "pid": holder},
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the lock back; the last status stays."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def tell(self, status: DeskStatus) -> None:
        """Replace the status file."""
        replace_file(self._folder / f"{self._name}.json", msgspec.json.encode(status))

    def requests(self) -> list[Request]:
        """Return what is asked, the oldest first; what cannot be read is removed."""
        folder = self._folder / f"{self._name}.requests"
        if not folder.is_dir():
            return []
        found = []
        for file in sorted(folder.glob("*.json"), key=lambda one: one.stat().st_mtime_ns):
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=Request))
            except (OSError, msgspec.MsgspecError):
                file.unlink(missing_ok=True)
        return found

    def done(self, request: Request) -> None:
        """Remove a request that was done."""
        folder = self._folder / f"{self._name}.requests"
        (folder / f"{request.id}.json").unlink(missing_ok=True)


def desk_status(run_folder: Path, name: str) -> tuple[DeskStatus | None, bool]:
    """Return what the desk ``name`` said last, None if it never ran, and whether it runs now."""
    folder = run_folder / "trading"
    try:
        content = (folder / f"{name}.json").read_bytes()
        status = msgspec.json.decode(content, type=DeskStatus)
    except (OSError, msgspec.MsgspecError):
        status = None
    return status, _is_running(folder / f"{name}.lock")


def service_statuses(run_folder: Path, broker: str) -> dict[str, tuple[DeskStatus, bool]]:
    """Return what each service of ``broker`` said last, and whether it runs now."""
    found = {}
    for service in SERVICES:
        status, running = desk_status(run_folder, f"{broker}.{service}")
        if status is not None:
            found[service] = (status, running)
    return found


def who_decides(run_folder: Path, broker: str) -> str:
    """Return who takes requests for ``broker``: its risk service where that runs, else its desk."""
    service = f"{broker}.risk"
    return service if _is_running(run_folder / "trading" / f"{service}.lock") else broker


def ask(
    run_folder: Path,
    name: str,
    kind: RequestKind,
    *,
    by: str,
    reason: str,
    wait_s: float,
    clock: Clock,
) -> str | None:
    """Ask the desk ``name`` for something, and return what came of it; None if it takes longer.

    Raises:
        TradingNotRunningError: ``trading-not-running``.
    """
    folder = run_folder / "trading"
    if not _is_running(folder / f"{name}.lock"):
        raise TradingNotRunningError(
            f"no desk trades through {name!r}",
            why="Nobody holds its lock, so nobody could do it.",
            next_step="Start one: `alchemiser trade run`, with --halted while trading is halted.",
            context={"desk": name},
        )
    request = _leave(folder, name, kind, by, reason)
    deadline_ns = clock.monotonic_ns() + round(wait_s * NS_PER_SECOND)
    while clock.monotonic_ns() < deadline_ns:
        status, _running = desk_status(run_folder, name)
        if status is not None and request.id in status.handled:
            return status.handled[request.id]
        clock.sleep(_POLL_S)
    return None


def leave_resume(run_folder: Path, broker: str, *, by: str, reason: str) -> str:
    """Let the next desk of ``broker`` begin active; returns the name of the one that ran last."""
    folder = run_folder / "trading"
    risk = f"{broker}.risk"
    ran = {name: desk_status(run_folder, name)[0] for name in (broker, risk)}
    desk, service = ran[broker], ran[risk]
    last = risk if service is not None and (desk is None or desk.at_ns < service.at_ns) else broker
    if ran[last] is not None:
        _leave(folder, last, "resume", by, reason)
    return last


def _leave(folder: Path, name: str, kind: RequestKind, by: str, reason: str) -> Request:
    request = Request(secrets.token_hex(8), kind, by, reason)
    asked = folder / f"{name}.requests"
    asked.mkdir(mode=0o700, exist_ok=True)
    replace_file(asked / f"{request.id}.json", msgspec.json.encode(request))
    return request


def _is_running(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
