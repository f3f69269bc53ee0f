"""The record of a run, ``run.json``: what it was begun with, and what became of it."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from alchemiser_cli.errors import translating
from alchemiser_cli.rl.durable import replace_file
from alchemiser_cli.rl.runs.lock import is_locked

__all__ = ["RECORD", "RunFacts", "RunRecord", "RunState", "read_record", "write_record"]

RECORD = "run.json"

RunState = Literal["running", "finished", "interrupted", "failed"]


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was begun with: all that its result rests on.

    ``dataset`` is the name of the data, or of the environment (``env:Pendulum-v1``), ``symbol``
    the instrument that was chosen of it, and ``data_sha256`` its hash in hexadecimal, empty where
    there is no data. ``options`` and ``training`` are the settings of those sections as JSON,
    ``threads`` those of PyTorch.
    """

    command: str
    dataset: str
    symbol: str | None = None
    data_sha256: str = ""
    options: dict[str, Any] = {}
    training: dict[str, Any] = {}
    seeds: tuple[int, ...] = ()
    threads: int = 1
    versions: dict[str, str] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run; times are UTC in ISO 8601.

    ``stage`` and ``code`` say where and with which error a failed run ended. ``pid`` is the
    process that ran it last.
    """

    id: str
    facts: RunFacts
    started_at: str
    updated_at: str
    state: RunState
    pid: int
    resumes: int = 0
    stage: str | None = None
    code: str | None = None


def read_record(folder: Path) -> RunRecord | None:
    """Return the record of the run in ``folder``; None if there is none that can be read.

    A run that says it is running, and whose process is gone, is interrupted.
    """
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=RunRecord)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if record.state == "running" and not is_locked(folder):
        return msgspec.structs.replace(record, state="interrupted")
    return record


def write_record(folder: Path, record: RunRecord) -> None:
    """Put ``record`` in the place of the one in ``folder``.

    Raises:
        DiskFullError: ``disk-full``.
        EnvironmentMisconfiguredError: ``environment-misconfigured`` if this user may not write.
    """
    with translating(f"write the record of run {record.id}"):
        replace_file(folder / RECORD, msgspec.json.encode(record))
