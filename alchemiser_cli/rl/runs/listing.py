"""Every run in a row: what it was begun with, how far it came, and what came of it."""

from pathlib import Path

import msgspec

from alchemiser_cli.rl.checkpoints.layout import checkpoint_folders, manifest_of
from alchemiser_cli.rl.runs.finding import list_runs
from alchemiser_cli.rl.runs.record import RunRecord, RunState
from alchemiser_cli.rl.runs.run import CHECKPOINTS, read_result

__all__ = ["RunSummary", "summaries"]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One run; times are UTC in ISO 8601.

    ``step`` is the environment step that it can go on from, or at which it finished, of
    ``timesteps``. ``code`` is the error of one that failed. ``model`` is what a finished one
    saved.
    """

    id: str
    dataset: str
    symbol: str | None
    preset: str | None
    seed: int | None
    state: RunState
    step: int
    timesteps: int | None
    started_at: str
    updated_at: str
    resumes: int
    code: str | None
    model: str | None


def summaries(runs_folder: Path) -> list[RunSummary]:
    """Return the runs in ``runs_folder``, the newest first, without reading their arrays."""
    return [_summary(runs_folder / one.id, one) for one in list_runs(runs_folder)]


def _summary(folder: Path, record: RunRecord) -> RunSummary:
    result = read_result(folder) if record.state == "finished" else None
    training = record.facts.training
    return RunSummary(
        id=record.id,
        dataset=record.facts.dataset,
        symbol=record.facts.symbol,
        preset=training.get("preset"),
        seed=training.get("seed"),
        state=record.state,
        step=_last_step(folder / CHECKPOINTS),
        timesteps=training.get("timesteps"),
        started_at=record.started_at,
        updated_at=record.updated_at,
        resumes=record.resumes,
        code=record.code,
        model=None if result is None else result.get("model"),
    )


def _last_step(checkpoints: Path) -> int:
    for candidate in checkpoint_folders(checkpoints):
        manifest, _ = manifest_of(candidate)
        if manifest is not None:
            return manifest.step
    return 0
