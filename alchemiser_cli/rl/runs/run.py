"""A run that this process runs: its folder, its progress, and how it ends."""

import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from alchemiser_cli.clock import NS_PER_SECOND, Clock, iso_from_ns
from alchemiser_cli.errors import AlchemiserError, RunNotResumableError, translating
from alchemiser_cli.logs import get_logger
from alchemiser_cli.rl.durable import replace_file
from alchemiser_cli.rl.runs.compatibility import require_same
from alchemiser_cli.rl.runs.finding import find_run, open_run
from alchemiser_cli.rl.runs.lock import RunLock
from alchemiser_cli.rl.runs.record import RunFacts, RunRecord, RunState, write_record

__all__ = ["Run", "continue_run", "new_run", "read_metrics", "read_result"]

CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
RESULT = "result.json"
UNKNOWN_STAGE = "learning"

_LOG = get_logger("application", "rl")


class Run:
    """One run, locked for this process; use it as a context manager.

    The block's end decides what becomes of a run that was not finished: an error with a code
    makes it failed, Ctrl-C and everything else interrupted. All of them can be continued.
    """

    def __init__(self, folder: Path, record: RunRecord, lock: RunLock, clock: Clock) -> None:
        """Keep what ``new_run`` and ``continue_run`` give."""
        self.folder = folder
        self.record = record
        self._lock = lock
        self._clock = clock

    @property
    def id(self) -> str:
        """Return the id of the run."""
        return self.record.id

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the checkpoints, for ``write_checkpoint``."""
        return self.folder / CHECKPOINTS

    def add_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Append a row of progress at environment step ``step``; NaN is written as null.

        Raises:
            DiskFullError: ``disk-full``.
        """
        row = {"step": step, "at": iso_from_ns(self._clock.now_ns()), **values}
        line = msgspec.json.encode(row, enc_hook=_scalar) + b"\n"
        with translating(f"write the progress of run {self.id}"):
            descriptor = os.open(
                self.folder / METRICS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
            )
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                file.write(line)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of progress, the oldest first."""
        return read_metrics(self.folder)

    def cut_metrics(self, step: int) -> None:
        """Forget progress after ``step``: the checkpoint to continue from knows nothing of it.

        Raises:
            DiskFullError: ``disk-full``.
        """
        kept = [row for row in self.metrics() if row["step"] <= step]
        content = b"".join(msgspec.json.encode(row) + b"\n" for row in kept)
        with translating(f"write the progress of run {self.id}"):
            replace_file(self.folder / METRICS, content)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write ``result``, and note that the run is finished.

        Raises:
            DiskFullError: ``disk-full``.
        """
        with translating(f"write the result of run {self.id}"):
            replace_file(self.folder / RESULT, msgspec.json.encode(result, enc_hook=_scalar))
        self._become("finished")

    def interrupt(self) -> None:
        """Note that the run was ended before its end; it can be continued."""
        self._become("interrupted")

    def fail(self, stage: str, code: str) -> None:
        """Note the stage that failed and the code of its error; the run can be continued."""
        self._become("failed", stage=stage, code=code)

    def close(self) -> None:
        """Let another process continue the run. Twice is harmless."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Return the run, which is locked already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Note how the run ended where nobody did, and give the lock back."""
        try:
            if self.record.state == "running":
                self._note(error)
        except AlchemiserError as unwritten:
            if error is None:
                raise
            _LOG.warning("run_state_not_written", run=self.id, code=unwritten.code)
        finally:
            self.close()

    def _note(self, error: BaseException | None) -> None:
        if isinstance(error, AlchemiserError):
            self.fail(str(error.context.get("stage", UNKNOWN_STAGE)), error.code)
        elif isinstance(error, Exception):
            self.fail(UNKNOWN_STAGE, "internal-error")
        else:
            self.interrupt()

    def _become(
        self, state: RunState, *, stage: str | None = None, code: str | None = None
    ) -> None:
        self.record = msgspec.structs.replace(
            self.record,
            state=state,
            stage=stage,
            code=code,
            updated_at=iso_from_ns(self._clock.now_ns()),
        )
        write_record(self.folder, self.record)
        _LOG.info("run_state", run=self.id, state=state, stage=stage, code=code)


def new_run(runs_folder: Path, facts: RunFacts, clock: Clock) -> Run:
    """Begin a run in a folder of its own, private to this user.

    Its id is the time of its begin (UTC) and four random digits, so that ids sort by time.

    Raises:
        DiskFullError: ``disk-full``.
        EnvironmentMisconfiguredError: ``environment-misconfigured`` if this user may not write.
    """
    now_ns = clock.now_ns()
    began = datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC)
    run_id = f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = runs_folder / run_id
    with translating(f"make the folder of run {run_id}"):
        runs_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    lock = RunLock(folder, clock)
    moment = iso_from_ns(now_ns)
    record = RunRecord(
        id=run_id,
        facts=facts,
        started_at=moment,
        updated_at=moment,
        state="running",
        pid=os.getpid(),
    )
    write_record(folder, record)
    _LOG.info("run_started", run=run_id, dataset=facts.dataset)
    return Run(folder, record, lock, clock)


def continue_run(runs_folder: Path, wanted: str, facts: RunFacts, clock: Clock) -> Run:
    """Take up the run ``wanted`` again, which must go on as it began.

    ``facts`` are those of now; the duration and the frequency of checkpoints may be others than
    at the begin. A finished run goes on only if it is to last longer.

    Raises:
        RunNotFoundError: ``run-not-found``.
        RunNotResumableError: ``run-not-resumable`` while another process runs it, if it is
            finished, or naming each difference that would change the result.
    """
    folder = find_run(runs_folder, wanted)
    lock = RunLock(folder, clock)
    try:
        record = open_run(runs_folder, folder.name)
        require_same(record.id, record.facts, facts)
        _require_more(folder, record, facts)
        record = msgspec.structs.replace(
            record,
            facts=facts,
            state="running",
            stage=None,
            code=None,
            pid=os.getpid(),
            resumes=record.resumes + 1,
            updated_at=iso_from_ns(clock.now_ns()),
        )
        write_record(folder, record)
    except BaseException:
        lock.release()
        raise
    _LOG.info("run_resumed", run=record.id, resumes=record.resumes)
    return Run(folder, record, lock, clock)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of progress of the run in ``folder``; a line cut by a crash is left out."""
    try:
        lines = (folder / METRICS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    rows = []
    for line in lines:
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return [row for row in rows if isinstance(row.get("step"), int)]


def read_result(folder: Path) -> dict[str, Any] | None:
    """Return the result of the run in ``folder``; None if it has none."""
    try:
        return msgspec.json.decode((folder / RESULT).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _require_more(folder: Path, record: RunRecord, now: RunFacts) -> None:
    """Refuse a finished run that has made all steps asked for; a time budget ends it before."""
    asked = now.training.get("timesteps", 0)
    made = (read_result(folder) or {}).get("steps", record.facts.training.get("timesteps", 0))
    if record.state != "finished" or asked > made:
        return
    raise RunNotResumableError(
        f"run {record.id} is finished",
        why="All of its steps were made; there is nothing left to continue.",
        next_step="Ask for more steps with --timesteps, or start a new run.",
        context={"run": record.id},
    )


def _scalar(value: Any) -> Any:
    """Return what a NumPy value holds: JSON knows no NumPy."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} is no JSON value")
