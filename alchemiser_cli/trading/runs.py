"""Records of trading runs: what a run was fed and configured with, so that it can be run again."""

import difflib
from pathlib import Path
from typing import Any

import msgspec

from alchemiser_cli.errors import TradingRunNotFoundError
from alchemiser_cli.trading.files import replace_file

__all__ = ["Fed", "RunRecord", "list_runs", "load_run", "save_run"]


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was fed: a span of a dataset, or offsets of a topic.

    ``offsets`` are the first offset and the one after the last, by partition. Times are UTC
    nanoseconds.
    """

    dataset: str | None = None
    symbol: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    limit: int | None = None
    topic: str | None = None
    offsets: dict[int, tuple[int, int]] = {}


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``sections`` are the settings that decide on what it does, as they were.

    ``strategies`` are those that were loaded, with the hash of their parameters. ``ended_at`` is
    empty while it runs, or where it was killed.
    """

    run_id: str
    broker: str
    app_version: str
    started_at: str
    ended_at: str = ""
    trail: str
    fed: Fed
    strategies: dict[str, str]
    sections: dict[str, Any]
    ticks: int = 0
    signals: int = 0


def save_run(folder: Path, record: RunRecord) -> None:
    """Write a record, which replaces an earlier one of the same run."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(record), indent=2)
    replace_file(folder / f"{record.run_id}.json", content, durable=True)


def list_runs(folder: Path) -> list[RunRecord]:
    """Return every run whose record can be read, the oldest first."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=RunRecord))
        except (OSError, msgspec.MsgspecError):
            continue
    return sorted(found, key=lambda one: one.started_at)


def load_run(folder: Path, run_id: str) -> RunRecord:
    """Return the record of a run, given its id or a beginning of it that no other has.

    Raises:
        TradingRunNotFoundError: ``trading-run-not-found``.
    """
    known = {record.run_id: record for record in list_runs(folder)}
    matching = [name for name in known if name == run_id] or [
        name for name in known if run_id and name.startswith(run_id)
    ]
    if len(matching) == 1:
        return known[matching[0]]
    near = matching or difflib.get_close_matches(run_id, known, n=3, cutoff=0.6)
    raise TradingRunNotFoundError(
        f"{len(matching)} trading runs begin with {run_id!r}"
        if matching
        else f"there is no trading run {run_id!r}",
        why=f"Near ones: {', '.join(near)}." if near else f"Runs that are known: {len(known)}.",
        next_step="List them with `alchemiser trade runs`.",
        context={"run": run_id, "near": near},
    )
