"""Finding runs: by id, by the begin of an id, or the latest."""

import difflib
from pathlib import Path

from alchemiser_cli.errors import RunNotFoundError
from alchemiser_cli.rl.runs.record import RunRecord, read_record

__all__ = ["LATEST", "find_run", "list_runs", "open_run"]

LATEST = "latest"
SHOWN = 5


def list_runs(runs_folder: Path) -> list[RunRecord]:
    """Return the runs in ``runs_folder``, the newest first; folders without a record are left out.

    A run whose process died shows as interrupted.
    """
    folders = runs_folder.iterdir() if runs_folder.is_dir() else ()
    records = [record for folder in folders if (record := read_record(folder)) is not None]
    return sorted(records, key=lambda record: (record.started_at, record.id), reverse=True)


def find_run(runs_folder: Path, wanted: str) -> Path:
    """Return the folder of the run ``wanted``: its id, the begin of its id, or ``latest``.

    Raises:
        RunNotFoundError: ``run-not-found``, naming the nearest ids.
    """
    return runs_folder / open_run(runs_folder, wanted).id


def open_run(runs_folder: Path, wanted: str) -> RunRecord:
    """Return the record of the run ``wanted``: its id, the begin of its id, or ``latest``.

    Raises:
        RunNotFoundError: ``run-not-found``, naming the nearest ids.
    """
    records = list_runs(runs_folder)
    if wanted == LATEST and records:
        return records[0]
    exact = [record for record in records if record.id == wanted]
    begun = exact or [record for record in records if wanted and record.id.startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    raise _not_found(runs_folder, wanted, records, begun)


def _not_found(
    runs_folder: Path, wanted: str, records: list[RunRecord], begun: list[RunRecord]
) -> RunNotFoundError:
    ids = [record.id for record in records]
    context: dict[str, object] = {"run": wanted, "folder": str(runs_folder)}
    if not ids:
        return RunNotFoundError(
            f"no run is called {wanted!r}",
            why=f"There is no run in {runs_folder}.",
            next_step="Start one with `alchemiser train td3`, or set the right home with --home.",
            context=context,
        )
    several = [record.id for record in begun]
    near = several or difflib.get_close_matches(wanted, ids, n=SHOWN, cutoff=0.4) or ids
    return RunNotFoundError(
        f"{len(several)} runs begin with {wanted!r}" if several else f"no run is called {wanted!r}",
        why=f"There are {len(ids):,} runs in {runs_folder}.",
        next_step=f"Name one of these: {', '.join(near[:SHOWN])}.",
        context={**context, "near": near[:SHOWN]},
    )
